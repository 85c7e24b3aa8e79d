"""Whatever a library makes of a secret, its form is known."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import URL

from remote_entry.masking import MASK, Masker
from remote_entry.secret_forms import MINIMUM_LENGTH, secret_forms

ENCODERS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON in UTF-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "URL path": quote,
    "URL query": quote_plus,
    "URL part": lambda value: quote(value, safe=""),
    "URL of SQLAlchemy": lambda value: URL.create(
        "mssql+pyodbc", "user", value, "host"
    ).render_as_string(hide_password=False)[len("mssql+pyodbc://user:") : -len("@host")],
    "HTML": html.escape,
    "HTML of MarkupSafe": lambda value: value.translate(
        {38: "&amp;", 60: "&lt;", 62: "&gt;", 34: "&#34;", 39: "&#39;"}
    ),
    "braces doubled": lambda value: value.replace("{", "{{").replace("}", "}}"),
    "closing braces doubled": lambda value: value.replace("}", "}}"),
    "repr": lambda value: repr(value)[1:-1],
    "repr of bytes": lambda value: repr(value.encode())[2:-1],
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
}
SECRETS = st.text(st.characters(codec="utf-8"), min_size=MINIMUM_LENGTH, max_size=30)


@pytest.mark.parametrize("encoding", ENCODERS)
@given(secret=SECRETS)
def test_every_form_of_any_secret_is_masked_whole(encoding: str, secret: str) -> None:
    """Nothing of an encoded secret is left around the mask."""
    form = ENCODERS[encoding](secret)
    assert Masker([secret]).mask(f"<{form}>".encode()) == b"<" + MASK + b">"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@given(secret=SECRETS, before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_base64_of_any_secret_is_masked_inside_something_longer(
    encode: Callable[[bytes], bytes], secret: str, before: bytes, after: bytes
) -> None:
    """What is left holds less than one character of the secret at either side."""
    encoded = encode(before + secret.encode() + after)
    result = Masker([secret]).mask(encoded)
    assert MASK in result
    assert len(result) - len(MASK) <= len(encode(before + after)) + 4


def test_each_form_holds_its_probe() -> None:
    """A form whose probe is elsewhere would never be found."""
    forms = secret_forms("p\u00e4\"ss;{w}o rd\\%1/+'<&>")
    assert len(forms) > 20
    assert all(form.probe in form.text for form in forms)


def test_short_values_have_no_forms() -> None:
    """They would hide nothing and cost the log's readability."""
    assert secret_forms("sa") == frozenset()
