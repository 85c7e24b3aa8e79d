"""Batches that are fetched while others are being written."""

import threading
from collections.abc import Generator, Iterator

import pyarrow as pa
import pytest

from remote_entry.extract.server.ahead import AHEAD_BYTES, read_ahead
from remote_entry.reading.batches import Batches, Stream

SMALL = pa.record_batch({"n": pa.array(range(10))})
LARGE = pa.record_batch({"n": pa.array(["x" * (AHEAD_BYTES // 2)])})


def test_the_next_batches_come_while_one_is_being_written() -> None:
    """Nobody has to ask for them."""
    fetched = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield SMALL
        fetched.set()
        yield SMALL.slice(0, 5)

    with read_ahead(batches()) as ahead:
        first = next(ahead)
        assert fetched.wait(10)
        assert [first.num_rows, *(batch.num_rows for batch in ahead)] == [10, 5]


def test_no_more_is_held_than_it_may() -> None:
    """A fast server does not fill the memory."""
    asked: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(10):
            asked.append(number)
            yield LARGE

    with read_ahead(batches()) as ahead:
        for taken, _ in enumerate(ahead):
            assert len(asked) - taken <= 1 + 3  # in hand, on the shelf, and one at its edge
    assert len(asked) == 10


def test_an_error_comes_after_the_rows_before_it() -> None:
    """As if there were no thread."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield SMALL
        raise LookupError("reset")

    with read_ahead(batches()) as ahead:
        assert next(ahead) is SMALL
        with pytest.raises(LookupError, match="reset"):
            next(ahead)


def test_who_leaves_early_finds_the_source_idle() -> None:
    """When the block is left nobody uses the source any more, so it can be closed."""
    source = (LARGE for _ in range(1_000_000))
    with read_ahead(source) as ahead:
        next(ahead)
    source.close()
    assert not [each for each in threading.enumerate() if each.name == "read-ahead"]


def test_ctrl_c_does_not_wait_for_a_silent_source() -> None:
    """The fetch that goes on is left behind; closing what it reads says nothing of it."""
    answers = threading.Event()

    def silent() -> Generator[pa.RecordBatch, None, None]:
        answers.wait(60)
        yield from ()

    stream = Batches(Stream(pa.schema([]), silent(), lambda: None))
    with pytest.raises(KeyboardInterrupt), stream, read_ahead(stream):
        raise KeyboardInterrupt
    assert not answers.is_set()
    answers.set()
