"""This machine's own values: which they are, and in which forms they are found."""

import base64
import json
from pathlib import Path

import pytest
from support.value_encodings import ALL_ENCODINGS

from submitter import guard

VALUE = "canary;{pass}@%'\"word 9d\u00fc7"


def found(text: str, environ: dict[str, str], allowed: tuple[str, ...] = ()) -> list[str]:
    """Return the variables whose values are in a text."""
    search = guard.Search(guard.own_forms(environ, allowed))
    return [str(hit.variable) for hit in search.own_values_in(text.encode())]


@pytest.mark.parametrize("encoding", ALL_ENCODINGS)
def test_a_value_is_found_in_every_encoding(encoding: str) -> None:
    """As `remote_entry` masks it; by an independent list of encodings."""
    text = f"x\n{ALL_ENCODINGS[encoding](VALUE)}\n"
    assert set(found(text, {"AZURE_CLIENT_SECRET": VALUE})) == {"AZURE_CLIENT_SECRET"}


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"SQL_CONNECTION_STRING": "Server=h;UID=u;PWD={se;cret}}7}"}, "se;cret}7"),
        ({"DATABASE_URL": "postgres://app:s3cret-value@h/d"}, "s3cret-value"),
        ({"HTTPS_PROXY": "http://me:pr0xy-pass@proxy:8080"}, "pr0xy-pass"),
        ({"AZURE_CREDENTIALS": json.dumps({"clientSecret": "json-s3cret"})}, "json-s3cret"),
        ({"DEPLOY_PRIVATE_KEY": "-----BEGIN X-----\nMIIE+line\n-----END X-----"}, "MIIE+line"),
    ],
)
def test_a_secret_inside_a_variable_is_one(environ: dict[str, str], text: str) -> None:
    """The password of a URL or connection string, a key of a JSON document, a key's lines."""
    assert found(f"value = {text}", environ) == list(environ)


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"PWD": "/"}, "cd / && ls"),
        (
            {"AZURE_CREDENTIALS": '{\n"subscriptionId": "1234-5678"\n}'},
            '"subscriptionId": "1234-5678"',
        ),
        ({"DB_PASSWORD": "password"}, "password = getpass()"),
        ({"PIN_TOKEN": "1234"}, "1234"),
        ({"DEPLOY_PRIVATE_KEY": "-----BEGIN X-----\nMIIE"}, "-----BEGIN X-----"),
        ({"USER": "a-plain-name"}, "a-plain-name"),
        ({"AZURE_SECRET_2": "sql-password"}, "sql-password"),
    ],
)
def test_what_is_no_secret_is_not_searched(environ: dict[str, str], text: str) -> None:
    """Folders, ids, words and whatever is too short to mean anything."""
    assert found(text, environ) == []


def test_a_file_that_a_variable_names_is_no_secret(tmp_path: Path) -> None:
    """GOOGLE_APPLICATION_CREDENTIALS and its like hold paths."""
    key = tmp_path / "key.json"
    key.write_text("{}")
    assert found(f"open('{key}')", {"GOOGLE_APPLICATION_CREDENTIALS": str(key)}) == []


def test_of_two_variables_with_one_value_the_allowed_one_is_named() -> None:
    """So that allowing it lets the value through, whichever name it is looked for by."""
    environ = {"AZURE_CLIENT_SECRET": "correct-horse", "OTHER_PASSWORD": "correct-horse"}
    assert found("correct-horse", environ) == ["AZURE_CLIENT_SECRET"]
    assert found("correct-horse", environ, ("OTHER_PASSWORD",)) == ["OTHER_PASSWORD"]


def test_no_form_is_shown_by_an_object() -> None:
    """A search, and what it finds, may end in a traceback with locals."""
    search = guard.Search(guard.own_forms({"DB_PASSWORD": "correct-horse"}))
    hits = list(search.own_values_in(b"x correct-horse " + base64.b64encode(b"correct-horse")))
    assert len(hits) == 1
    assert "correct" not in repr(search) + repr(hits)
