"""What a receipt says, and what it never says."""

import json
from pathlib import Path

import pytest
from support.played_source import spec_of

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Column
from remote_entry.extract.receipt import (
    Circumstances,
    driver_of,
    git_commit,
    receipt,
    secrets_of,
    write_receipt,
)
from remote_entry.extract.run import Outcome
from remote_entry.secret import Secret
from remote_entry.settings.references import SecretReference
from remote_entry.supervision.handover import Bundle


def test_a_receipt_names_secrets_and_shows_none(tmp_path: Path) -> None:
    """Name and version say what was used; each run has a file of its own."""
    secret = Secret(SecretReference("2", "sql-password", None), "hunter2", version="0123")
    hidden = SecretReference("3", "a secret name", None, name_held_by="names")
    around = Circumstances(
        secrets=secrets_of(Bundle((secret, Secret(hidden, "hunter3", version="4567")))),
        server="flights.database.windows.net",
        driver="ODBC Driver 18 for SQL Server",
        began="2026-01-01T00:00:00+00:00",
        seconds=1.5,
        run_id="",
        git_commit=git_commit({"AZUREML_GIT_COMMIT": "c0ffee"}),
    )
    spec = spec_of(tmp_path)
    document = receipt(spec, Outcome((Column("id", "int"),), (), 0), around)
    files = {write_receipt(document, spec, tmp_path / "outputs") for _ in range(2)}
    assert sorted(files) == sorted((tmp_path / "outputs").iterdir())
    read = json.loads(files.pop().read_text())
    assert read["secrets"] == {
        "AZURE_SECRET_2": {"name": "sql-password", "version": "0123"},
        "AZURE_SECRET_3": {"name_held_by": "names", "version": "4567"},
    }
    assert (read["git_commit"], read["isolation"], read["rows"]) == ("c0ffee", "read-committed", 0)
    assert read["columns"] == [{"name": "id", "type": "int"}]
    assert all(text not in json.dumps(read) for text in ("hunter", "a secret name"))


def test_a_receipt_that_cannot_be_written_says_what_is_landed(tmp_path: Path) -> None:
    """Nobody has to wonder whether to run again."""
    (tmp_path / "outputs").write_text("")
    spec = spec_of(tmp_path)
    document = {"run_id": "r", "rows": 7, "windows": []}
    with pytest.raises(ExtractError, match="outputs: .*What is new is landed: 7 rows") as caught:
        write_receipt(document, spec, tmp_path / "outputs")
    assert caught.value.exit_code == 7


def test_the_driver_is_all_that_is_taken_of_a_connection_string() -> None:
    """Its file's name alone, too."""
    assert driver_of("Driver={/a/b/libmsodbcsql-18.so};UID=u;PWD=p") == "libmsodbcsql-18.so"
    assert driver_of("UID=u;PWD=p") == ""


def test_outside_of_a_run_nobody_is_asked_for_the_commit() -> None:
    """A receipt without one is fine."""
    assert git_commit({}) is None
