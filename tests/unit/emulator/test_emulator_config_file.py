"""`emulator.yml`: defaults, paths, and errors that help."""

from pathlib import Path

import pytest

from submitter.emulator.config import Config
from submitter.emulator.config_file import load_config, parse_config
from submitter.emulator.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    file = folder / "emulator.yml"
    file.write_text(text)
    return file


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    """Every key has a default."""
    assert load_config(written(tmp_path, "")) == Config()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A table's file is found from wherever the emulator is started."""
    file = written(
        tmp_path, "sql: {databases: {d: {tables: {t: {csv: data/t.csv}, p: {parquet: p.pq}}}}}"
    )
    config = load_config(file)
    assert config.sql is not None
    tables = config.sql.databases["d"].tables
    assert (tables["t"].csv, tables["p"].parquet) == (tmp_path / "data/t.csv", tmp_path / "p.pq")


def test_a_secret_may_be_written_as_its_value() -> None:
    """`name: value` is short for `name: {value: value}`."""
    config = parse_config({"vaults": {"kv-local": {"short": "v", "long": {"value": "v"}}}})
    assert config.vaults["kv-local"]["short"] == config.vaults["kv-local"]["long"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "workspace:\n  nam: x\n",
            "emulator.yml:2: unknown key 'workspace.nam'. Did you mean 'name'",
        ),
        ("tenant: x\n", "emulator.yml:1: unknown key 'tenant'. Did you mean 'tenant_id'"),
        ("computes:\n  c:\n    max_nodes: 0\n", "emulator.yml:2: computes.c: max_nodes must be"),
        (
            "computes:\n  c:\n    kind: container\n",
            "emulator.yml:2: computes.c: an 'image' goes with 'kind: container'",
        ),
        (
            "computes:\n  c:\n    image: x\n",
            "emulator.yml:2: computes.c: an 'image' goes with 'kind: container'",
        ),
        ("computes:\n  c:\n    kind: pod\n", "emulator.yml:3: computes.c.kind: Input should be"),
        ("computes:\n  c:\n    memory: lots\n", "emulator.yml:2: computes.c: memory is a number"),
        ("computes:\n  c:\n    max_nodes: two\n", "emulator.yml:3: computes.c.max_nodes: Input"),
        (
            "sql:\n  databases:\n    d:\n      tables:\n        t: {cvs: x}\n",
            "emulator.yml:5: unknown key 'sql.databases.d.tables.t.cvs'. Did you mean 'csv'",
        ),
        ("sql:\n  logins:\n    me: {}\n", "emulator.yml:3: sql.logins.me: a login has either"),
        ("host: 0.0.0.0\n", "emulator.yml:1: unknown key 'host'"),
        ("vaults:\n  kv-local: {a_b: x}\n", "secret name 'a_b' must be"),
        (
            "vaults:\n  kv-local: {number: 12}\n",
            "emulator.yml:2: vaults.kv-local.number: a secret's",
        ),
        (
            "computes:\n  c: {identity: none}\n",
            "compute target 'c' is to have the managed identity 'none'",
        ),
        (
            "managed_identities:\n  - {name: a, client_id: b, vault_permissions: [gte]}\n",
            "emulator.yml:2: managed_identities.0: vault_permissions knows get",
        ),
        (
            "vaults:\n  kv-local: {s: {value: x, expires: 2030-01-31, expires_in_days: 1}}\n",
            "emulator.yml:2: vaults.kv-local.s: a secret has either 'expires' or",
        ),
        (
            "storage:\n  containers: [lake, My_Lake]\n",
            "emulator.yml:1: storage: container name 'My_Lake' must be 3 to 63",
        ),
        ("storage:\n  container: [lake]\n", "key 'storage.container'. Did you mean 'containers'"),
        (
            "managed_identities:\n  - {name: a, client_id: b, storage_role: Contributor}\n",
            "emulator.yml:2: managed_identities.0.storage_role: Input should be",
        ),
        ("vaults: {}\n", "at least one vault is needed"),
        ("service_principals: []\n", "at least one service principal is needed"),
        ("- a\n- b\n", "a mapping was expected"),
        ("a: [\n", "emulator.yml:2: this is not valid YAML"),
    ],
)
def test_an_error_names_line_key_and_remedy(tmp_path: Path, text: str, expected: str) -> None:
    """One line tells where, what, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    assert expected in str(caught.value)


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    """A file with two mistakes is read twice, not three times."""
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, "tenant: x\nworkspace: {nam: y}\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_no_secret_value_is_in_an_error_or_a_repr(tmp_path: Path) -> None:
    """A wrong key beside a secret does not print the secret."""
    text = "vaults: {kv-local: {a: {value: canary-value, versin: x}, b: {value: [canary-value]}}}"
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    assert "canary-value" not in str(caught.value)
    config = parse_config(
        {
            "vaults": {"kv-local": {"a": "canary-value"}},
            "service_principals": [{"client_id": "x", "client_secret": "canary-value"}],
            "sql": {"logins": {"me": {"password": "canary-value"}}},
        }
    )
    assert "canary-value" not in repr(config)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error says what was looked for and what to do."""
    with pytest.raises(ConfigError, match=r"absent\.yml.*cannot be read.*existing emulator\.yml"):
        load_config(tmp_path / "absent.yml")
