"""The work of one statement, done: rows from the engine, changes to it and to the catalogue."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver.catalog import Table
from submitter.emulator.sqlserver.changes import (
    BOUND_ROWS,
    FIRST_IDENTITY,
    FIRST_ROW_VERSION,
    Change,
)
from submitter.emulator.sqlserver.definitions import Definition, new_table
from submitter.emulator.sqlserver.dialect import Translation, Translator, duckdb_text
from submitter.emulator.sqlserver.engine import Engine, EngineConnection
from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.outcomes import Completed, Outcome, ResultSet, RowsChanged
from submitter.emulator.sqlserver.parsing import parse_expression, parse_statement
from submitter.emulator.sqlserver.results import result_columns, values
from submitter.emulator.sqlserver.sources import engine_table, table_name
from submitter.emulator.sqlserver.system_values import Session
from submitter.emulator.sqlserver.tokens import Command
from submitter.emulator.sqlserver.transactions import Transactions
from submitter.emulator.sqlserver.translating import (
    Administration,
    Assignment,
    SelectInto,
    Work,
    translate,
)
from submitter.emulator.sqlserver.types import Column, SqlType
from submitter.emulator.sqlserver.variables import Variables, find_variable, types_of

_KEPT_TRANSLATIONS = 200
_REQUIRED: Mapping[Command, Sequence[str]] = {
    Command.INSERT: ("INSERT",),
    Command.UPDATE: ("UPDATE",),
    Command.DELETE: ("DELETE",),
    Command.MERGE: ("INSERT", "UPDATE", "DELETE"),
}
_Changed = tuple[int, pa.Table | None]  # how many rows, and those of OUTPUT


class Executor:
    """Carries out statements for one session.

    Args:
        engine: The store, for new databases.
        connection: The session's connection to it.
        transactions: The session's transactions.
        session: Whose database, row count and last identity are read and set.
    """

    def __init__(
        self,
        engine: Engine,
        connection: EngineConnection,
        transactions: Transactions,
        session: Session,
    ) -> None:
        self._engine = engine
        self._connection = connection
        self._transactions = transactions
        self._session = session
        self._translations: collections.OrderedDict[object, Work] = collections.OrderedDict()

    def translation(self, text: str, types: Mapping[str, SqlType]) -> Work:
        """Return a statement translated, from memory if it was seen before.

        Args:
            text: One statement.
            types: The types of the variables in scope, by name in lower case.
        """
        key = (text, self._session.namespace.version, tuple(types.items()))
        if key in self._translations:
            self._translations.move_to_end(key)
            return self._translations[key]
        work = translate(parse_statement(text), text, Translator(self._session.namespace, types))
        if _stays_valid(work):
            self._translations[key] = work
            if len(self._translations) > _KEPT_TRANSLATIONS:
                self._translations.popitem(last=False)
        return work

    def perform(self, work: Work, variables: Variables) -> Iterator[Outcome]:
        """Do what a statement says.

        Args:
            work: The statement, translated.
            variables: What it may read and assign.

        Raises:
            SqlError: What the engine refused, in SQL Server's words.
        """
        if isinstance(work, Translation):
            yield self._query(work, variables)
        elif isinstance(work, Change):
            yield self._change(work, variables)
        elif isinstance(work, SelectInto):
            self._session.row_count = self._select_into(work, variables)
            yield RowsChanged(Command.SELECT, self._session.row_count)
        else:
            if isinstance(work, Definition):
                self._define(work, variables)
            elif isinstance(work, Assignment):
                self._assign_from_query(work, variables)
            else:
                self._administer(work)
            yield Completed()

    def insert_rows(self, work: Work, rows: pa.Table) -> bool:
        """Insert many rows by a statement that inserts one; return whether it can be done."""
        if not isinstance(work, Change) or work.rows_sql is None or work.translation.system:
            return False
        together = dataclasses.replace(
            work,
            translation=dataclasses.replace(
                work.translation, sql=work.rows_sql, variables=frozenset()
            ),
        )
        self._change(together, {}, {BOUND_ROWS: rows})
        self._session.row_count = 1  # as after the last of them
        return True

    def value(self, expression: str, variables: Variables) -> Any:
        """Compute one expression."""
        tree = parse_expression(expression)
        work = Translator(self._session.namespace, types_of(variables)).query(tree)
        return next(values(self._query(work, variables).batches))[0]

    def assign(self, name: str, expression: str, variables: Variables) -> None:
        """Set a variable to an expression's value, in the variable's type.

        Raises:
            SqlError: 137 if it was not declared.
        """
        variable = find_variable(name, variables)
        converted = f"CAST(({expression}) AS {variable.type.declaration})"
        variable.value = self.value(converted, variables)

    def _query(self, work: Translation, variables: Variables) -> ResultSet:
        self._require_reads(work)
        self._offer(work)
        schema, batches = self._connection.read(work.sql, self._bindings(work, variables))
        return ResultSet(result_columns(work.columns, schema), batches)

    def _change(
        self,
        work: Change,
        variables: Variables,
        offered: Mapping[str, pa.Table] | None = None,
    ) -> Outcome:
        self._require_reads(work.translation)
        changed = work.translation.changes
        if changed is not None and not changed.is_temporary:
            for permission in _REQUIRED[work.command]:
                self._require(permission, changed)
        self._offer(work.translation)
        bindings = self._bindings(work.translation, variables)
        count, rows = self._change_with_versions(work, bindings, offered or {})
        self._session.row_count = count
        if rows is None:
            return RowsChanged(work.command, count)
        columns = result_columns(work.translation.columns, rows.schema)
        return ResultSet(columns, iter(rows.to_batches()))

    def _change_with_versions(
        self, work: Change, bindings: dict[str, Any], offered: Mapping[str, pa.Table]
    ) -> _Changed:
        """Give the rows their rowversions, if the table has such a column."""
        if work.versioned is None:
            return self._change_with_identity(work, bindings, offered)
        versions = self._session.namespace.catalog.row_versions(work.versioned.database)
        self._transactions.hold_versions(versions)
        try:
            with versions.numbering(self._transactions) as (first, used):
                bindings[FIRST_ROW_VERSION] = first
                count, rows = self._change_with_identity(work, bindings, offered)
                used(count)
                return count, rows
        finally:
            self._transactions.release_versions_if_over()

    def _change_with_identity(
        self, work: Change, bindings: dict[str, Any], offered: Mapping[str, pa.Table]
    ) -> _Changed:
        """Number the rows, if the table numbers them."""
        if work.numbered is None:
            return self._run_change(work, bindings, offered)
        catalog = self._session.namespace.catalog
        with catalog.identity_lock(work.numbered):
            first = catalog.next_identity(work.numbered)
            bindings[FIRST_IDENTITY] = first
            count, rows = self._run_change(work, bindings, offered)
            catalog.advance_identity(work.numbered, first + count)
        if count:
            self._session.last_identity = first + count - 1
        return count, rows

    def _run_change(
        self, work: Change, bindings: Mapping[str, Any], offered: Mapping[str, pa.Table]
    ) -> _Changed:
        sql = work.translation.sql
        if work.translation.columns is not None:
            rows = self._connection.change_returning(sql, bindings)
            return rows.num_rows, rows
        return int(self._connection.change(sql, bindings, offered)[0][0]), None

    def _define(self, work: Definition, variables: Variables) -> None:
        touched = [*work.removes, *work.defines, *work.resets]
        if not all(table.is_temporary for table in touched):
            self._require_definition("CREATE TABLE")
        for statement in work.statements:
            self._connection.change(statement.sql, self._bindings(statement, variables))
        for table in work.removes:
            self._transactions.note(table, table)
            self._session.namespace.remove(table)
        for table in work.defines:
            before = self._session.namespace.find(table.name, table.schema, table.database)
            self._transactions.note(table, before)
            self._session.namespace.define(table)
        for table in work.resets:
            self._session.namespace.catalog.reset_identity(table)

    def _select_into(self, work: SelectInto, variables: Variables) -> int:
        query = work.query
        self._require_reads(query)
        if not table_name(work.target).startswith("#"):
            self._require_definition("CREATE TABLE")
        self._offer(query)
        bindings = self._bindings(query, variables)
        schema, _ = self._connection.read(f"SELECT * FROM ({query.sql}) LIMIT 0", bindings)  # noqa: S608 - names are quoted, values are bound
        columns = [
            Column(column.name or field.name, column.type, column.nullable)
            for column, field in zip(result_columns(query.columns, schema), schema, strict=True)
        ]
        table = new_table(work.target, self._session.namespace, columns)
        temporary = "TEMP " if table.is_temporary else ""
        target = duckdb_text(engine_table(table))
        created = f"CREATE {temporary}TABLE {target} AS {query.sql}"
        count = self._connection.change(created, bindings)
        self._transactions.note(table, None)
        self._session.namespace.define(table)
        return int(count[0][0]) if count else 0

    def _assign_from_query(self, work: Assignment, variables: Variables) -> None:
        """The last row's values stay; without a row nothing changes."""
        result = self._query(work.query, variables)
        for row in values(result.batches):
            for name, value in zip(work.names, row, strict=True):
                variables[name].value = value

    def _administer(self, work: Administration) -> None:
        self._require_definition(
            "CREATE DATABASE" if work.action == "create database" else "CREATE SCHEMA"
        )
        catalog, database = self._session.namespace.catalog, self._session.namespace.database
        schema = duckdb_text(exp.table_(work.name, db=database))
        if work.action == "create schema":
            catalog.add_schema(database, work.name)
            self._connection.change(f"CREATE SCHEMA {schema}", {})
        elif work.action == "drop schema":
            self._connection.change(f"DROP SCHEMA {schema}", {})
            catalog.remove_schema(database, work.name)
        else:
            if work.name.lower() in {known.lower() for known in catalog.databases()}:
                raise SqlError(1801, f"Database '{work.name}' already exists.")
            self._engine.create_database(work.name)
            catalog.add_database(work.name)

    def _require_reads(self, work: Translation) -> None:
        for table in work.reads:
            self._require("SELECT", table)

    def _require(self, permission: str, table: Table) -> None:
        self._session.namespace.permissions.require(
            permission, table.database, table.schema, table.name
        )

    def _require_definition(self, permission: str) -> None:
        namespace = self._session.namespace
        namespace.permissions.require_definition(permission, namespace.database)

    def _offer(self, work: Translation) -> None:
        for name, table in work.views.items():
            self._connection.offer(name, table)

    def _bindings(self, work: Translation, variables: Variables) -> dict[str, Any]:
        bindings = {name: variables[name].value for name in work.variables}
        for name, value in work.system.items():
            bindings[name] = value.find(self._session, variables)
        return bindings


def opens_transaction(work: Work) -> bool:
    """Whether a statement begins a transaction under SET IMPLICIT_TRANSACTIONS ON."""
    return not isinstance(work, Translation) or work.reads_tables


def _stays_valid(work: Work) -> bool:
    """Whether a translation may be kept: a catalogue view's rows may not."""
    if isinstance(work, Change):
        return not work.translation.views
    return isinstance(work, Translation) and not work.views
