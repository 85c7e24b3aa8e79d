"""remote_entry's connections over Microsoft's driver: passwords, tokens, drops, patience, tags."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from remote_entry.errors import SqlError
from remote_entry.hidden import Hidden
from remote_entry.settings.sql import SqlSettings
from remote_entry.sql.database import Database, open_database, prepare_connector
from remote_entry.sql.login import session_tags
from submitter.emulator import Emulator

PASSWORDS = [
    "semi;colon",
    "{open",
    "close}",
    "}};{{",
    "at@sign%percent",
    "'single'\"double\"",
    " spaces inside and around ",
    "back\\slash=equals,comma",
    "é-ü-漢字-🔑",
    "[brackets]#hash$dollar!",
    "PWD=x;UID=sa;",
]


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Play a SQL Server with one login, and have the driver trust it."""
    config = {
        "vaults": {"kv-test": {"sql-password": "first"}},
        "sql": {"logins": {"reader": {"secret": "sql-password"}}, "databases": {"flights": {}}},
    }
    with (
        Emulator(config, state=tmp_path_factory.mktemp("state")) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", emulator.environ["SSL_CERT_FILE"])
        yield emulator


@pytest.fixture
def settings(azure: Emulator) -> Iterator[SqlSettings]:
    """Return where the SQL Server is; no fault outlives a test."""
    yield SqlSettings.from_environ(
        {"SQL_SERVER": azure.environ["SQL_SERVER"], "SQL_DATABASE": "flights"}, {"1", "2"}
    )
    azure.sql.faults.clear()


def open_as_reader(azure: Emulator, settings: SqlSettings) -> Database:
    """Sign in with the password that the vault holds now."""
    values = {"1": "reader", "2": azure.vault("kv-test").secret("sql-password").value}
    return open_database(settings, values, tags=session_tags("nightly", "run-7"))


def logins(azure: Emulator) -> list[Any]:
    """Return the sessions that were opened."""
    return [event for event in azure.sql.events if event.kind == "login"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_pain_15_every_character_of_a_password_arrives(
    azure: Emulator, settings: SqlSettings, password: str
) -> None:
    """Neither the driver manager nor the driver reads anything into it."""
    azure.vault("kv-test").set("sql-password", password)
    database = open_as_reader(azure, settings)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    database.engine.dispose()


def test_wrong_password_is_tried_once(azure: Emulator, settings: SqlSettings) -> None:
    """A second attempt would bring the login closer to being locked."""
    azure.sql.events.clear()
    values = {"1": "reader", "2": "canary-wrong"}
    with pytest.raises(SqlError) as caught:
        open_database(settings, values, tags={})
    assert (caught.value.kind, caught.value.number) == ("sql.login-failed", 18456)
    assert "canary-wrong" not in str(caught.value)
    refused = [event for event in azure.sql.events if event.error == 18456]
    assert len(refused) == 1


def test_session_says_who_opened_it(azure: Emulator, settings: SqlSettings) -> None:
    """The server's administrators see program, workload and run of a session."""
    database = open_as_reader(azure, settings)
    with database.engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT APP_NAME(), HOST_NAME()").one()
    assert tuple(row) == ("remote_entry/0.1.0 nightly", "run-7")
    login = logins(azure)[-1]
    assert (login.application, login.host) == ("remote_entry/0.1.0 nightly", "run-7")
    assert login.encrypted.startswith("TLS")


def test_access_token_of_the_service_principal_opens_the_door(
    azure: Emulator, settings: SqlSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server checks the token's signature, audience and age, as Azure SQL does."""
    from remote_entry.azure.identity import SQL_SCOPE, open_credential, token_source
    from remote_entry.deadline import Deadline
    from remote_entry.settings.identity import IdentitySettings

    for variable in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(variable, azure.environ[variable])
    identity = IdentitySettings(
        tenant_id=azure.environ["AZURE_TENANT_ID"],
        client_id=azure.environ["AZURE_CLIENT_ID"],
        client_secret=Hidden(azure.environ["AZURE_CLIENT_SECRET"]),
    )
    token = token_source(open_credential(identity, Deadline(30)), identity, SQL_SCOPE)
    by_token = SqlSettings(settings.server, settings.port, "flights", auth="service-principal")
    database = open_database(by_token, {}, tags={}, token=token)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT SUSER_SNAME()").scalar() == identity.client_id
    assert logins(azure)[-1].by_token
    with pytest.raises(SqlError) as caught:
        open_database(by_token, {}, tags={}, token=lambda: token() + "x")
    assert caught.value.number == 18456


def test_pool_survives_a_dropped_connection(azure: Emulator, settings: SqlSettings) -> None:
    """What a firewall or a failover cut while it lay in the pool is replaced without a word."""
    database = open_as_reader(azure, settings)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    azure.sql.faults.add(at="query", drop=True)  # hits the pool's own question
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 2").scalar() == 2


def test_first_error_is_kept_when_the_rollback_fails_too(
    azure: Emulator, settings: SqlSettings
) -> None:
    """An error of class 20 ends the session; the rollback's own failure must not replace it."""
    database = open_as_reader(azure, settings)
    azure.sql.faults.add(at="query", error=40197, severity=20, matching="SELECT 3")

    def write_and_read() -> None:
        with database.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE #kept (a int)")
            connection.exec_driver_sql("SELECT 3")

    with pytest.raises(DBAPIError, match="40197") as caught:
        write_and_read()
    assert "08S01" not in str(caught.value)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 4").scalar() == 4


def test_error_that_ends_no_session_leaves_the_transaction_alone(
    azure: Emulator, settings: SqlSettings
) -> None:
    """After a lock timeout a script may go on with the connection that it has."""
    database = open_as_reader(azure, settings)
    azure.sql.faults.add(at="query", error=1222, matching="SELECT 5")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE #kept (a int)")
        with pytest.raises(DBAPIError, match="1222"):
            connection.exec_driver_sql("SELECT 5")
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM #kept").scalar() == 0


@pytest.mark.parametrize("number", [40613, 40197, 40501, 4221, 10928, 10929, 49918, 49919, 49920])
def test_pain_14_a_passing_condition_is_waited_for(
    azure: Emulator, settings: SqlSettings, number: int
) -> None:
    """A database that wakes up, moves or is busy is tried again after 5 s, then after 10 s."""
    slept: list[float] = []
    values = {"1": "reader", "2": azure.vault("kv-test").secret("sql-password").value}
    connector = prepare_connector(settings, values, tags={}, sleep=slept.append)
    azure.sql.faults.add(at="login", error=number, times=2)
    connector().close()
    assert [5 <= slept[0] <= 6, 10 <= slept[1] <= 11, len(slept)] == [True, True, 2]


def test_pain_16_a_certificate_for_another_name_is_refused(
    azure: Emulator, settings: SqlSettings
) -> None:
    """The message does not advise to switch the check off."""
    host_by_address = SqlSettings("127.0.0.1", settings.port, "flights", "password", "1", "2")
    with pytest.raises(SqlError) as caught:
        open_database(host_by_address, {"1": "reader", "2": "x"}, tags={})
    assert caught.value.kind == "sql.tls"
    assert "TrustServerCertificate" not in str(caught.value)


def test_variables_of_this_process_are_left_alone(azure: Emulator) -> None:
    """Opening a database writes nothing into the environment, which children inherit."""
    before = dict(os.environ)
    open_as_reader(
        azure, SqlSettings.from_environ({"SQL_SERVER": azure.environ["SQL_SERVER"]}, {"1", "2"})
    )
    assert dict(os.environ) == before
