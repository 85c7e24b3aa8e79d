"""No credential travels in plain view."""

import pytest

from submitter import guard


@pytest.mark.parametrize(
    "name",
    [
        *("AZURE_CLIENT_SECRET", "SQL_PASSWORD", "DB_PWD", "GITHUB_TOKEN", "MY_API_KEY"),
        *("STORAGE_ACCOUNT_KEY", "SQL_CONNECTION_STRING", "password", "AZURE_STORAGE_SAS_TOKEN"),
        *("PGPASSWORD", "DbPassword", "AZURE_STORAGE_KEY"),
    ],
)
def test_names_of_credentials_are_known(name: str) -> None:
    """By the words that people use for them."""
    assert guard.looks_like_credential(name)
    assert guard.shown(name, "hunter2") == "••••••"


@pytest.mark.parametrize(
    "name",
    [
        *("AZURE_SECRET_1", "AZURE_SECRET_2_VERSION", "AZURE_SECRET_SQL_PASSWORD"),
        *("AZURE_CLIENT_SECRET_FROM_WORKSPACE", "KEY_VAULT_URL", "AZURE_CLIENT_ID", "TOKENIZER"),
        *("PRIMARY_KEY", "PARTITION_KEY", "KEYBOARD"),
    ],
)
def test_references_are_no_credentials(name: str) -> None:
    """A secret's name may be read by everybody."""
    assert not guard.looks_like_credential(name)
    assert guard.shown(name, "sql-password") == "sql-password"


@pytest.mark.parametrize(
    "value",
    [
        *("Server=x;UID=sa;PWD={Tr0ub4dor}", "Server=x;UID=sa;PWD={a;b}}c}"),
        *("mssql://sa:hunter2@host/db", "Server=x;UID=sa;PWD=hunter2", "AccountKey=aGk=;"),
        *("Data Source=x;Password = hunter2", "https://:hunter2@host/simple"),
    ],
)
def test_a_credential_inside_a_value_is_known_under_any_name(value: str) -> None:
    """A URL with a password, a connection string."""
    assert guard.shown("HARMLESS", value) == "••••••"
    assert [one.variable for one in guard.in_variables({"HARMLESS": value}, "job.yml")] == [
        "HARMLESS"
    ]


@pytest.mark.parametrize("value", ["https://host:8080/a@b", "x=1;y=2", "tcp:host,1433", "a:b@c"])
def test_addresses_without_a_password_pass(value: str) -> None:
    """A port is no password."""
    assert guard.shown("ADDRESS", value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("DB_PASSWORD", ""), ("DB_PASSWORD", "${DB_PWD}"), ("API_TOKEN", "<token>")),
        *(("URL", "mssql://user:${PWD}@host"), ("URL", "postgres://user:password@host")),
        ("CONNECTION", "Server=x;UID=y;PWD={password}"),
    ],
)
def test_placeholders_pass(name: str, value: str) -> None:
    """Nobody learns anything from a gap that is to be filled."""
    assert guard.shown(name, value) == value
    assert not list(guard.in_variables({name: value}, "job.yml"))
