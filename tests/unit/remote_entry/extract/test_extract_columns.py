"""The columns of an extract: their types, and what a change of them does."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.played_source import INSERT, PlayedSource, land, landed_rows, run, spec_of

from remote_entry.errors import ExtractError
from remote_entry.extract.landing.folder import committed_parts
from remote_entry.extract.run import extract
from remote_entry.extract.server.schema import columns_of
from remote_entry.extract.watch import Watch
from remote_entry.reading.describe import Declaration


@pytest.mark.parametrize(
    ("policy", "query", "said"),
    [
        ("fail", "SELECT id, rv, a, 1 AS b FROM v", "new: b"),
        ("add-columns", "SELECT id, rv FROM v", "gone: a"),
        (
            "fail",
            "SELECT id, rv, CAST(a AS decimal(10,4)) AS a FROM v",
            r"decimal\(9,4\) → decimal\(10,4\)",
        ),
    ],
)
def test_columns_that_changed_stop_the_extract(
    tmp_path: Path, source: PlayedSource, policy: str, query: str, said: str
) -> None:
    """Unless the spec says what to do."""
    spec = spec_of(tmp_path, table=None, query="SELECT id, rv, a FROM v", on_drift=policy)
    run(source.session, INSERT)
    land(spec, source)
    run(source.session, INSERT)
    with pytest.raises(ExtractError, match=said):
        land(spec_of(tmp_path, table=None, on_drift=policy, query=query), source)
    assert len(landed_rows(spec)) == 2


def test_new_columns_are_added_and_recorded(tmp_path: Path, source: PlayedSource) -> None:
    """Old parts stay, new ones have them, and the manifest says so."""
    spec = spec_of(tmp_path, table=None, query="SELECT id, rv FROM v", on_drift="add-columns")
    run(source.session, INSERT)
    land(spec, source)
    run(source.session, INSERT)
    wider = spec.model_copy(update={"query": "SELECT id, rv, a FROM v"})
    warnings: list[str] = []
    watch = Watch(lambda *_: None, lambda *_: None, warnings.append)
    [landed] = extract(wider, source, watch).landed
    assert warnings == ["what is read has changed since the last window: " + landed.drift]
    assert landed.drift == "new: a; another table or query"
    manifest = json.loads((spec.folder / landed.entry.folder / "_MANIFEST.json").read_text())
    assert (manifest["drift"], manifest["rows"]) == (landed.drift, 2)
    assert [row[0] for row in landed_rows(spec)] == [1, 2, 3, 4]


@pytest.mark.parametrize("other", [{"table": "w"}, {"table": None, "query": "SELECT * FROM w"}])
def test_another_table_does_not_go_on_from_the_watermark(
    tmp_path: Path, source: PlayedSource, other: dict[str, Any]
) -> None:
    """Its rows may lie below. A new version has all of them."""
    run(source.session, INSERT, "SELECT * INTO w FROM v")
    land(spec_of(tmp_path), source)
    for policy in ("fail", "add-columns") if "query" not in other else ("fail",):
        with pytest.raises(ExtractError, match=r"changed .*\(another table or query\)") as caught:
            land(spec_of(tmp_path, on_drift=policy, **other), source)
        assert "another table wants another name" in caught.value.hint
    anew = spec_of(tmp_path, on_drift="new-version", **other)
    assert land(anew, source).landed[0].entry.version == 2
    assert land(spec_of(tmp_path, on_drift="fail", **other), source).rows == 0


def test_a_column_may_allow_nulls_one_day(tmp_path: Path, source: PlayedSource) -> None:
    """Files from before and after are read together, so each says that it may have some."""
    run(source.session, "CREATE TABLE w (id int NOT NULL, rv rowversion)")
    run(source.session, "INSERT INTO w (id) VALUES (1)")
    land(spec_of(tmp_path, table="w"), source)
    [part] = committed_parts(tmp_path / "v")
    assert all(field.nullable for field in pq.read_schema(part))


def test_a_new_version_lands_everything_anew(tmp_path: Path, source: PlayedSource) -> None:
    """With the columns that there are now."""
    spec = spec_of(tmp_path, table=None, query="SELECT id, rv, a FROM v", on_drift="new-version")
    run(source.session, INSERT)
    land(spec, source)
    narrower = spec.model_copy(update={"query": "SELECT id, rv FROM v"})
    [landed] = land(narrower, source).landed
    assert (landed.entry.version, landed.entry.rows) == (2, 2)
    assert {len(row) for row in landed_rows(spec)} == {2}
    assert land(narrower, source).landed == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cursor": {"column": "RV", "kind": "rowversion"}}, "no column 'RV'"),
        ({"cursor": {"column": "a", "kind": "integer"}}, r"a is decimal\(9,4\), not integer"),
        ({"table": None, "query": "SELECT rv, 1 AS x, 2 AS x FROM v"}, "2 columns are called x"),
    ],
)
def test_queries_that_cannot_be_extracted_are_refused(
    tmp_path: Path, source: PlayedSource, changes: dict[str, Any], said: str
) -> None:
    """Before anything is written."""
    with pytest.raises(ExtractError, match=said):
        land(spec_of(tmp_path, **changes), source)
    assert list(tmp_path.iterdir()) == []


def test_a_column_of_many_types_is_refused(tmp_path: Path) -> None:
    """A file's column has one, and it is the catalogue that says which."""
    declared = Declaration(("sql_variant", "timestamp"), ("x", "rv"))
    with pytest.raises(ExtractError, match="x is sql_variant"):
        columns_of(declared, spec_of(tmp_path))


def test_types_are_the_servers(tmp_path: Path, source: PlayedSource) -> None:
    """Declared types stand in the file beside Parquet's own."""
    spec = spec_of(tmp_path)
    run(source.session, INSERT)
    land(spec, source)
    schema = pq.read_schema(committed_parts(spec.folder)[0])
    declared = [field.metadata[b"sql_type"].decode() for field in schema]
    assert declared == ["int", "decimal(9,4)", "datetime2(7)", "timestamp"]
