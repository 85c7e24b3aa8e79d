"""What a training script imports, and what that costs."""

import os
import subprocess
import sys
from traceback import TracebackException
from types import ModuleType
from typing import Any

import pytest

import remote_entry
from remote_entry.errors import SettingsError
from remote_entry.flush import flush_run
from remote_entry.library import Access, _Process, find_access, open_run_database
from remote_entry.secret import Secret
from remote_entry.settings import SqlSettings
from remote_entry.settings.references import SecretReference, WorkspaceReference
from remote_entry.supervision.handover import DESCRIPTOR_VARIABLE, Bundle, write_bundle


def secret(label: str, name: str, version: str) -> Secret:
    """Return a secret whose value tells where it came from."""
    return Secret(SecretReference(label, name), f"{name}@{version}", version=version)


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """Let this process have resolved some secrets."""
    resolved = Bundle(
        (
            secret("1", "sql-user", "v1"),
            secret("API", "api-key", "v1"),
            secret("OLD", "rotated", "v1"),
            secret("NEW", "rotated", "v2"),
        ),
        (Secret(WorkspaceReference("WEBHOOK", "hook-address"), "from-workspace"),),
    )
    process = _Process()
    process._access = Access(resolved, SqlSettings())
    monkeypatch.setattr("remote_entry.library._PROCESS", process)
    return resolved


def test_public_names_are_these() -> None:
    """A change of the public API is a decision, not an accident."""
    assert remote_entry.__all__ == [
        "CommandError",
        "IdentityError",
        "RemoteEntryError",
        "Secret",
        "SecretFailure",
        "SettingsError",
        "SqlError",
        "VaultError",
        "__version__",
        "connect",
        "get_secret",
        "read_batches",
        "read_frame",
    ]
    assert all(hasattr(remote_entry, name) for name in remote_entry.__all__)


@pytest.mark.parametrize("module", ["remote_entry", "remote_entry.settings"])
def test_import_brings_no_sdk(module: str) -> None:
    """A script pays for Azure, pandas and SQLAlchemy when it uses them."""
    code = (
        f"import sys, {module}\n"
        "heavy = {'azure', 'azureml', 'pandas', 'numpy', 'pyarrow', 'arrow_odbc', 'sqlalchemy', "
        "'pyodbc', 'mssql_python', 'submitter'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize("wanted", [1, "1", "AZURE_SECRET_1", "sql-user"])
def test_secret_is_found_by_label_variable_or_name(wanted: str | int, bundle: Bundle) -> None:
    """Whichever of the three a script's author has at hand."""
    assert remote_entry.get_secret(wanted).value == "sql-user@v1"


def test_variable_from_the_workspace_is_found_by_its_name(bundle: Bundle) -> None:
    """WEBHOOK_FROM_WORKSPACE=… gives get_secret("WEBHOOK")."""
    found = remote_entry.get_secret("WEBHOOK")
    assert found.value == "from-workspace"
    assert remote_entry.get_secret("hook-address") is found
    assert repr(found) == "<Secret WEBHOOK ← hook-address (workspace)>"


def test_name_with_two_versions_must_be_asked_by_label(bundle: Bundle) -> None:
    """Which one was meant cannot be guessed."""
    with pytest.raises(SettingsError, match="versions of the name 'rotated'"):
        remote_entry.get_secret("rotated")
    assert remote_entry.get_secret("NEW").value == "rotated@v2"


def test_unknown_secret_lists_what_there_is(bundle: Bundle) -> None:
    """The error shows every reference and no value."""
    with pytest.raises(SettingsError) as caught:
        remote_entry.get_secret("SQL_PASSWORD")
    assert "AZURE_SECRET_API → api-key" in str(caught.value)
    assert "WEBHOOK ← hook-address" in str(caught.value)
    assert "@v1" not in str(caught.value)


def test_nothing_configured_resolves_to_nothing() -> None:
    """A script that asks for no secret needs no vault."""
    access = find_access({"SQL_SERVER": "localhost,14330"})
    assert access.bundle.secrets == ()
    assert (access.sql.server, access.sql.port) == ("localhost", 14330)


def test_login_from_the_workspace_opens_the_sql_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the handed over SQL_USERNAME and SQL_PASSWORD as it finds the labels."""
    workspace = (
        Secret(WorkspaceReference("SQL_USERNAME", "user"), "trainer"),
        Secret(WorkspaceReference("SQL_PASSWORD", "password"), "canary"),
    )
    opened: list[tuple[SqlSettings, dict[str, str]]] = []

    def open_database(sql: SqlSettings, values: dict[str, str], **_: object) -> object:
        opened.append((sql, values))
        return object()

    monkeypatch.setattr("remote_entry.sql.database.open_database", open_database)
    descriptor = write_bundle(Bundle(workspace=workspace))
    try:
        environ = {DESCRIPTOR_VARIABLE: str(descriptor), "SQL_SERVER": "flights"}
        open_run_database(find_access(environ))
    finally:
        os.close(descriptor)
    [(sql, values)] = opened
    assert (sql.user_name_label, sql.password_label) == ("SQL_USERNAME", "SQL_PASSWORD")
    assert values == {"SQL_USERNAME": "trainer", "SQL_PASSWORD": "canary"}


def test_traceback_holds_no_frame_with_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that print local variables find neither the environment nor a connection string."""
    monkeypatch.setattr("remote_entry.library._PROCESS", _Process())
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary")
    monkeypatch.setenv("AZURE_SECRET_1", "under_score")
    with pytest.raises(SettingsError) as caught:
        remote_entry.get_secret(1)
    shown = TracebackException.from_exception(caught.value, capture_locals=True)
    inner = [frame for frame in shown.stack if "remote_entry/" in frame.filename]
    locals_of_package = [frame.locals for frame in inner if "/tests/" not in frame.filename]
    assert locals_of_package
    assert "canary" not in repr(locals_of_package)


class FakeRun:
    """Plays azureml.core.Run."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.flushed: list[int] = []

    def get_context(self, *, allow_offline: bool) -> "FakeRun":
        """Return the run, as the SDK does inside one."""
        assert not allow_offline
        return self

    def flush(self, timeout_seconds: int) -> None:
        """Note the call."""
        if self.failure:
            raise self.failure
        self.flushed.append(timeout_seconds)


def install(monkeypatch: pytest.MonkeyPatch, run: FakeRun) -> None:
    """Let the SDK be imported already."""
    module: Any = ModuleType("azureml.core.run")
    module.Run = run
    monkeypatch.setitem(sys.modules, "azureml.core.run", module)


def test_run_is_flushed_if_the_script_used_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics of the last two seconds are sent, in bounded time."""
    run = FakeRun()
    install(monkeypatch, run)
    monkeypatch.setenv("AZUREML_RUN_ID", "run-1")
    flush_run()
    assert run.flushed == [30]


def test_flush_may_still_use_a_thread_pool() -> None:
    """The SDK sends metrics on one, and CPython ends pools before it calls atexit."""
    code = (
        "import sys\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from types import ModuleType\n"
        "import remote_entry\n"
        "class Run:\n"
        "    @classmethod\n"
        "    def get_context(cls, allow_offline): return cls()\n"
        "    def flush(self, timeout_seconds):\n"
        "        print(ThreadPoolExecutor(1).submit(str, 'sent').result())\n"
        "module = sys.modules['azureml.core.run'] = ModuleType('run')\n"
        "module.Run = Run\n"
        "try: remote_entry.get_secret('none')\n"
        "except remote_entry.SettingsError: pass"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"AZUREML_RUN_ID": "run-1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (result.stdout, result.stderr) == ("sent\n", "")


def test_nothing_is_flushed_outside_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop there is nowhere to send metrics to."""
    run = FakeRun()
    install(monkeypatch, run)
    monkeypatch.delenv("AZUREML_RUN_ID", raising=False)
    flush_run()
    assert run.flushed == []


def test_failed_flush_does_not_fail_the_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script has done its work: the log tells what may be missing."""
    install(monkeypatch, FakeRun(RuntimeError("canary")))
    monkeypatch.setenv("AZUREML_RUN_ID", "run-1")
    flush_run()
    assert "the last metrics may be lost (RuntimeError)" in capsys.readouterr().err
