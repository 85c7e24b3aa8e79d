"""A run in the hand: what `concurrent.futures` users expect, logs, tags, a look in a notebook."""

import io
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace

import pytest
from rich.console import Console
from support.scripted_run import LOG, ScriptedRun

from submitter.backends.base import RunDetails
from submitter.errors import (
    NotFoundError,
    RunCanceledError,
    RunFailedError,
    SecretInViewError,
    ServiceError,
)
from submitter.runs.comparison import compare
from submitter.runs.handle import RunHandle

PAGE = "https://ml.azure.com/runs/e_1?wsid=/a&tid=b"


@dataclass
class Described(ScriptedRun):
    """A run that the service knows more of."""

    known: RunDetails = field(default_factory=lambda: RunDetails("e_1", "e", "Completed"))
    measured: dict[str, float] = field(default_factory=dict)
    tagged: list[object] = field(default_factory=list)

    def details(self) -> RunDetails:
        self._asked("details")
        return replace(self.known, status=self.state, logs=self._addresses())

    def metrics(self) -> dict[str, float]:
        return self.measured

    def tag(self, tags: Mapping[str, str], remove: object = ()) -> None:
        self.tagged.append((dict(tags), remove))


@pytest.mark.parametrize(
    ("status", "done", "running", "cancelled"),
    [
        ("Queued", False, False, False),
        ("Running", False, True, False),
        ("Completed", True, False, False),
        ("Failed", True, False, False),
        ("Canceled", True, False, True),
    ],
)
def test_it_answers_as_a_future_does(
    status: str,
    done: bool,  # noqa: FBT001
    running: bool,  # noqa: FBT001
    cancelled: bool,  # noqa: FBT001
) -> None:
    """`done`, `running` and `cancelled`, one small request each."""
    run = ScriptedRun(status)
    handle = RunHandle(run)
    assert (handle.done(), handle.running(), handle.cancelled()) == (done, running, cancelled)
    assert run.asked == {"status": 3}


def test_result_and_exception_tell_the_end() -> None:
    """One raises what the other returns."""
    assert RunHandle(ScriptedRun("Completed")).exception() is None
    assert RunHandle(ScriptedRun("Completed")).result().status == "Completed"
    for status, error in (("Failed", RunFailedError), ("Canceled", RunCanceledError)):
        assert isinstance(RunHandle(ScriptedRun(status)).exception(), error)
        with pytest.raises(error):
            RunHandle(ScriptedRun(status)).result()


def test_waiting_can_be_bounded() -> None:
    """As for a future: the run goes on."""
    handle = RunHandle(ScriptedRun("Running"))
    for wait in (handle.wait, handle.result, handle.exception):
        with pytest.raises(FutureTimeoutError, match="has not ended yet"):
            wait(timeout=0)


def test_logs_by_name() -> None:
    """The main one, one by its short name, several with their names, or what there is."""
    other = "user_logs/std_log_process_1.txt"
    handle = RunHandle(ScriptedRun("Running", {LOG: b"a\nb", other: b"c\n"}))
    assert handle.logs() == "a\nb"
    assert handle.logs("std_log_process_1") == "c\n"
    assert handle.logs("*") == "std_log | a\nstd_log | b\nstd_log_process_1 | c\n"
    with pytest.raises(NotFoundError, match=f"no log 'stderr'. It has: {LOG}"):
        handle.logs("stderr")
    assert RunHandle(ScriptedRun("Queued")).logs() == ""


def test_a_notebook_shows_a_link_and_no_markup_of_others() -> None:
    """Whoever names a run writes into the notebook of whoever looks at it."""
    known = RunDetails("e_1", "<script>x</script>", "", display_name="pwd=hunter2", portal_url=PAGE)
    page = RunHandle(Described("Failed", known=known))._repr_html_()
    assert '<a href="https://ml.azure.com/runs/e_1?wsid=/a&amp;tid=b"' in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "Failed" in page
    assert "hunter2" not in page
    known = replace(known, portal_url="javascript:alert(1)")
    assert "javascript:" not in RunHandle(Described("Failed", known=known))._repr_html_()


def test_a_display_survives_a_service_that_does_not_answer() -> None:
    """A notebook's cell must not fail for showing its value."""
    for show in (lambda handle: handle._repr_html_(), lambda handle: str(handle.__rich__())):
        handle = RunHandle(ScriptedRun(error=[ServiceError("gone")]))
        assert "the service did not answer" in show(handle)


def test_a_rich_console_shows_it_in_a_line() -> None:
    """With square brackets of a name as they are."""
    known = RunDetails("e_1", "e", "", display_name="[red]x", portal_url=PAGE)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(RunHandle(Described("Running", known=known)))
    assert console.export_text() == "run e_1_0a1b2c3d  e  [red]x  Running\n"


def test_tags_are_set_and_taken_off() -> None:
    """By keyword, or by a mapping for names that are no Python names."""
    run = Described()
    RunHandle(run).tag({"a-b": "1"}, stage="done", remove=["old"])
    assert run.tagged == [({"a-b": "1", "stage": "done"}, ["old"])]


@pytest.mark.parametrize(
    "tags",
    [
        {"password": "x1y2z3"},
        {"url": "https://u:s3cr3t-q9@host/"},
        {"note": "it is hunter2hunter2"},
    ],
)
def test_no_tag_holds_a_credential(monkeypatch: pytest.MonkeyPatch, tags: dict[str, str]) -> None:
    """By its name, by its look, or because it is this machine's own."""
    monkeypatch.setenv("DB_PASSWORD", "hunter2hunter2")
    run = Described()
    with pytest.raises(SecretInViewError) as caught:
        RunHandle(run).tag(tags)
    assert run.tagged == []
    assert next(iter(tags.values())) not in str(caught.value)


def test_a_comparison_shows_what_differs_and_masks_credentials() -> None:
    """Command, variables, environment, tags, metrics, status."""
    first = RunDetails(
        "e_1", "e", "", command="python t.py --lr 0.1", environment="flights:1",
        variables={"MODE": "fast", "DB_PASSWORD": "hunter2"}, tags={"stage": "dev"},
    )  # fmt: skip
    second = replace(
        first, command="python t.py --lr 0.2", environment="flights:2", tags={},
        variables={"MODE": "slow", "DB_PASSWORD": "hunter3"},
    )  # fmt: skip
    aspects = compare(
        [
            RunHandle(Described("Completed", known=first, measured={"mae": 1.5})),
            RunHandle(Described("Failed", known=second, measured={"mae": 2.5, "r2": 0.5})),
        ]
    )
    assert "hunter" not in repr(aspects)
    assert {aspect.name: aspect.values for aspect in aspects if aspect.differs} == {
        "status": ("Completed", "Failed"),
        "environment": ("flights:1", "flights:2"),
        "command": ("python t.py --lr 0.1", "python t.py --lr 0.2"),
        "variable MODE": ("fast", "slow"),
        "tag stage": ("dev", None),
        "metric mae": (1.5, 2.5),
        "metric r2": (None, 0.5),
    }
