"""The extract's file: what it may say, and where it is wrong."""

from pathlib import Path

import pytest

from remote_entry.errors import SpecError
from remote_entry.extract.spec import Spec

GOOD = """\
name: flights
table: dbo.flights
cursor: {column: rv, kind: rowversion}
to: lake
"""


def read(folder: Path, text: str) -> Spec:
    """Write a spec and read it."""
    (folder / "extract.yml").write_text(text)
    return Spec.from_file(folder / "extract.yml")


def test_a_spec_needs_little(tmp_path: Path) -> None:
    """Everything else has a default."""
    spec = read(tmp_path, GOOD)
    assert spec.relation == "(SELECT * FROM dbo.flights\n) AS q"
    assert (spec.folder, spec.compression, spec.on_drift) == (Path("lake/flights"), "zstd", "fail")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("to: lake", "too: lake", "extract.yml:4: unknown key 'too'. Did you mean 'to'?"),
        ("kind: rowversion", "kind: rowversoin", "Did you mean 'rowversion'?"),
        ("kind: rowversion", "kind: rowversion, lag: 5m", "a rowversion needs no 'lag'"),
        ("kind: rowversion", "kind: integer, lag: 5m", "a number of values, without a unit"),
        ("kind: rowversion", "kind: datetime2, lag: soon", "'lag' is a time such as"),
        ("to: lake", "", "extract.yml:1: the key 'to' is missing."),
        ("to: lake", "to: s3://lake/d", "extract.yml:4: 'to': s3:// is no place to land in"),
        ("to: lake", "to: abfss://lake@account/d", "abfss:// is no place to land in, as it is"),
        ("to: lake", "to: abfss:/lake@acc.dfs.core.windows.net/d", "abfss:/ is no place to land"),
        ("to: lake", "to: abfss://lake@acc.dfs.core.windows.net/d.", "abfss:// is no place"),
        ("name: flights", "name: flights.", "extract.yml:1: 'name'"),
        ("to: lake", "to: abfss://lake@evil.dfs.core.windows.net.example/d", "abfss:// is no"),
        ("to: lake", "to: abfss://lake@acc.dfs.core.windows.net/a/../b", "abfss:// is no"),
        (
            "to: lake",
            "to: AccountKey=d0ntTe11;BlobEndpoint=https://a",
            "extract.yml:4: 'to': keys and signed addresses are not supported",
        ),
        ("to: lake", "to: AccountName=a;accountkey=d0ntTe11", "keys and signed addresses"),
        (
            "to: lake",
            "to: abfss://lake@account.dfs.core.windows.net/d?sv=1&sp=d0ntTe11",
            "keys and signed addresses are not supported: the run's own identity signs in",
        ),
        ("to: lake", "to: lake\npartition: {colum: id}", "extract.yml:5: unknown key"),
        ("to: lake", "to: lake\npartition: {column: id, parts: 0}", "extract.yml:5"),
        ("to: lake", "to: lake\npartition: {column: id, parts: all}", "extract.yml:5"),
        ("to: lake", "to: lake\npartition: {column: id, connections: 0}", "extract.yml:5"),
        ("to: lake", "to: lake\nisolation: snapshoot", "Did you mean 'snapshot'?"),
        ("to: lake", "to: lake\nrows_per_file: 0", "extract.yml:5: 'rows_per_file'"),
        ("to: lake", "to: lake\ncompression: gzip", "Allowed: zstd, snappy, none"),
        ("table: dbo.flights", "", "give either 'query' or 'table'"),
        ("table: dbo.flights", "table: flights; DROP TABLE x", "write a name such as"),
        ("table: dbo.flights", "query: DELETE FROM flights", "one SELECT that only reads"),
        ("table: dbo.flights", "query: WITH a AS (SELECT 1) SELECT 1", "make it a view"),
        ("name: flights", "name: ../flights", "extract.yml:1: 'name'"),
        ("name: flights", "name: [", "this is not YAML"),
        ("to: lake", "to: lake\npartition:", "extract.yml:5: 'partition' has no value: give it"),
        ("kind: rowversion", "kind: integer, lag:", "extract.yml:3: 'cursor.lag' has no value"),
        ("kind: rowversion", "kind: integer, lag: true", "'cursor.lag"),
        ("table: dbo.flights", "table: other.dbo.flights", "set SQL_DATABASE to it"),
        ("to: lake", "to: lake\nisolation: read-uncommitted", "a rowversion needs committed reads"),
    ],
)
def test_each_mistake_has_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    """And nothing of what may be a key is quoted."""
    with pytest.raises(SpecError) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert said in str(caught.value)
    assert "d0ntTe11" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_container_is_a_place_too(tmp_path: Path) -> None:
    """As Azure's tools write its address, in each of its clouds, with a path or none."""
    address = "abfss://lake@account.dfs.core.windows.net/nightly/raw"
    folder = read(tmp_path, GOOD.replace("to: lake", f"to: {address}/")).folder
    assert (str(folder), folder.path) == (f"{address}/flights", "nightly/raw/flights")
    assert folder.account_url == "https://account.blob.core.windows.net"
    root = "abfss://lake@account.dfs.core.chinacloudapi.cn"
    folder = read(tmp_path, GOOD.replace("to: lake", f"to: {root}")).folder
    assert (str(folder), folder.account_url) == (
        f"{root}/flights",
        "https://account.blob.core.chinacloudapi.cn",
    )


def test_a_folder_may_be_called_as_one_likes(tmp_path: Path) -> None:
    """Only what looks like an address is none; home is where the process's is."""
    assert read(tmp_path, GOOD.replace("lake", "/mnt/x?y")).folder == Path("/mnt/x?y/flights")
    assert read(tmp_path, GOOD.replace("lake", "~/lake")).folder == Path.home() / "lake/flights"


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """With the folder in which it was looked for."""
    with pytest.raises(SpecError, match="There is no file"):
        Spec.from_file(tmp_path / "none.yml")


def test_only_equal_extracts_share_parts(tmp_path: Path) -> None:
    """What decides a window's rows is in the hash; what the policy is is not."""
    spec = read(tmp_path, GOOD)
    assert read(tmp_path, GOOD + "on_drift: add-columns\n").content_hash == spec.content_hash
    for old, new in [("rv", "rw"), ("dbo.flights", "dbo.planes"), ("rowversion", "integer")]:
        assert read(tmp_path, GOOD.replace(old, new)).content_hash != spec.content_hash
