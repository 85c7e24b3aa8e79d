"""The emulator's public face."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from submitter.emulator import Config, ConfigError, Emulator, EmulatorError
from submitter.emulator.compute import Compute
from submitter.emulator.config import DatabaseConfig, SqlConfig, TableConfig
from submitter.emulator.reach import run_environment
from submitter.emulator.sql import load_tables

WITHOUT_SQL = {"sql": None}


def test_start_and_stop_leave_nothing_behind() -> None:
    """No thread and no folder outlives an emulator; stopping twice is fine."""
    before = set(threading.enumerate())
    emulator = Emulator(WITHOUT_SQL).start()
    home = Path(emulator.environ["HOME"])
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700
    emulator.stop()
    emulator.stop()
    assert not home.parent.exists()
    assert set(threading.enumerate()) == before


def test_a_part_that_fails_to_end_is_logged_and_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`stop` goes on with the other parts and raises nothing."""
    stop = Compute.stop

    def stop_and_fail(compute: Compute) -> None:
        stop(compute)
        raise RuntimeError("a worker is stuck")

    monkeypatch.setattr(Compute, "stop", stop_and_fail)
    emulator = Emulator({"sql": None}).start()
    home = Path(emulator.environ["HOME"])
    emulator.stop()
    assert "compute targets did not end cleanly" in caplog.text
    assert not home.exists()
    assert not [each for each in threading.enumerate() if each.name.startswith("emulator-")]


def test_a_forgotten_emulator_leaves_no_folder(tmp_path: Path) -> None:
    """A program that ends without `stop` removes the temporary state all the same."""
    program = "from submitter.emulator import Emulator; Emulator({'sql': None}).start()"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_started_again() -> None:
    """Each start is a new workspace with new secrets."""
    emulator = Emulator(WITHOUT_SQL)
    with emulator:
        first = emulator.environ["AZURE_CLIENT_SECRET"]
    with emulator:
        assert emulator.environ["AZURE_CLIENT_SECRET"] != first


def test_the_variables_lead_to_loopback_and_sign_in() -> None:
    """Every variable that a client needs, and a proxy on this machine only."""
    with Emulator(WITHOUT_SQL) as emulator:
        environ = emulator.environ
        assert environ["HTTPS_PROXY"].startswith("http://127.0.0.1:")
        assert Path(environ["REQUESTS_CA_BUNDLE"]).is_file()
        assert environ["KEY_VAULT_URL"] == "https://kv-local.vault.azure.net"
        assert environ["AZURE_CLIENT_SECRET"] == environ["AZUREML_SERVICE_PRINCIPAL_PASSWORD"]
        assert "SQL_SERVER" not in environ
        with pytest.raises(EmulatorError, match="no SQL Server"):
            _ = emulator.sql


def test_a_vault_may_hold_a_principals_client_secret() -> None:
    """A run that reads its own client secret from the workspace needs none in clear."""
    config = {**WITHOUT_SQL, "vaults": {"kv-local": {"sp": {"client_secret_of": "submitter"}}}}
    with Emulator(config) as emulator:
        secret = emulator.vault("kv-local").secret("sp").value
        assert secret == emulator.environ["AZURE_CLIENT_SECRET"]


def test_a_client_secret_of_nobody_is_refused() -> None:
    """The error names the principals there are."""
    with pytest.raises(ConfigError, match="'nobody'.*there are submitter"):
        Emulator({"vaults": {"kv-local": {"sp": {"client_secret_of": "nobody"}}}})


def test_a_workspace_file_is_written_where_asked(tmp_path: Path) -> None:
    """`write_workspace_config` needs no running emulator."""
    emulator = Emulator(WITHOUT_SQL)
    file = emulator.write_workspace_config(tmp_path)
    assert file == tmp_path / ".azureml" / "config.json"
    assert json.loads(file.read_text()) == emulator.workspace


@pytest.mark.parametrize("member", ["environ", "config_file", "runs", "environments", "sql"])
def test_an_emulator_that_does_not_run_says_so(member: str) -> None:
    """The error says what to do."""
    with pytest.raises(EmulatorError, match=r"call start\(\)"):
        getattr(Emulator(), member)


def test_a_kept_state_stays_and_is_emptied_at_the_next_start(tmp_path: Path) -> None:
    """A folder given by the caller is there afterwards, and then starts anew."""
    state = tmp_path / "state"
    with Emulator(WITHOUT_SQL, state=state):
        (state / "leftover").write_text("x")
    assert (state / "ca.pem").is_file()
    with Emulator(WITHOUT_SQL, state=state):
        assert not (state / "leftover").exists()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """Nobody's files are emptied away."""
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(EmulatorError, match="not the emulator's"):
        Emulator(WITHOUT_SQL, state=tmp_path).start()
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_failed_start_leaves_nothing_behind(tmp_path: Path) -> None:
    """A wrong certificate file is an error with its path, and no thread stays."""
    before = set(threading.enumerate())
    principal = {"client_id": "x", "certificate": str(tmp_path / "absent.pem")}
    with pytest.raises(ConfigError, match=r"absent\.pem.*PEM file"):
        Emulator({**WITHOUT_SQL, "service_principals": [principal]}).start()
    assert set(threading.enumerate()) == before


def test_latency_may_be_set_before_the_start() -> None:
    """Measurements set it once."""
    emulator = Emulator(WITHOUT_SQL)
    emulator.latency = 0.5
    with emulator:
        assert emulator.latency == 0.5


def test_a_config_object_is_taken_as_it_is() -> None:
    """Tests may build a configuration in Python."""
    config = Config(sql=None)
    assert Emulator(config).config is config


@pytest.mark.parametrize(
    "value",
    [
        "flights-sql.database.windows.net",
        "tcp:flights-sql.database.windows.net,1433",
        " Flights-SQL.Database.Windows.NET ",
    ],
)
def test_the_sql_servers_name_leads_to_its_port(value: str) -> None:
    """The emulator's stand for DNS."""
    complete = run_environment({}, "flights-sql.database.windows.net", 12345)
    assert complete({"SQL_SERVER": value})["SQL_SERVER"] == "localhost,12345"


@pytest.mark.parametrize(
    "value",
    ["other.database.windows.net", "Server=flights-sql.database.windows.net;", "localhost", ""],
)
def test_other_values_are_left_alone(value: str) -> None:
    """Only a value that is exactly the name is replaced."""
    complete = run_environment({}, "flights-sql.database.windows.net", 12345)
    assert complete({"SQL_SERVER": value})["SQL_SERVER"] == value


def test_the_way_to_the_emulator_comes_last() -> None:
    """A proxy that a project sets for Azure does not lead a run astray."""
    complete = run_environment({"HTTPS_PROXY": "ours"}, None, 0)
    assert complete({"HTTPS_PROXY": "theirs", "LANG": "de_DE"}) == {
        "HTTPS_PROXY": "ours",
        "LANG": "de_DE",
        "PYTHONUNBUFFERED": "1",
    }


class LoadedTables:
    """A SQL Server that remembers what was loaded."""

    def __init__(self) -> None:
        self.loaded: list[tuple[str, str, Path]] = []

    def load(self, database: str, table: str, path: Path) -> int:
        """Remember a table."""
        self.loaded.append((database, table, path))
        return 0


def tables(**sources: TableConfig) -> SqlConfig:
    """Describe one database."""
    return SqlConfig(databases={"d": DatabaseConfig(tables=sources)})


def test_tables_come_from_files_and_packages(tmp_path: Path) -> None:
    """A file inside a package is found without importing the package."""
    (tmp_path / "t.csv").write_text("a\n1\n")
    server = LoadedTables()
    package = TableConfig(package="json", file="decoder.py")
    load_tables(server, tables(t=TableConfig(csv=tmp_path / "t.csv"), p=package))  # type: ignore[arg-type]
    expected = Path(os.__file__).parent / "json" / "decoder.py"
    assert server.loaded == [("d", "t", tmp_path / "t.csv"), ("d", "p", expected)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (TableConfig(csv=Path("/nowhere/t.csv")), r"Table 't'.*/nowhere/t\.csv.*does not exist"),
        (TableConfig(package="no_such_package", file="x"), "pip install no_such_package"),
    ],
)
def test_a_table_without_a_source_is_an_error_with_a_remedy(
    source: TableConfig, expected: str
) -> None:
    """The error names table, file or package, and what to do."""
    with pytest.raises(ConfigError, match=expected):
        load_tables(LoadedTables(), tables(t=source))  # type: ignore[arg-type]
