"""Ranges that are asked for in place of what is new."""

from pathlib import Path
from typing import Any

import pytest
from support.played_source import (
    DATETIME2,
    INSERT,
    INTEGER,
    PlayedSource,
    land,
    landed_ids,
    run,
    spec_of,
)

from remote_entry.errors import ExtractError
from remote_entry.extract.run import extract
from remote_entry.extract.watch import Watch


def test_ranges_are_landed_once(tmp_path: Path, source: PlayedSource) -> None:
    """The first one says where the extract begins; older ones are added; none overlap."""
    spec = spec_of(tmp_path, **INTEGER)
    run(source.session, *[INSERT] * 10)
    assert land(spec, source, bounds=("11", "15")).rows == 4
    assert land(spec, source, bounds=("11", "15")).rows == 0
    assert land(spec, source).rows == 6
    assert land(spec, source, bounds=("5", "11")).rows == 6
    for lo, hi, said in [
        ("1", "6", "has rows in common with"),
        ("8", "8", "there is nothing"),
        ("30", "40", "lies behind 21"),
        ("x", "9", "--from is no integer"),
        ("", "9", "--from is no integer"),
    ]:
        with pytest.raises(ExtractError, match=said):
            land(spec, source, bounds=(lo, hi))
    assert sorted(landed_ids(spec)) == list(range(5, 21))


def test_an_end_alone_is_landed_once(tmp_path: Path, source: PlayedSource) -> None:
    """A job that is tried again finds that it has done its work."""
    spec = spec_of(tmp_path, **INTEGER)
    run(source.session, *[INSERT] * 4)
    assert land(spec, source, bounds=(None, "4")).rows == 3
    assert land(spec, source, bounds=(None, "4")).rows == 0
    assert land(spec, source, bounds=(None, "6")).rows == 2
    assert land(spec, source).rows == 3
    with pytest.raises(ExtractError, match="from 9 to 3 there is nothing"):
        land(spec, source, bounds=(None, "3"))


def test_what_lies_between_ranges_is_told(tmp_path: Path, source: PlayedSource) -> None:
    """With the bounds that land it; then there is nothing to tell."""
    spec, warnings = spec_of(tmp_path, **INTEGER), list[str]()
    watch = Watch(lambda *_: None, lambda *_: None, warnings.append)
    run(source.session, *[INSERT] * 10)
    for bounds in (("10", "12"), ("1", "5"), None, ("5", "10"), None):
        extract(spec, source, watch, bounds=bounds)
    gap = "nothing of [5, 10) was landed: --from 5 --to 10 does that"
    assert warnings == [gap, gap]
    assert sorted(landed_ids(spec)) == list(range(1, 21))


def test_a_range_begins_no_new_version(tmp_path: Path, source: PlayedSource) -> None:
    """It would be all that readers see."""
    spec = spec_of(tmp_path, on_drift="new-version", **INTEGER)
    run(source.session, *[INSERT] * 3)
    land(spec, source)
    run(source.session, "ALTER TABLE v ADD extra int")
    with pytest.raises(ExtractError, match=r"What is read has changed \(new: extra\)") as caught:
        land(spec, source, bounds=("4", "6"))
    assert caught.value.hint == "run once without --from and --to"
    assert land(spec, source).rows == 6
    assert sorted(landed_ids(spec)) == list(range(1, 7))


@pytest.mark.parametrize("changes", [INTEGER, DATETIME2])
def test_of_an_empty_table_there_is_no_range(
    tmp_path: Path, source: PlayedSource, changes: dict[str, Any]
) -> None:
    """Or, by the clock, an empty one."""
    spec = spec_of(tmp_path, **changes)
    if changes is INTEGER:
        with pytest.raises(ExtractError, match="there are no rows yet"):
            land(spec, source, bounds=("1", "2"))
    else:
        assert land(spec, source, bounds=("2024-01-01", "2024-01-02")).rows == 0
