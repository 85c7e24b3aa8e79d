"""One parsed statement to the work that carries it out."""

import dataclasses
from collections.abc import Callable
from typing import Literal

from sqlglot import exp

from submitter.emulator.sqlserver import changes, definitions
from submitter.emulator.sqlserver.changes import Change
from submitter.emulator.sqlserver.definitions import Definition
from submitter.emulator.sqlserver.dialect import Translation, Translator
from submitter.emulator.sqlserver.errors import SqlError, not_played


@dataclasses.dataclass(frozen=True)
class SelectInto:
    """SELECT ... INTO a new table."""

    query: Translation
    target: exp.Table


@dataclasses.dataclass(frozen=True)
class Assignment:
    """SELECT @name = value, ...: the names in lower case and a query of the values."""

    query: Translation
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Administration:
    """What is done to a schema or a database."""

    action: Literal["create schema", "drop schema", "create database"]
    name: str


Work = Translation | Change | Definition | SelectInto | Assignment | Administration


def translate(tree: exp.Expression, text: str, translator: Translator) -> Work:
    """Translate a statement.

    Args:
        tree: The statement.
        text: As it was written.
        translator: What its names mean.

    Raises:
        SqlError: For what is wrong with it, or 40000 for what is not played.
    """
    if isinstance(tree, exp.Query):
        return _query(tree, translator)
    if isinstance(tree, exp.Create):
        return _create(tree, text, translator)
    if isinstance(tree, exp.Drop) and tree.kind.upper() == "SCHEMA":
        return Administration("drop schema", tree.this.db or tree.this.name)
    rule = _RULES.get(type(tree))
    if rule is None:
        raise not_played(f"the statement {' '.join(text.split())[:80]}")
    return rule(tree, translator)


def _query(tree: exp.Expression, translator: Translator) -> Work:
    into = tree.args.get("into")
    if into is not None:
        tree.set("into", None)
        return SelectInto(translator.query(tree), into.this)
    assigned = [item for item in tree.selects if _is_assignment(item)]
    if not assigned:
        return translator.query(tree)
    if len(assigned) < len(tree.selects):
        raise SqlError(141, "A SELECT that assigns a variable must not return data.")
    for index, item in enumerate(assigned):
        declared = translator.variable(item.this)
        kind = exp.DataType.build(declared.declaration, dialect="tsql")
        value = exp.Cast(this=exp.Paren(this=item.expression.copy()), to=kind)
        item.replace(exp.alias_(value, f"v{index}"))
    names = tuple(item.this.name.lower() for item in assigned)
    return Assignment(translator.query(tree), names)


def _is_assignment(item: exp.Expression) -> bool:
    if not isinstance(item, exp.EQ) or not isinstance(item.this, exp.Parameter):
        return False
    return not isinstance(item.this.this, exp.Parameter)  # that would be an @@variable


def _create(tree: exp.Create, text: str, translator: Translator) -> Work:
    kind = tree.kind.split()[-1].upper()
    if kind == "TABLE" and isinstance(tree.this, exp.Schema):
        return definitions.create_table(tree, translator)
    if kind == "VIEW":
        return definitions.create_view(tree, text, translator)
    if kind == "INDEX":
        return definitions.create_index(tree, translator)
    if kind == "SCHEMA":
        return Administration("create schema", tree.this.db or tree.this.name)
    if kind == "DATABASE":
        return Administration("create database", tree.this.name)
    raise not_played(f"CREATE {kind}")


def _alter(tree: exp.Alter, translator: Translator) -> Definition:
    if tree.args.get("kind") != "TABLE":
        raise not_played(f"ALTER {tree.args.get('kind')}")
    return definitions.alter_table(tree, translator)


def _drop(tree: exp.Drop, translator: Translator) -> Definition:
    if tree.kind.upper() not in {"TABLE", "VIEW"}:
        raise not_played(f"DROP {tree.kind}")
    return definitions.drop_table(tree, translator)


_RULES: dict[type[exp.Expression], Callable[..., Work]] = {
    exp.Insert: changes.insert,
    exp.Update: changes.update,
    exp.Delete: changes.delete,
    exp.Merge: changes.merge,
    exp.TruncateTable: definitions.truncate,
    exp.Alter: _alter,
    exp.Drop: _drop,
}
