"""Environment variables become settings, or one error that lists every problem."""

import pytest

from remote_entry.errors import SettingsError
from remote_entry.settings import SecretReference, Settings, SqlSettings

VERSION_1 = "0123456789abcdef0123456789abcdef"
VERSION_2 = "fedcba9876543210fedcba9876543210"

IDENTITY = {
    "AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555",
    "AZURE_CLIENT_ID": "66666666-7777-8888-9999-000000000000",
    "AZURE_CLIENT_SECRET": "canary-client-secret",
    "KEY_VAULT_URL": "https://flights.vault.azure.net/",
}

TUTORIAL = IDENTITY | {
    "AZURE_SECRET_1": "sql-user",
    "AZURE_SECRET_1_VERSION": VERSION_1,
    "AZURE_SECRET_2": "sql-password",
    "AZURE_SECRET_VERSION_INSERT": VERSION_2,
}


def problems_of(**variables: str) -> str:
    """Return the message of the error that variables cause."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(IDENTITY | variables)
    return str(caught.value)


def test_tutorials_dictionary_works_as_it_stands() -> None:
    """The odd AZURE_SECRET_VERSION_INSERT is taken for the version of the unpinned secret."""
    settings = Settings.from_environ(TUTORIAL)
    assert settings.secrets == (
        SecretReference("1", "sql-user", VERSION_1),
        SecretReference("2", "sql-password", VERSION_2),
    )
    assert settings.sql.user_name_label == "1"
    assert settings.sql.password_label == "2"
    assert settings.vault_url == "https://flights.vault.azure.net"


def test_warning_for_stray_version_names_the_right_variable() -> None:
    """Whoever reads the log learns how the variable should be called."""
    [warning] = Settings.from_environ(TUTORIAL).warnings
    assert "AZURE_SECRET_VERSION_INSERT" in warning
    assert "AZURE_SECRET_2_VERSION" in warning


def test_ambiguous_stray_version_is_refused_with_the_candidates() -> None:
    """With two unpinned secrets nobody can tell whose version it is."""
    message = problems_of(
        AZURE_SECRET_1="sql-user", AZURE_SECRET_2="sql-password", AZURE_SECRET_9_VERSION=VERSION_1
    )
    assert "AZURE_SECRET_9_VERSION" in message
    assert "AZURE_SECRET_1_VERSION, AZURE_SECRET_2_VERSION" in message


def test_stray_version_beside_pinned_secrets_is_refused() -> None:
    """A version too many is a mistake even if every secret has one."""
    message = problems_of(
        AZURE_SECRET_1="sql-user",
        AZURE_SECRET_1_VERSION=VERSION_1,
        AZURE_SECRET_3_VERSION=VERSION_2,
    )
    assert "AZURE_SECRET_3_VERSION fits no secret" in message


def test_empty_version_means_the_latest() -> None:
    """A variable that is there but empty pins nothing."""
    settings = Settings.from_environ(
        IDENTITY | {"AZURE_SECRET_1": "a", "AZURE_SECRET_1_VERSION": ""}
    )
    assert settings.secrets == (SecretReference("1", "a"),)
    assert str(settings.secrets[0]) == "AZURE_SECRET_1 → a (latest version)"


def test_labels_are_ordered_by_number_then_by_word() -> None:
    """10 comes after 2, and words after numbers."""
    names = {f"AZURE_SECRET_{label}": "x" for label in ("10", "API", "2", "1")}
    settings = Settings.from_environ(IDENTITY | names)
    assert [reference.label for reference in settings.secrets] == ["1", "2", "10", "API"]


def test_all_problems_are_reported_at_once() -> None:
    """Nobody corrects a job file five times."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(
            {
                "AZURE_SECRET_1": "under_score",
                "AZURE_SECRET_2": "fine",
                "AZURE_SECRET_2_VERSION": "latest",
                "KEY_VAULT_URL": "flights.vault.azure.net",
                "SQL_SERVER": "https://somewhere/",
                "REMOTE_ENTRY_DEADLINE": "soon",
            }
        )
    message = str(caught.value)
    for variable in (
        "AZURE_SECRET_1 is not",
        "version of AZURE_SECRET_2",
        "KEY_VAULT_URL",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "SQL_SERVER",
        "REMOTE_ENTRY_DEADLINE",
    ):
        assert variable in message
    assert caught.value.exit_code == 3


def test_value_in_the_place_of_a_name_is_never_quoted() -> None:
    """A password that was put where its name belongs does not reach the log."""
    message = problems_of(
        AZURE_SECRET_1="P@ss word!", AZURE_SECRET_1_VERSION="also-a-secret", SQL_SERVER="a b c"
    )
    assert "P@ss" not in message
    assert "also-a-secret" not in message


def test_white_space_is_stripped_with_a_warning() -> None:
    """A newline from a copied secret does not become a wrong password."""
    settings = Settings.from_environ(TUTORIAL | {"AZURE_CLIENT_SECRET": " canary \n"})
    assert settings.identity.client_secret.text == "canary"
    assert any("AZURE_CLIENT_SECRET has white space" in line for line in settings.warnings)


def test_repr_shows_no_client_secret() -> None:
    """Settings may end in a log or in a traceback with locals."""
    assert "canary-client-secret" not in repr(Settings.from_environ(TUTORIAL))


def test_no_secret_asked_for_needs_no_identity() -> None:
    """A command without secrets runs with no variable at all."""
    settings = Settings.from_environ({})
    assert settings.secrets == ()
    assert settings.sql == SqlSettings()


@pytest.mark.parametrize(
    "url",
    [
        "http://flights.vault.azure.net/",
        "https://user:password@flights.vault.azure.net/",
        "https://flights.vault.azure.net/secrets/a",
        "https://<subscription>.vault.azure.net/",
        "https://",
        "https://[broken",
    ],
)
def test_vault_address_must_be_https_and_bare(url: str) -> None:
    """A token must not travel in clear or to a path that somebody pasted."""
    assert "KEY_VAULT_URL is not of the form" in problems_of(AZURE_SECRET_1="a", KEY_VAULT_URL=url)


@pytest.mark.parametrize(
    ("address", "server", "port"),
    [
        ("flights.database.windows.net", "flights.database.windows.net", None),
        ("tcp:flights.database.windows.net,1433", "flights.database.windows.net", 1433),
        ("localhost,14330", "localhost", 14330),
        ("flights:1433", "flights", 1433),
        (r"host\SQLEXPRESS", r"host\SQLEXPRESS", None),
    ],
)
def test_server_is_understood_in_every_usual_spelling(
    address: str, server: str, port: int | None
) -> None:
    """Portal, ODBC and URL habits all mean the same server."""
    sql = SqlSettings.from_environ({"SQL_SERVER": address}, labels=())
    assert (sql.server, sql.port) == (server, port)


@pytest.mark.parametrize("address", ["a;UID=sa", "a,99999", "a{b", "http://a", "a b"])
def test_server_that_could_change_the_connection_string_is_refused(address: str) -> None:
    """A server is a name and a port, nothing else."""
    with pytest.raises(SettingsError, match="SQL_SERVER"):
        SqlSettings.from_environ({"SQL_SERVER": address}, labels=())


def test_named_sql_labels_replace_the_numbered_ones() -> None:
    """Labels 1 and 2 are the login only if nothing says so by name."""
    sql = SqlSettings.from_environ({}, labels={"1", "2", "SQL_USERNAME", "SQL_PASSWORD"})
    assert (sql.user_name_label, sql.password_label) == ("SQL_USERNAME", "SQL_PASSWORD")
    sql = SqlSettings.from_environ({}, labels={"1", "2", "SQL_PASSWORD"})
    assert (sql.user_name_label, sql.password_label) == (None, "SQL_PASSWORD")
    sql = SqlSettings.from_environ({}, labels={"1", "2", "SQL_CONNECTION_STRING"})
    assert sql.connection_string_label == "SQL_CONNECTION_STRING"
    assert (sql.user_name_label, sql.password_label) == (None, None)


def test_variable_from_the_workspace_is_not_missing() -> None:
    """The client secret may come from the workspace's vault in place of the environment."""
    variables = {name: value for name, value in TUTORIAL.items() if name != "AZURE_CLIENT_SECRET"}
    variables["AZURE_CLIENT_SECRET_FROM_WORKSPACE"] = "training-client-secret"
    settings = Settings.from_environ(variables)
    assert not settings.identity.client_secret
    assert settings.from_workspace == {"AZURE_CLIENT_SECRET": "training-client-secret"}


def test_values_from_the_workspace_take_the_place_of_their_references() -> None:
    """After the workspace was read the settings are those of the plain variables."""
    environ = {"SQL_SERVER_FROM_WORKSPACE": "name", "SQL_SERVER": "old", "SQL_DATABASE": "stays"}
    settings = Settings.from_environ(environ, {"SQL_SERVER": "flights,1433"})
    assert (settings.sql.server, settings.sql.database) == ("flights", "stays")


@pytest.mark.parametrize("label", ["SQL_USERNAME", "SQL_PASSWORD", "SQL_CONNECTION_STRING"])
def test_login_from_the_workspace_counts_as_a_label(label: str) -> None:
    """It opens the server as AZURE_SECRET_SQL_* does, and nothing is said to be ignored."""
    indirect = {f"{label}_FROM_WORKSPACE": "name"}
    settings = Settings.from_environ(indirect, {label: "canary"})
    sql = settings.sql
    assert label in {sql.user_name_label, sql.password_label, sql.connection_string_label}
    assert settings.warnings == ()
    both = Settings.from_environ(IDENTITY | indirect | {f"AZURE_SECRET_{label}": "name"})
    assert any(f"AZURE_SECRET_{label} and {label}_FROM" in line for line in both.warnings)


NAMES_FROM_WORKSPACE = IDENTITY | {
    "AZURE_SECRET_2": "sql-password",
    "AZURE_SECRET_1_FROM_WORKSPACE": "name-of-user",
    "AZURE_SECRET_1_VERSION": VERSION_1,
}


def test_version_pairs_with_a_name_from_the_workspace() -> None:
    """Before the name is read the version waits, and goes to no other secret."""
    before = Settings.from_environ(NAMES_FROM_WORKSPACE)
    assert before.secrets == (SecretReference("2", "sql-password"),)
    after = Settings.from_environ(NAMES_FROM_WORKSPACE, {"AZURE_SECRET_1": "sql-user"})
    first = SecretReference("1", "sql-user", VERSION_1, name_held_by="name-of-user")
    assert after.secrets == (first, SecretReference("2", "sql-password"))
    assert before.warnings == after.warnings == ()


def test_version_from_the_workspace_pairs_with_its_name() -> None:
    """The version may be held there as well; a stray one is then adopted by the other secret."""
    environ = TUTORIAL | {"AZURE_SECRET_1_VERSION_FROM_WORKSPACE": "version-of-user"}
    del environ["AZURE_SECRET_1_VERSION"]
    before = Settings.from_environ(environ)
    assert before.secrets == (SecretReference("2", "sql-password", VERSION_2),)
    after = Settings.from_environ(environ, {"AZURE_SECRET_1_VERSION": VERSION_1})
    assert after.secrets == Settings.from_environ(TUTORIAL).secrets
    assert before.warnings == after.warnings


def test_name_from_the_workspace_needs_an_identity_too() -> None:
    """The laptop says so before the workspace was read."""
    with pytest.raises(SettingsError, match="KEY_VAULT_URL is not set"):
        Settings.from_environ({"AZURE_SECRET_1_FROM_WORKSPACE": "name-of-user"})


def test_name_from_the_workspace_is_not_shown() -> None:
    """Whoever takes it for the place of the password itself does not find it in the log."""
    settings = Settings.from_environ(NAMES_FROM_WORKSPACE, {"AZURE_SECRET_1": "canary"})
    assert "canary" not in str(settings.secrets[0])
    assert "name-of-user" in str(settings.secrets[0])


def test_workspace_value_wins_over_a_clear_one_with_a_warning() -> None:
    """Two sources for one variable are worth a word."""
    settings = Settings.from_environ(
        TUTORIAL | {"AZURE_CLIENT_SECRET_FROM_WORKSPACE": "training-client-secret"}
    )
    assert not settings.identity.client_secret
    assert any("both set" in warning for warning in settings.warnings)


def test_password_in_clear_is_ignored_with_a_warning() -> None:
    """SQL_PASSWORD does not reach the command, and the log says what to do."""
    settings = Settings.from_environ({"SQL_PASSWORD": "canary"})
    assert any("AZURE_SECRET_SQL_PASSWORD" in warning for warning in settings.warnings)
    assert "canary" not in repr(settings)


def test_storage_is_signed_in_to_only_if_it_is_said_so() -> None:
    """By the one identity that the run has, which is needed then."""
    assert not Settings.from_environ({}).uses_storage
    with pytest.raises(SettingsError, match="AZURE_TENANT_ID is not set"):
        Settings.from_environ({"STORAGE_AUTH": "service-principal"})
    managed = {"STORAGE_AUTH": "managed-identity", "REMOTE_ENTRY_IDENTITY": "managed-identity"}
    settings = Settings.from_environ(managed)
    assert (settings.uses_storage, settings.needs_identity) == (True, True)
    assert "STORAGE_AUTH is neither service-principal nor" in problems_of(STORAGE_AUTH="key=c2Fs")
    contradiction = problems_of(STORAGE_AUTH="managed-identity")
    assert "but REMOTE_ENTRY_IDENTITY says service-principal" in contradiction
