"""One session of T-SQL: batches in, outcomes out."""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver import script, statements
from submitter.emulator.sqlserver.catalog import Catalog, Namespace
from submitter.emulator.sqlserver.changes import FIRST_IDENTITY, Change
from submitter.emulator.sqlserver.definitions import Definition, new_table
from submitter.emulator.sqlserver.dialect import Translation, Translator, duckdb_text, engine_table
from submitter.emulator.sqlserver.engine import Engine
from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.outcomes import (
    Completed,
    DatabaseChanged,
    Notice,
    Outcome,
    Pause,
    ResultSet,
    RowsChanged,
)
from submitter.emulator.sqlserver.parsing import parse_expression, parse_statement
from submitter.emulator.sqlserver.results import result_columns, values
from submitter.emulator.sqlserver.tokens import Command
from submitter.emulator.sqlserver.transactions import Transactions
from submitter.emulator.sqlserver.translating import (
    Administration,
    Assignment,
    SelectInto,
    Work,
    translate,
)
from submitter.emulator.sqlserver.types import Column, SqlType, parse_type

_KEPT_TRANSLATIONS = 200


@dataclasses.dataclass
class Variable:
    """A T-SQL variable or parameter; its value stays out of the repr, and so of any log."""

    type: SqlType
    value: Any = dataclasses.field(default=None, repr=False)


Variables = dict[str, Variable]  # by name in lower case, without the @
Procedure = Callable[[str, Variables], Iterator[Outcome]]


class Interpreter:
    """Runs batches for one connection.

    Args:
        engine: The store.
        catalog: What exists in it.
        database: The database to begin in.
        login: Whom the session belongs to.
        host: The client's name for its machine.
        application: The client's name for itself.
        session_id: @@SPID.
    """

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        *,
        database: str,
        login: str,
        host: str = "",
        application: str = "",
        session_id: int = 51,
    ) -> None:
        self._engine = engine
        self._connection = engine.connect()
        self._home = database
        self.namespace = Namespace(catalog, database)
        self.transactions = Transactions(self._connection, self.namespace)
        self.login = login
        self.host = host
        self.application = application
        self.session_id = session_id
        self.row_count = 0
        self.last_identity: int | None = None
        self.last_error = 0
        self.counts_rows = True
        self._implicit = False
        self._translations: collections.OrderedDict[object, Work] = collections.OrderedDict()
        self.call_procedure: Procedure | None = None

    @property
    def transaction_count(self) -> int:
        """@@TRANCOUNT."""
        return self.transactions.count

    def run(self, text: str, variables: Variables | None = None) -> Iterator[Outcome]:
        """Run a batch; an error ends it.

        Args:
            text: T-SQL.
            variables: The parameters that the batch may name.

        Raises:
            SqlError: What SQL Server would say, or 40000 for what is not played.
        """
        yield from self._nodes(script.split(text), {} if variables is None else variables)

    def translation(self, text: str, types: Mapping[str, SqlType]) -> Work:
        """Return a statement translated, from memory if it was seen before.

        Args:
            text: One statement.
            types: The types of the variables in scope, by name in lower case.
        """
        key = (text, self.namespace.version, tuple(types.items()))
        if key in self._translations:
            self._translations.move_to_end(key)
            return self._translations[key]
        work = translate(parse_statement(text), text, Translator(self.namespace, types))
        if _stays_valid(work):
            self._translations[key] = work
            if len(self._translations) > _KEPT_TRANSLATIONS:
                self._translations.popitem(last=False)
        return work

    def reset(self) -> Iterator[Outcome]:
        """Make the session as new, as connection pools ask (sp_reset_connection)."""
        yield from self.transactions.abandon()
        self._implicit = False
        self.counts_rows = True
        for table in self.namespace.temporary_tables():
            self._connection.change(f"DROP TABLE {duckdb_text(engine_table(table))}", {})
            self.namespace.remove(table)
        if self.namespace.database != self._home:
            yield from self._change_database(self._home)

    def interrupt(self) -> None:
        """Stop what runs; called from another thread."""
        self._connection.interrupt()

    def close(self) -> None:
        """Roll back and let go of the engine."""
        for _ in self.transactions.abandon():
            pass
        self._connection.close()

    # Statements.

    def _nodes(self, nodes: Sequence[script.Node], variables: Variables) -> Iterator[Outcome]:
        for node in nodes:
            if isinstance(node, script.Condition):
                test = f"CASE WHEN {node.test} THEN 1 ELSE 0 END"
                taken = node.then if self._value(test, variables) else node.otherwise
                yield from self._nodes(taken, variables)
            elif node.keyword in self._WITHOUT_PARSER:
                yield from self._WITHOUT_PARSER[node.keyword](self, node.text, variables)
            else:
                work = self.translation(node.text, _types(variables))
                if self._implicit and not self.transaction_count and _opens_transaction(work):
                    yield from self.transactions.begin()
                yield from self._perform(work, variables)

    def _perform(self, work: Work, variables: Variables) -> Iterator[Outcome]:
        if isinstance(work, Translation):
            yield self._query(work, variables)
        elif isinstance(work, Change):
            yield self._change(work, variables)
        elif isinstance(work, SelectInto):
            self.row_count = self._select_into(work, variables)
            yield RowsChanged(Command.SELECT, self.row_count)
        else:
            if isinstance(work, Definition):
                self._define(work, variables)
            elif isinstance(work, Assignment):
                self._assign_from_query(work, variables)
            else:
                self._administer(work)
            yield Completed()

    def _query(self, work: Translation, variables: Variables) -> ResultSet:
        self._offer(work)
        schema, batches = self._connection.read(work.sql, self._bindings(work, variables))
        return ResultSet(result_columns(work.columns, schema), batches)

    def _change(self, work: Change, variables: Variables) -> Outcome:
        self._offer(work.translation)
        bindings = self._bindings(work.translation, variables)
        if work.numbered is None:
            count, rows = self._run_change(work, bindings)
        else:
            catalog = self.namespace.catalog
            with catalog.identity_lock(work.numbered):
                first = catalog.next_identity(work.numbered)
                count, rows = self._run_change(work, {**bindings, FIRST_IDENTITY: first})
                catalog.advance_identity(work.numbered, first + count)
            if count:
                self.last_identity = first + count - 1
        self.row_count = count
        if rows is None:
            return RowsChanged(work.command, count)
        columns = result_columns(work.translation.columns, rows.schema)
        return ResultSet(columns, iter(rows.to_batches()))

    def _run_change(self, work: Change, bindings: Mapping[str, Any]) -> tuple[int, pa.Table | None]:
        sql = work.translation.sql
        if work.translation.columns is not None:
            rows = self._connection.change_returning(sql, bindings)
            return rows.num_rows, rows
        return int(self._connection.change(sql, bindings)[0][0]), None

    def _define(self, work: Definition, variables: Variables) -> None:
        for statement in work.statements:
            self._connection.change(statement.sql, self._bindings(statement, variables))
        for table in work.removes:
            self.transactions.note(table, table)
            self.namespace.remove(table)
        for table in work.defines:
            before = self.namespace.find(table.name, table.schema, table.database)
            self.transactions.note(table, before)
            self.namespace.define(table)
        for table in work.resets:
            self.namespace.catalog.reset_identity(table)

    def _select_into(self, work: SelectInto, variables: Variables) -> int:
        query = work.query
        self._offer(query)
        bindings = self._bindings(query, variables)
        schema, _ = self._connection.read(f"SELECT * FROM ({query.sql}) LIMIT 0", bindings)  # noqa: S608 - names are quoted, values are bound
        columns = [
            Column(column.name or field.name, column.type, column.nullable)
            for column, field in zip(result_columns(query.columns, schema), schema, strict=True)
        ]
        table = new_table(work.target, self.namespace, columns)
        temporary = "TEMP " if table.is_temporary else ""
        target = duckdb_text(engine_table(table))
        created = f"CREATE {temporary}TABLE {target} AS {query.sql}"
        count = self._connection.change(created, bindings)
        self.transactions.note(table, None)
        self.namespace.define(table)
        return int(count[0][0]) if count else 0

    def _assign_from_query(self, work: Assignment, variables: Variables) -> None:
        """The last row's values stay; without a row nothing changes."""
        result = self._query(work.query, variables)
        for row in values(result.batches):
            for name, value in zip(work.names, row, strict=True):
                variables[name].value = value

    def _administer(self, work: Administration) -> None:
        catalog, database = self.namespace.catalog, self.namespace.database
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

    def _offer(self, work: Translation) -> None:
        for name, table in work.views.items():
            self._connection.offer(name, table)

    def _bindings(self, work: Translation, variables: Variables) -> dict[str, Any]:
        bindings = {name: variables[name].value for name in work.variables}
        bindings.update({name: value.read(self) for name, value in work.system.items()})
        return bindings

    def _value(self, expression: str, variables: Variables) -> Any:
        tree = parse_expression(expression)
        work = Translator(self.namespace, _types(variables)).query(tree)
        return next(values(self._query(work, variables).batches))[0]

    def _assign(self, name: str, expression: str, variables: Variables) -> None:
        if name.lower() not in variables:
            raise SqlError(137, f'Must declare the scalar variable "@{name}".', severity=15)
        variable = variables[name.lower()]
        converted = f"CAST(({expression}) AS {variable.type.declaration})"
        variable.value = self._value(converted, variables)

    # Statements that are no queries; each takes its text and the variables.

    def _begin(self, _text: str, _variables: Variables) -> Iterator[Outcome]:
        yield from self.transactions.begin()
        yield Completed()

    def _commit(self, _text: str, _variables: Variables) -> Iterator[Outcome]:
        yield from self.transactions.commit()
        yield Completed()

    def _roll_back(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        if not statements.is_plain_rollback(text):
            raise not_played("ROLLBACK to a savepoint or of a named transaction")
        yield from self.transactions.roll_back()
        yield Completed()

    def _use(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        yield from self._change_database(statements.database_name(text))
        yield Completed()

    def _change_database(self, name: str) -> Iterator[Outcome]:
        new = self.namespace.catalog.database(name)
        old, self.namespace.database = self.namespace.database, new
        yield DatabaseChanged(new, old)
        yield Notice(5701, f"Changed database context to '{new}'.", state=2)

    def _set(self, text: str, variables: Variables) -> Iterator[Outcome]:
        assigned = statements.assignment(text)
        if assigned is not None:
            self._assign(*assigned, variables)
        else:
            name, value = statements.option(text)
            if name == "nocount":
                self.counts_rows = value != "on"
            elif name == "implicit_transactions":
                self._implicit = value == "on"
        yield Completed()

    def _declare(self, text: str, variables: Variables) -> Iterator[Outcome]:
        for item in parse_statement(text).expressions:
            kind = item.args.get("kind")
            if not isinstance(kind, exp.DataType):
                raise not_played("table variables and cursors")
            sql_type = parse_type(kind.sql("tsql"))
            for named in item.this if isinstance(item.this, list) else [item.this]:
                variables[named.name.lower()] = Variable(sql_type)
                if isinstance(item.args.get("default"), exp.Expression):
                    self._assign(named.name, item.args["default"].sql("tsql"), variables)
        yield Completed()

    def _print(self, text: str, variables: Variables) -> Iterator[Outcome]:
        expression = text[len("print") :]
        shown = self._value(f"CAST(({expression}) AS nvarchar(4000))", variables)
        yield Notice(0, shown or "")
        yield Completed()

    def _raise_error(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        raised = statements.raised(text)
        if isinstance(raised, SqlError):
            raise raised
        yield raised
        yield Completed()

    def _throw(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        raise statements.thrown(text)

    def _wait(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        yield Pause(statements.wait_seconds(text))
        yield Completed()

    def _execute(self, text: str, variables: Variables) -> Iterator[Outcome]:
        if self.call_procedure is None:
            raise not_played("EXECUTE")
        yield from self.call_procedure(text, variables)

    _WITHOUT_PARSER: ClassVar[
        dict[str, Callable[["Interpreter", str, Variables], Iterator[Outcome]]]
    ] = {
        "begin": _begin,
        "commit": _commit,
        "rollback": _roll_back,
        "use": _use,
        "set": _set,
        "declare": _declare,
        "print": _print,
        "raiserror": _raise_error,
        "throw": _throw,
        "waitfor": _wait,
        "exec": _execute,
        "execute": _execute,
    }


def _types(variables: Variables) -> dict[str, SqlType]:
    return {name: variable.type for name, variable in variables.items()}


def _opens_transaction(work: Work) -> bool:
    """Whether a statement begins a transaction under SET IMPLICIT_TRANSACTIONS ON."""
    return not isinstance(work, Translation) or work.reads_tables


def _stays_valid(work: Work) -> bool:
    """Whether a translation may be kept: a catalogue view's rows may not."""
    if isinstance(work, Change):
        return not work.translation.views
    return isinstance(work, Translation) and not work.views
