"""No credential travels in plain view."""

import pytest

from submitter import guard
from submitter.errors import SecretInViewError


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
        *("mssql://sa:hunter2@host/db", "Server=x;UID=sa;PWD=hunter2", "AccountKey=aGk=;"),
        *("Data Source=x;Password = hunter2", "https://:hunter2@host/simple"),
    ],
)
def test_a_credential_inside_a_value_is_known_under_any_name(value: str) -> None:
    """A URL with a password, a connection string."""
    assert guard.shown("HARMLESS", value) == "••••••"
    with pytest.raises(SecretInViewError, match="^HARMLESS in job.yml"):
        guard.refuse_plain_text({"HARMLESS": value}, "job.yml")


@pytest.mark.parametrize("value", ["https://host:8080/a@b", "x=1;y=2", "tcp:host,1433", "a:b@c"])
def test_addresses_without_a_password_pass(value: str) -> None:
    """A port is no password."""
    assert guard.shown("ADDRESS", value) == value


def test_plain_text_is_refused_with_the_ways_around_it() -> None:
    """The message names the variable, not the value."""
    with pytest.raises(SecretInViewError) as caught:
        guard.refuse_plain_text({"AZURE_CLIENT_SECRET": "hunter2"}, "job.yml:7")
    message = str(caught.value)
    assert "AZURE_CLIENT_SECRET in job.yml:7" in message
    assert "AZURE_CLIENT_SECRET_FROM_WORKSPACE: NAME" in message
    assert "--allow-plaintext AZURE_CLIENT_SECRET" in message
    assert "hunter2" not in message


def test_plain_text_can_be_allowed_by_name() -> None:
    """Knowingly, one variable at a time."""
    variables = {"AZURE_CLIENT_SECRET": "hunter2", "DB_PASSWORD": "hunter3"}
    with pytest.raises(SecretInViewError, match="^DB_PASSWORD in"):
        guard.refuse_plain_text(variables, "job.yml", ["AZURE_CLIENT_SECRET"])
    guard.refuse_plain_text(variables, "job.yml", list(variables))


def test_the_value_of_a_local_credential_is_found_anywhere() -> None:
    """Under whatever name it would travel."""
    environ = {"AZURE_CLIENT_SECRET": "correct-horse", "USER": "correct-horse-2", "PIN_TOKEN": "1"}
    guard.refuse_known_values([("tags", "team operations 1")], environ)
    with pytest.raises(
        SecretInViewError, match="tags contains the value of AZURE_CLIENT"
    ) as caught:
        guard.refuse_known_values([("tags", "note: correct-horse!")], environ)
    assert "correct-horse" not in str(caught.value)


def test_an_allowed_value_may_travel_under_any_name() -> None:
    """The same secret often stands in two variables."""
    environ = {"AZURE_CLIENT_SECRET": "correct-horse", "OTHER_PASSWORD": "correct-horse"}
    texts = [("the environment", "correct-horse")]
    guard.refuse_known_values(texts, environ, ["AZURE_CLIENT_SECRET"])
    with pytest.raises(SecretInViewError):
        guard.refuse_known_values(texts, environ)
