"""Compute targets: processes, queues, cancelling."""

import os
import queue
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from submitter.emulator.compute import Compute
from submitter.emulator.jobs import Failure, Job, JobResult, Rank
from submitter.emulator.nodes import NodeCounts

TIMEOUT = 30


class Recorder:
    """A report that can be waited for."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.results: queue.Queue[JobResult] = queue.Queue()
        self.started: queue.Queue[str] = queue.Queue()
        self.left_behind: list[str] = []

    def queued(self) -> None:
        """Note the stage."""
        self.stages.append("queued")

    def preparing(self) -> None:
        """Note the stage."""
        self.stages.append("preparing")

    def running(self) -> None:
        """Note the stage and let waiters go."""
        self.stages.append("running")
        self.started.put("running")

    def ended(self, result: JobResult, folders: Sequence[Path]) -> None:
        """Note what is left and let waiters go."""
        self.left_behind = sorted(
            path.relative_to(folder).as_posix()
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file()
        )
        self.stages.append("ended")
        self.results.put(result)


Submit = Callable[..., Recorder]


@pytest.fixture
def compute(tmp_path: Path) -> Iterator[Compute]:
    """Make one target with a single node, and end it."""
    targets = Compute({"one": 1}, tmp_path / "runs", sys.executable, grace=0.2)
    yield targets
    targets.stop()


@pytest.fixture
def submit(compute: Compute, tmp_path: Path) -> Submit:
    """Submit a script or a command."""

    def run(run_id: str, script: str = "", **settings: object) -> Recorder:
        def lay_out(folder: Path) -> None:
            (folder / "main.py").write_text(textwrap.dedent(script))

        nodes = settings.get("nodes", 1)

        def ranks(attempt: int) -> list[Rank]:
            numbered = [{"NODE": str(node), "ATTEMPT": str(attempt)} for node in range(nodes)]
            logs = [tmp_path / f"{run_id}{node or ''}.log" for node in range(nodes)]
            own = numbered if settings.get("numbered") else [{}] * nodes
            return [Rank(node, own[node], logs[node]) for node in range(nodes)]

        job = Job(
            run_id=run_id,
            target="one",
            nodes=nodes,
            script="main.py",
            arguments=tuple(settings.get("arguments", ())),
            command=settings.get("command"),
            environment={"GIVEN": "yes", **settings.get("variables", {})},
            lay_out=settings.get("lay_out", lay_out),
            ranks=ranks,
            time_limit=settings.get("time_limit"),
        )
        recorder = Recorder()
        compute.submit(job, recorder)
        return recorder

    return run


def test_a_target_that_grows_runs_side_by_side(
    compute: Compute, submit: Submit, tmp_path: Path
) -> None:
    """Two jobs that wait for each other end only if both have a node."""
    compute.resize("one", 2)
    os.mkfifo(tmp_path / "pipe")
    reader = submit("reader", f"open({str(tmp_path / 'pipe')!r}).read()")
    writer = submit("writer", f"open({str(tmp_path / 'pipe')!r}, 'w').write('x')")
    assert writer.results.get(timeout=TIMEOUT).exit_code == 0
    assert reader.results.get(timeout=TIMEOUT).exit_code == 0


def test_a_script_runs_on_its_files_with_its_variables_only(
    submit: Submit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables are PATH, HOME and what the job was given; output folders are there."""
    monkeypatch.setenv("LAPTOP", "1")
    script = """
        import os, pathlib, sys
        print(sorted(set(os.environ) - {"LC_CTYPE"}), sys.argv[1:])
        pathlib.Path("outputs/x").write_text(os.environ["HOME"])
    """
    recorder = submit("a", script, arguments=["--x", "1 2"])
    assert recorder.results.get(timeout=TIMEOUT) == JobResult(exit_code=0)
    log = (tmp_path / "a.log").read_text()
    assert log == "['GIVEN', 'HOME', 'PATH'] ['--x', '1 2']\n"
    assert recorder.left_behind == ["main.py", "outputs/x"]
    assert recorder.stages == ["preparing", "running", "ended"]


def test_python_in_a_command_is_the_given_interpreter(submit: Submit, tmp_path: Path) -> None:
    """Whatever else is on PATH."""
    command = "for p in python python3; do $p -c 'import sys; print(sys.executable)'; done"
    assert submit("a", command=command).results.get(timeout=TIMEOUT).exit_code == 0
    assert set((tmp_path / "a.log").read_text().split()) == {sys.executable}


@pytest.mark.parametrize(
    ("code", "expected"), [("raise SystemExit(7)", 7), ("import os; os.abort()", -6)]
)
def test_the_exit_code_is_kept(submit: Submit, code: str, expected: int) -> None:
    """A code is a code, a signal is negative."""
    assert submit("a", code).results.get(timeout=TIMEOUT).exit_code == expected


def test_the_log_is_live(submit: Submit, tmp_path: Path) -> None:
    """What a program writes is in the log before it ends."""
    os.mkfifo(tmp_path / "written")
    os.mkfifo(tmp_path / "go")
    script = """
        import sys
        print("line", flush=True)
        open(sys.argv[1], "w").close()
        open(sys.argv[2]).read()
    """
    recorder = submit("a", script, arguments=[str(tmp_path / "written"), str(tmp_path / "go")])
    (tmp_path / "written").read_bytes()
    assert (tmp_path / "a.log").read_text() == "line\n"
    (tmp_path / "go").write_bytes(b"")
    assert recorder.results.get(timeout=TIMEOUT).exit_code == 0


def test_what_a_program_started_ends_with_it(submit: Submit, tmp_path: Path) -> None:
    """A child left in the background is killed; its end of a pipe closes."""
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    command = f"sleep 3600 > {tmp_path / 'held'} & exit 0"
    assert submit("a", command=command).results.get(timeout=TIMEOUT).exit_code == 0
    os.set_blocking(held, True)
    assert os.read(held, 1) == b""
    os.close(held)


def test_a_program_that_ignores_the_request_to_end_is_killed(
    submit: Submit, compute: Compute, tmp_path: Path
) -> None:
    """SIGTERM, a while, SIGKILL."""
    os.mkfifo(tmp_path / "ready")
    script = """
        import signal, sys, threading
        signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
        open(sys.argv[1], "w").close()
        while True:
            threading.Event().wait()
    """
    recorder = submit("a", script, arguments=[str(tmp_path / "ready")])
    (tmp_path / "ready").read_bytes()
    compute.cancel("a")
    assert recorder.results.get(timeout=TIMEOUT) == JobResult(exit_code=-9, canceled=True)
    assert (tmp_path / "a.log").read_text() == "no\n"


def test_jobs_beyond_the_nodes_wait_and_can_be_cancelled_there(
    submit: Submit, compute: Compute
) -> None:
    """The second job starts when the first ends; a cancelled one never starts."""
    forever = "import threading; threading.Event().wait()"
    first, second, third = submit("1", forever), submit("2", forever), submit("3", "")
    first.started.get(timeout=TIMEOUT)
    assert (second.stages, third.stages) == ([], [])
    compute.cancel("2")
    compute.cancel("1")
    assert first.results.get(timeout=TIMEOUT).canceled
    assert second.results.get(timeout=TIMEOUT) == JobResult(canceled=True)
    assert third.results.get(timeout=TIMEOUT) == JobResult(exit_code=0)
    assert second.stages == ["ended"]


def test_a_job_that_exceeds_its_time_is_stopped(submit: Submit) -> None:
    """The time limit ends a program that hangs."""
    recorder = submit("a", "import threading; threading.Event().wait()", time_limit=0.2)
    result = recorder.results.get(timeout=TIMEOUT)
    assert (result.timed_out, result.exit_code) == (True, -15)


def test_a_job_that_cannot_be_laid_out_fails_alone(submit: Submit) -> None:
    """The worker lives on for the next job."""

    def fail(_folder: Path) -> None:
        raise OSError("disk full")

    failed = submit("1", lay_out=fail).results.get(timeout=TIMEOUT)
    assert failed == JobResult(failure=Failure("OSError: disk full"))
    assert submit("2", "").results.get(timeout=TIMEOUT).exit_code == 0


def test_stop_ends_what_runs_and_what_waits(submit: Submit, compute: Compute) -> None:
    """Nothing is left behind, and stopping twice is fine."""
    forever = "import threading; threading.Event().wait()"
    first, second = submit("1", forever), submit("2", forever)
    first.started.get(timeout=TIMEOUT)
    compute.stop()
    assert first.results.get(timeout=TIMEOUT).canceled
    assert second.results.get(timeout=TIMEOUT).canceled
    compute.stop()


def test_a_job_has_all_of_its_nodes_and_a_folder_on_each(
    compute: Compute, submit: Submit, tmp_path: Path
) -> None:
    """Two processes that wait for each other, each on files of its own."""
    compute.resize("one", 2)
    os.mkfifo(tmp_path / "pipe")
    script = """
        import os, pathlib, sys
        pathlib.Path("outputs/node" + os.environ["NODE"]).touch()
        open(sys.argv[1], "rw"[int(os.environ["NODE"])]).close()
    """
    recorder = submit("a", script, nodes=2, numbered=True, arguments=[str(tmp_path / "pipe")])
    assert recorder.results.get(timeout=TIMEOUT) == JobResult(exit_code=0)
    assert recorder.left_behind == ["main.py", "main.py", "outputs/node0", "outputs/node1"]


def test_large_jobs_get_their_nodes_at_once_and_in_turn(compute: Compute, submit: Submit) -> None:
    """Two of two nodes on three: one runs, the other waits with none, and nobody passes it."""
    compute.resize("one", 3)
    forever = "import threading; threading.Event().wait()"
    first, second = submit("1", forever, nodes=2), submit("2", forever, nodes=2)
    third = submit("3", "")
    first.started.get(timeout=TIMEOUT)
    assert compute.counts("one") == NodeCounts(preparing=0, running=2, wanted=2)
    assert (second.stages, third.stages) == ([], [])
    compute.cancel("1")
    second.started.get(timeout=TIMEOUT)
    assert third.results.get(timeout=TIMEOUT) == JobResult(exit_code=0)


def test_a_process_that_fails_ends_the_others(
    compute: Compute, submit: Submit, tmp_path: Path
) -> None:
    """Its number, code and log are the job's."""
    compute.resize("one", 2)
    script = """
        import os, threading
        if os.environ["NODE"] == "1":
            raise SystemExit(3)
        threading.Event().wait()
    """
    result = submit("a", script, nodes=2, numbered=True).results.get(timeout=TIMEOUT)
    assert (result.exit_code, result.failed) == (3, 1)
    assert result.log == tmp_path / "a1.log"


def test_a_preempted_job_starts_again_before_all_others(
    compute: Compute, submit: Submit, tmp_path: Path
) -> None:
    """On fresh files, and only if it runs."""
    script = """
        import os, pathlib, threading
        pathlib.Path("outputs/attempt" + os.environ["ATTEMPT"]).touch()
        if os.environ["ATTEMPT"] == "0":
            threading.Event().wait()
    """
    recorder, other = submit("a", script, numbered=True), submit("b", "")
    recorder.started.get(timeout=TIMEOUT)
    with pytest.raises(ValueError, match="no node runs b"):
        compute.preempt("b")
    compute.preempt("a")
    assert recorder.results.get(timeout=TIMEOUT) == JobResult(exit_code=0)
    assert recorder.left_behind == ["main.py", "outputs/attempt1"]
    assert recorder.stages == [
        *("preparing", "running", "queued", "preparing", "running"),
        "ended",
    ]
    assert other.results.get(timeout=TIMEOUT) == JobResult(exit_code=0)
    with pytest.raises(ValueError, match="no node runs a"):
        compute.preempt("a")


def test_the_next_jobs_can_be_made_to_fail(compute: Compute, submit: Submit) -> None:
    """As often as asked, before anything runs."""
    lost = Failure("the node went away")
    compute.fail_next("one", lost, times=1)
    assert submit("1", "").results.get(timeout=TIMEOUT) == JobResult(failure=lost)
    assert submit("2", "").results.get(timeout=TIMEOUT) == JobResult(exit_code=0)


def test_a_target_that_goes_takes_what_waits_with_it(compute: Compute, submit: Submit) -> None:
    """What runs there ends as it would."""
    forever = "import threading; threading.Event().wait()"
    first, second = submit("1", forever), submit("2", "")
    first.started.get(timeout=TIMEOUT)
    compute.remove("one")
    assert second.results.get(timeout=TIMEOUT) == JobResult(canceled=True)
    assert first.stages == ["preparing", "running"]


@pytest.mark.parametrize("ending", ["sleep 600", "true"])
def test_what_a_run_leaves_behind_ends_with_it(
    compute: Compute, submit: Submit, tmp_path: Path, ending: str
) -> None:
    """Canceled or completed: even a process that went into a session of its own."""
    note = tmp_path / "pid"
    os.mkfifo(note)  # whoever reads it waits for the writer, and the other way round
    command = f"trap '' TERM; setsid sleep 600 & echo $! > {note}; {ending}"
    recorder = submit("left", command=command, variables={"AZUREML_RUN_ID": "left-behind"})
    left = psutil.Process(int(note.read_text()))
    if ending != "true":
        compute.cancel("left")
    recorder.results.get(timeout=TIMEOUT)
    assert psutil.wait_procs([left], timeout=TIMEOUT)[1] == []


def test_a_run_of_the_same_name_on_another_emulator_is_left_alone(
    submit: Submit, tmp_path: Path
) -> None:
    """Its processes have another gateway."""
    environ = {**os.environ, "AZUREML_RUN_ID": "twin", "HTTPS_PROXY": "http://127.0.0.1:1"}
    twin = psutil.Popen(["sleep", "600"], env=environ)
    mine = {"AZUREML_RUN_ID": "twin", "HTTPS_PROXY": "http://127.0.0.1:2"}
    recorder = submit("a", command="true", variables=mine)
    assert recorder.results.get(timeout=TIMEOUT) == JobResult(exit_code=0)
    assert twin.poll() is None
    twin.kill()
    twin.wait()
