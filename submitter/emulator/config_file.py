"""From the text of `emulator.yml` to a `Config`, with errors that name file, line and key."""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pydantic
import yaml

from submitter.emulator.config import (
    ComputeConfig,
    Config,
    DatabaseConfig,
    LoginConfig,
    ManagedIdentityConfig,
    PrincipalConfig,
    SecretConfig,
    SqlConfig,
    StorageConfig,
    TableConfig,
    WorkspaceConfig,
)
from submitter.emulator.errors import ConfigError

KeyPath = tuple[int | str, ...]

# Which keys a mapping may have, by where it stands; `*` is a name or a position.
_SHAPES: Mapping[KeyPath, type] = {
    (): Config,
    ("workspace",): WorkspaceConfig,
    ("service_principals", "*"): PrincipalConfig,
    ("managed_identities", "*"): ManagedIdentityConfig,
    ("vaults", "*", "*"): SecretConfig,
    ("computes", "*"): ComputeConfig,
    ("storage",): StorageConfig,
    ("sql",): SqlConfig,
    ("sql", "logins", "*"): LoginConfig,
    ("sql", "databases", "*"): DatabaseConfig,
    ("sql", "databases", "*", "tables", "*"): TableConfig,
}


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read a configuration file.

    Args:
        path: The file; paths inside it are relative to its folder.

    Returns:
        The configuration, its paths absolute.

    Raises:
        ConfigError: The file is missing, is no YAML, or holds a wrong key or value.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{file}: the emulator's configuration cannot be read: {error.strerror}. "
            "Name an existing emulator.yml, or leave it out for the defaults."
        ) from error
    try:
        content = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{line}: this is not valid YAML.") from None
    return _parse(content or {}, str(file), file.resolve().parent, tree)


def parse_config(content: Mapping[str, object], base: Path | None = None) -> Config:
    """Check a configuration that is already a mapping.

    Args:
        content: What `emulator.yml` would hold.
        base: The folder that paths are relative to; the current one by default.

    Returns:
        The configuration, its paths absolute.

    Raises:
        ConfigError: It holds a wrong key or value.
    """
    return _parse(content, "emulator configuration", base or Path.cwd(), None)


def _parse(content: object, source: str, base: Path, tree: yaml.Node | None) -> Config:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{source}: a mapping was expected, such as 'tenant_id: …'.")
    try:
        config = pydantic.TypeAdapter(Config).validate_python(content)
    except pydantic.ValidationError as error:
        # `include_input=False`: the input may be a secret.
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [_describe(problem, source, tree) for problem in problems]
        raise ConfigError("\n".join(lines)) from None
    return _with_absolute_paths(config, base)


def _describe(problem: Any, source: str, tree: yaml.Node | None) -> str:
    """Write one problem as `file:line: key: what is wrong`, then what would be right."""
    location = tuple(problem["loc"])
    line = _line_of(location, tree)
    where = f"{source}:{line}" if line else source
    key = ".".join(str(part) for part in location)
    if problem["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"{where}: unknown key '{key}'. {_suggest(location)}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {key}: {message}." if key else f"{where}: {message}."


def _suggest(location: KeyPath) -> str:
    """Name the nearest right key and all allowed ones."""
    allowed = _allowed_keys(location[:-1])
    if not allowed:
        return "Remove it."
    nearest = difflib.get_close_matches(str(location[-1]), allowed, 1)
    meant = f"Did you mean '{nearest[0]}'? " if nearest else ""
    return f"{meant}Allowed here: {', '.join(allowed)}."


def _allowed_keys(parent: KeyPath) -> Sequence[str]:
    for shape_path, shape in _SHAPES.items():
        if len(shape_path) == len(parent) and all(
            expected in ("*", actual) for expected, actual in zip(shape_path, parent, strict=True)
        ):
            return [item.name for item in fields(shape)] if is_dataclass(shape) else []
    return []


def _line_of(location: KeyPath, tree: yaml.Node | None) -> int | None:
    """Find the line of a key, or of the nearest key above it that exists in the file."""
    line = None
    node = tree
    for part in location:
        if isinstance(node, yaml.MappingNode):
            children = {key.value: (key, value) for key, value in node.value}
            if str(part) not in children:
                break
            key, node = children[str(part)]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _with_absolute_paths(config: Config, base: Path) -> Config:
    """Resolve the paths of tables and certificates against the configuration's folder."""
    principals = tuple(
        replace(principal, certificate=_absolute(principal.certificate, base))
        for principal in config.service_principals
    )
    config = replace(config, service_principals=principals)
    if config.sql is None:
        return config
    databases = {
        name: replace(
            database,
            tables={
                table: replace(
                    source,
                    csv=_absolute(source.csv, base),
                    parquet=_absolute(source.parquet, base),
                )
                for table, source in database.tables.items()
            },
        )
        for name, database in config.sql.databases.items()
    }
    return replace(config, sql=replace(config.sql, databases=databases))


def _absolute(path: Path | None, base: Path) -> Path | None:
    return None if path is None else (base / path).resolve()
