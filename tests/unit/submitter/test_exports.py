"""The public API, and what importing it costs."""

import subprocess
import sys

import submitter

PUBLIC = {
    *("Job", "Plan", "plan", "submit", "get_run", "RunHandle", "RunDetails"),
    *("WorkspaceAddress", "open_workspace", "__version__"),
    *("SubmitterError", "InputError", "JobError", "EnvironmentFileError", "SnapshotError"),
    *("SecretInViewError", "SignInError", "WorkspaceError", "NotFoundError", "ServiceError"),
    *("NoAnswerError", "RunFailedError", "RunCanceledError", "FolderError"),
    *("ExposureError", "Audit"),
    *("find_run", "list_runs", "RunSummary"),
}
HEAVY = ("azureml", "azure", "pandas", "pydantic", "sqlalchemy", "requests", "uvicorn", "duckdb")


def test_the_public_names_are_these() -> None:
    """A change here is a change that users notice: it belongs in the CHANGELOG."""
    assert set(submitter.__all__) == PUBLIC
    assert [name for name in PUBLIC if not hasattr(submitter, name)] == []
    assert set(dir(submitter)) == PUBLIC


def test_help_loads_nothing_heavy() -> None:
    """`submitter --help` must be instant."""
    program = (
        "import sys\nfrom submitter.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "Usage:" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"
