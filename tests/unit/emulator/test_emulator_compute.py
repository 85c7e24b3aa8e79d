"""Compute targets: processes, queues, cancelling."""

import os
import queue
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from submitter.emulator.compute import Compute, Job, JobResult

TIMEOUT = 30


class Recorder:
    """A report that can be waited for."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.results: queue.Queue[JobResult] = queue.Queue()
        self.started: queue.Queue[str] = queue.Queue()
        self.left_behind: list[str] = []

    def preparing(self) -> None:
        """Note the stage."""
        self.stages.append("preparing")

    def running(self) -> None:
        """Note the stage and let waiters go."""
        self.stages.append("running")
        self.started.put("running")

    def ended(self, result: JobResult, folder: Path) -> None:
        """Note what is left and let waiters go."""
        files = (path for path in folder.rglob("*") if path.is_file())
        self.left_behind = sorted(path.relative_to(folder).as_posix() for path in files)
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

        job = Job(
            run_id=run_id,
            target="one",
            script="main.py",
            arguments=tuple(settings.get("arguments", ())),
            command=settings.get("command"),
            environment={"GIVEN": "yes", **settings.get("variables", {})},
            lay_out=settings.get("lay_out", lay_out),
            log=tmp_path / f"{run_id}.log",
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
    assert failed == JobResult(failure="OSError: disk full")
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
