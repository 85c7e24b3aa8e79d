"""Workspace secrets become variables."""

import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from remote_entry.azure.workspace import read_from_workspace
from remote_entry.deadline import Deadline
from remote_entry.errors import IdentityError


class FakeRun:
    """Plays azureml.core.Run for one workspace: class and run at once."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.failure: Exception | None = None
        self.blocked: threading.Event | None = None
        self.asked: list[list[str]] = []

    def get_context(self, *, allow_offline: bool) -> "FakeRun":
        """Return the run, as the SDK does inside one."""
        assert not allow_offline
        return self

    def get_secrets(self, names: list[str]) -> dict[str, str | None]:
        """Return found and not found secrets."""
        self.asked.append(names)
        if self.blocked:
            self.blocked.wait(30)
        if self.failure:
            raise self.failure
        return {name: self.secrets.get(name) for name in names}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    """Return the fake run of a process that Azure ML started."""
    fake = FakeRun()
    module: Any = ModuleType("azureml.core")
    module.Run = fake
    monkeypatch.setitem(sys.modules, "azureml.core", module)
    monkeypatch.setenv("AZUREML_RUN_ID", "run-1")
    return fake


def test_all_names_are_read_in_one_call(run: FakeRun) -> None:
    """One request, whatever the number of variables; a name used twice is asked for once."""
    run.secrets = {"a": "value-a", "b": "value-b"}
    values = read_from_workspace({"X": "a", "Y": "b", "Z": "a"}, Deadline(10))
    assert values == {"X": "value-a", "Y": "value-b", "Z": "value-a"}
    assert run.asked == [["a", "b"]]


def test_nothing_to_read_imports_nothing() -> None:
    """Without such a variable no Azure ML run is needed."""
    assert read_from_workspace({}, Deadline(10)) == {}


def test_secret_that_the_workspace_lacks_is_named(run: FakeRun) -> None:
    """The message leads from the variable to the workspace's secret."""
    run.secrets = {"a": "value-a"}
    with pytest.raises(IdentityError) as caught:
        read_from_workspace({"X": "a", "AZURE_CLIENT_SECRET": "gone"}, Deadline(10))
    assert "AZURE_CLIENT_SECRET_FROM_WORKSPACE → gone" in str(caught.value)
    assert "submitter secret set gone" in str(caught.value)


def test_outside_a_run_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop there is no run whose token could be used."""
    monkeypatch.delenv("AZUREML_RUN_ID", raising=False)
    with pytest.raises(IdentityError) as caught:
        read_from_workspace({"X": "a"}, Deadline(10))
    assert caught.value.kind == "identity.no-run"


def test_sdks_failure_is_told_without_its_text(run: FakeRun) -> None:
    """What the SDK quotes from a response stays out of the message."""
    run.failure = RuntimeError("response with canary")
    with pytest.raises(IdentityError) as caught:
        read_from_workspace({"X": "a"}, Deadline(10))
    assert "RuntimeError" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_silent_workspace_ends_with_the_deadline(run: FakeRun) -> None:
    """The SDK has no bound of its own."""
    run.blocked = threading.Event()
    with pytest.raises(IdentityError) as caught:
        read_from_workspace({"X": "a"}, Deadline(0.05))
    run.blocked.set()
    assert caught.value.kind == "identity.deadline"
