"""No form of a secret gets through, and everything else does, at once."""

import base64
import html
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_entry.masking import MASK, Masker, StreamMasker
from remote_entry.secret_forms import secret_forms

PASSWORD = 'pä"ss;{w}o rd\\%1/+'

PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"


def masked(content: bytes, *secrets: str) -> bytes:
    """Return content without secrets."""
    return Masker(secrets).mask(content)


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        json.dumps(PASSWORD)[1:-1],
        json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
        repr(PASSWORD)[1:-1],
        repr(PASSWORD.encode())[2:-1],
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        quote_plus(PASSWORD),
        html.escape(PASSWORD),
        PASSWORD.replace("}", "}}"),
        PASSWORD.replace("{", "{{").replace("}", "}}"),
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.urlsafe_b64encode(PASSWORD.encode()).decode(),
    ],
)
def test_every_form_is_masked_whole(form: str) -> None:
    """Nothing of the secret's form is left around the mask."""
    assert masked(f"<{form}>".encode(), PASSWORD) == b"<***>"


@pytest.mark.parametrize("around", ["", "'", '"', "\"'"])
@pytest.mark.parametrize(
    "secret", ["p\u00e4'ss-one", 'p\u00e4"ss-two', "p\u00e4'\"ss\\'three", "plain-four"]
)
def test_what_python_shows_is_masked_in_both_quote_styles(secret: str, around: str) -> None:
    """A text beside the secret decides whether Python escapes the quotes in it."""
    text = f"{around}{secret}{around}"
    for shown in (repr(text), repr(text.encode())):
        assert masked(shown.encode(), secret).lstrip(b"b").strip(b"\\'\"") == MASK


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("after", ["", "@", "@h", "@host"])
def test_base64_is_masked_at_every_alignment(before: str, after: str) -> None:
    """A header like Basic holds the secret in the middle of longer base64 text."""
    encoded = base64.b64encode(f"{before}correct-horse{after}".encode())
    inner = base64.b64encode(b"correct-horse")[:-4]
    result = masked(encoded, "correct-horse")
    assert MASK in result
    assert inner not in result
    # What is left decodes to the neighbours and at most one character's worth of bits.
    assert len(result) - len(MASK) <= len(base64.b64encode((before + after).encode())) + 4


def test_each_line_of_a_multi_line_secret_is_masked() -> None:
    """Loggers indent, and split, what has lines."""
    result = masked(b"  MIIEvQIBADANBgkq\n  hkiG9w0BAQEFAASC\n", PEM)
    assert result == b"  ***\n  ***\n"


def test_secret_is_found_at_every_offset() -> None:
    """Where a secret stands makes no difference."""
    for length in (14, 15, 16, 23):
        secret = "abcdefghijklmnopqrstuvw"[:length]
        for before in range(17):
            for after in range(9):
                content = b"." * before + secret.encode() + b"." * after
                assert masked(content, secret) == b"." * before + MASK + b"." * after


def test_short_values_are_left_alone() -> None:
    """Masking two letters would make the log unreadable and hide nothing."""
    assert masked(b"sales and sand", "sa") == b"sales and sand"


def test_overlapping_secrets_leave_nothing_between_them() -> None:
    """Two secrets that share characters become one mask."""
    assert masked(b"<abcdefgh>", "abcdef", "defgh") == b"<***>"


def test_bytes_that_are_no_text_pass_through() -> None:
    """A stream is bytes: what is not UTF-8 stays what it is."""
    assert masked(b"\xff\x00secret-value\xfe", "secret-value") == b"\xff\x00***\xfe"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_secret_across_chunk_borders_is_masked(size: int) -> None:
    """Wherever a pipe cuts, the result is that of the whole."""
    content = (f"x{PASSWORD}y{quote(PASSWORD)}z" * 5).encode()
    masker = Masker([PASSWORD])
    stream = StreamMasker(masker)
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    assert b"".join([*map(stream.feed, chunks), stream.flush()]) == masker.mask(content)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], bytes, list[int]]:
    """Return secrets, a text that shows them in many ways, and where a pipe cuts it."""
    few_letters = st.text(
        'ab;}"', min_size=4, max_size=8
    )  # they overlap, each other and themselves
    any_letters = st.text(st.characters(codec="utf-8"), min_size=4, max_size=20)
    secrets = draw(st.lists(few_letters | any_letters, min_size=1, max_size=4))
    forms = [form.text for secret in secrets for form in sorted(secret_forms(secret))]
    beginnings = [form[:end] for form in forms for end in range(1, len(form))]
    pieces = st.sampled_from(forms) | st.sampled_from(beginnings) | st.binary(max_size=3)
    content = b"".join(draw(st.lists(pieces, max_size=12)))
    return secrets, content, sorted(draw(st.lists(st.integers(0, len(content)), max_size=8)))


@given(stream=streams())
def test_random_chunks_give_what_the_whole_gives(
    stream: tuple[list[str], bytes, list[int]],
) -> None:
    """Wherever a pipe cuts, the output is that of the whole, and no form is in it."""
    secrets, content, cuts = stream
    masker = Masker(secrets)
    masked_stream = StreamMasker(masker)
    chunks = [content[start:end] for start, end in pairwise([0, *cuts, len(content)])]
    result = b"".join([*map(masked_stream.feed, chunks), masked_stream.flush()])
    assert result == masker.mask(content)
    forms = {form.text for secret in secrets for form in secret_forms(secret)}
    assert not any(form in part for form in forms for part in result.split(MASK))


@given(stream=streams())
def test_any_secret_is_found_as_a_plain_search_finds_it(
    stream: tuple[list[str], bytes, list[int]],
) -> None:
    """The quick search by rare bytes misses nothing, whatever is rare in the text."""
    secrets, content, _ = stream
    covered = bytearray(len(content))
    for secret in secrets:
        for form in secret_forms(secret):
            for start in range(len(content)):
                if content.startswith(form.text, start):
                    covered[start : start + len(form.text)] = b"x" * len(form.text)
    found = bytearray(len(content))
    for start, end in Masker(secrets).find(content):
        found[start:end] = b"x" * (end - start)
    assert found == covered


@pytest.mark.parametrize("filler", [b".", b"\0", b"correcthorse-"])
def test_secret_is_found_among_rare_and_among_frequent_bytes(filler: bytes) -> None:
    """Both ways of searching find it, once and many times."""
    content = filler * 5000 + b"<correct-horse>" + filler * 5000 + b"<correct-horse>"
    expected = filler * 5000 + b"<***>" + filler * 5000 + b"<***>"
    assert masked(content, "correct-horse") == expected


def test_partial_line_is_ready_at_once() -> None:
    """A progress bar without a newline does not wait."""
    stream = StreamMasker(Masker(["correct-horse"]))
    assert stream.feed(b"\r 42 %") == b"\r 42 %"


def test_only_the_possible_beginning_of_a_secret_waits() -> None:
    """What cannot become a secret is written, the rest with the next chunk."""
    stream = StreamMasker(Masker(["correct-horse"]))
    assert stream.feed(b"saying corr") == b"saying "
    assert stream.feed(b"ection") == b"correction"
    assert stream.feed(b"correct-") == b""
    assert stream.feed(b"horse!") == b"***!"
    assert stream.feed(b"corr") == b""
    assert stream.flush() == b"corr"


def test_secrets_are_found_while_what_is_rare_changes() -> None:
    """In a long stream the search follows the text; no secret is lost on the way."""
    secret = "Correct-Horse-42"
    stream = StreamMasker(Masker([secret, "another-secret-of-the-run"]))
    fillers = [b"C", b"o", b"-", b"4", b"Horse", b"\0", b"e"]
    content = b"".join(filler * 140_000 + secret.encode() for filler in fillers)
    chunks = [content[start : start + 65536] for start in range(0, len(content), 65536)]
    result = b"".join([*map(stream.feed, chunks), stream.flush()])
    assert result == content.replace(secret.encode(), MASK)


def test_single_byte_is_released_when_the_stream_pauses() -> None:
    """A progress bar shows its last digit; the rest of a secret that follows is masked."""
    stream = StreamMasker(Masker(["7-correct-horse"]))
    assert stream.feed(b"epoch 7") == b"epoch "
    assert stream.waiting
    assert stream.release() == b"7"
    assert not stream.waiting
    assert stream.feed(b" of 9") == b" of 9"
    assert stream.feed(b"7") + stream.release() == b"7"
    assert stream.feed(b"-correct") == b""
    assert stream.feed(b"-horse!") == b"***!"
    assert stream.feed(b"7") + stream.release() + stream.flush() == b"7"


def test_pause_releases_no_more_than_one_byte_of_a_secret() -> None:
    """Also where a secret comes byte by byte with pauses between."""
    stream = StreamMasker(Masker(["correct-horse"]))
    pieces = []
    for byte in b"<correct-horse>":
        pieces += [stream.feed(bytes([byte])), stream.release()]
    assert b"".join(pieces) == b"<c***>"


def test_without_secrets_everything_passes() -> None:
    """No secret, no work."""
    stream = StreamMasker(Masker([]))
    assert stream.feed(b"anything") == b"anything"
    assert stream.flush() == b""
