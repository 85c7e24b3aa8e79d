"""One session of T-SQL: statements in, outcomes out."""

import collections
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver import changes, definitions, script
from submitter.emulator.sqlserver.catalog import Catalog, Namespace, Table
from submitter.emulator.sqlserver.changes import FIRST_IDENTITY, Change
from submitter.emulator.sqlserver.definitions import Definition
from submitter.emulator.sqlserver.dialect import Translation, Translator, duckdb_text, engine_table
from submitter.emulator.sqlserver.engine import Engine
from submitter.emulator.sqlserver.errors import SqlError, not_played, syntax_error
from submitter.emulator.sqlserver.outcomes import (
    Completed,
    DatabaseChanged,
    Notice,
    Outcome,
    Pause,
    ResultSet,
    RowsChanged,
    TransactionBegan,
    TransactionEnded,
)
from submitter.emulator.sqlserver.parsing import parse_expression, parse_statement
from submitter.emulator.sqlserver.types import (
    CHARACTER,
    Column,
    SqlType,
    parse_type,
    type_of_arrow,
)

_FIRST_DESCRIPTOR = 0x3300000000
_KEPT_TRANSLATIONS = 200
_IDLE_SETTINGS = frozenset(
    """ansi_nulls ansi_padding ansi_warnings ansi_null_dflt_on ansi_defaults arithabort
    concat_null_yields_null quoted_identifier numeric_roundabort cursor_close_on_commit
    textsize lock_timeout language dateformat datefirst transaction deadlock_priority
    fmtonly statistics showplan_all query_governor_cost_limit""".split()
)
_WAIT = re.compile(r"waitfor\s+delay\s+N?'(\d+):(\d+)(?::([\d.]+))?'\Z", re.I)
_RAISE = re.compile(r"raiserror\s*\(\s*N?'((?:[^']|'')*)'\s*,\s*(\d+)\s*,\s*(\d+)", re.I)
_THROW = re.compile(r"throw\s+(\d+)\s*,\s*N?'((?:[^']|'')*)'\s*,\s*(\d+)\Z", re.I)
_SET_OPTION = re.compile(r"set\s+(\w+)\s*(.*)\Z", re.I | re.S)
_SET_VARIABLE = re.compile(r"set\s+@(\w+)\s*=\s*(.*)\Z", re.I | re.S)


@dataclasses.dataclass
class Variable:
    """A T-SQL variable or parameter; its value stays out of the repr."""

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
        self.login = login
        self.host = host
        self.application = application
        self.session_id = session_id
        self.transaction_count = 0
        self.row_count = 0
        self.last_identity: int | None = None
        self.last_error = 0
        self.counts_rows = True
        self._implicit = False
        self._descriptor = 0
        self._undo: list[tuple[Table, Table | None]] = []
        self._translations: collections.OrderedDict[Any, Any] = collections.OrderedDict()
        self.call_procedure: Procedure | None = None

    # Batches and transactions, as `session` asks for them.

    def run(self, text: str, variables: Variables | None = None) -> Iterator[Outcome]:
        """Run a batch; an error ends it.

        Args:
            text: T-SQL.
            variables: The parameters that the batch may name.

        Raises:
            SqlError: What SQL Server would say, or 40000 for what is not played.
        """
        yield from self._nodes(script.split(text), {} if variables is None else variables)

    def begin(self) -> Iterator[Outcome]:
        """BEGIN TRANSACTION; an inner one only counts."""
        self.transaction_count += 1
        if self.transaction_count == 1:
            self._descriptor += 1
            self._connection.begin()
            yield TransactionBegan(_FIRST_DESCRIPTOR + self._descriptor)

    def commit(self) -> Iterator[Outcome]:
        """COMMIT; only the outermost one does."""
        if not self.transaction_count:
            raise SqlError(
                3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        self.transaction_count -= 1
        if not self.transaction_count:
            yield from self._end(commit=True)

    def rollback(self) -> Iterator[Outcome]:
        """ROLLBACK of everything."""
        if not self.transaction_count:
            raise SqlError(
                3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        self.transaction_count = 0
        yield from self._end(commit=False)

    def abandon(self) -> Iterator[Outcome]:
        """Roll back if there is anything to roll back."""
        if self.transaction_count:
            yield from self.rollback()

    def reset(self) -> Iterator[Outcome]:
        """Make the session as new, as connection pools ask (sp_reset_connection)."""
        yield from self.abandon()
        self._implicit = False
        self.counts_rows = True
        for table in self.namespace.temporary_tables():
            self._connection.change(f"DROP TABLE {duckdb_text(engine_table(table))}", {})
            self.namespace.remove(table)
        if self.namespace.database != self._home:
            yield from self._use(self._home)

    def interrupt(self) -> None:
        """Stop what runs; called from another thread."""
        self._connection.interrupt()

    def close(self) -> None:
        """Roll back and let go of the engine."""
        for _ in self.abandon():
            pass
        self._connection.close()

    # Statements.

    def _nodes(self, nodes: Sequence[script.Node], variables: Variables) -> Iterator[Outcome]:
        for node in nodes:
            if isinstance(node, script.Condition):
                taken = node.then if self._holds(node.test, variables) else node.otherwise
                yield from self._nodes(taken, variables)
            else:
                yield from self._statement(node, variables)

    def _statement(self, node: script.Statement, variables: Variables) -> Iterator[Outcome]:
        special = _SPECIAL.get(node.keyword)
        if special is not None:
            yield from special(self, node.text, variables)
            return
        if self._implicit and not self.transaction_count and node.keyword not in {"select"}:
            yield from self.begin()
        work, translator_inputs = self._work(node.text, variables)
        if isinstance(work, Change):
            yield from self._change(work, variables)
        elif isinstance(work, Definition):
            self._define(work, variables)
            yield Completed()
        elif isinstance(work, Callable):  # type: ignore[arg-type]  # SELECT INTO and SELECT @x
            yield from work(self, variables)
        else:
            if self._implicit and not self.transaction_count and translator_inputs:
                yield from self.begin()
            yield self._query(work, variables)

    def _work(self, text: str, variables: Variables) -> tuple[Any, bool]:
        """Return a statement translated, from memory if it was seen before."""
        types = tuple((name, variable.type) for name, variable in variables.items())
        key = (text, self.namespace.version, types)
        if key in self._translations:
            self._translations.move_to_end(key)
            return self._translations[key]
        tree = parse_statement(text)
        reads_tables = tree.find(exp.Table) is not None
        work = self._translate(tree, text, dict(types)), reads_tables
        if reads_tables and work[0] is not None and not _depends_on_more(work[0]):
            self._translations[key] = work
            if len(self._translations) > _KEPT_TRANSLATIONS:
                self._translations.popitem(last=False)
        return work

    def _translate(self, tree: exp.Expression, text: str, types: Mapping[str, SqlType]) -> Any:  # noqa: C901, PLR0911 - a table
        translator = Translator(self.namespace, types)
        if isinstance(tree, exp.Query):
            if tree.args.get("into") is not None:
                return _SelectInto(tree)
            if any(_is_assignment(item) for item in getattr(tree, "selects", ())):
                return _Assignment(tree)
            return translator.query(tree)
        if isinstance(tree, exp.Insert):
            return changes.insert(tree, translator)
        if isinstance(tree, exp.Update):
            return changes.update(tree, translator)
        if isinstance(tree, exp.Delete):
            return changes.delete(tree, translator)
        if isinstance(tree, exp.Merge):
            return changes.merge(tree, translator)
        if isinstance(tree, exp.TruncateTable):
            return definitions.truncate(tree, translator)
        if isinstance(tree, exp.Alter) and tree.args.get("kind") == "TABLE":
            return definitions.alter_table(tree, translator)
        if isinstance(tree, exp.Drop):
            return self._drop(tree, translator)
        if isinstance(tree, exp.Create):
            return self._create(tree, text, translator)
        raise not_played(f"the statement {' '.join(text.split())[:80]}")

    def _create(self, tree: exp.Create, text: str, translator: Translator) -> Any:
        kind = tree.kind.split()[-1].upper()
        if kind == "TABLE" and isinstance(tree.this, exp.Schema):
            return definitions.create_table(tree, translator)
        if kind == "VIEW":
            return definitions.create_view(tree, text, translator)
        if kind == "INDEX":
            return definitions.create_index(tree, translator)
        if kind == "SCHEMA":
            return _NamedAction(Interpreter._create_schema, tree.this.db or tree.this.name)
        if kind == "DATABASE":
            return _NamedAction(Interpreter._create_database, tree.this.name)
        raise not_played(f"CREATE {kind}")

    def _drop(self, tree: exp.Drop, translator: Translator) -> Any:
        kind = tree.kind.upper()
        if kind in {"TABLE", "VIEW"}:
            return definitions.drop_table(tree, translator)
        if kind == "SCHEMA":
            return _NamedAction(Interpreter._drop_schema, tree.this.db or tree.this.name)
        raise not_played(f"DROP {kind}")

    def _query(self, work: Translation, variables: Variables) -> ResultSet:
        for name, table in work.views.items():
            self._connection.offer(name, table)
        schema, batches = self._connection.read(work.sql, self._bindings(work, variables))
        return ResultSet(result_columns(work.columns, schema), batches)

    def _change(self, work: Change, variables: Variables) -> Iterator[Outcome]:
        translation = work.translation
        for name, table in translation.views.items():
            self._connection.offer(name, table)
        bindings = self._bindings(translation, variables)
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
        if rows is not None and translation.columns is not None:
            yield ResultSet(
                result_columns(translation.columns, rows.schema), iter(rows.to_batches())
            )
        else:
            yield RowsChanged(work.command, count)

    def _run_change(self, work: Change, bindings: Mapping[str, Any]) -> tuple[int, pa.Table | None]:
        if work.translation.columns is not None:
            rows = self._connection.change_returning(work.translation.sql, bindings)
            return rows.num_rows, rows
        return int(self._connection.change(work.translation.sql, bindings)[0][0]), None

    def _define(self, work: Definition, variables: Variables) -> None:
        for statement in work.statements:
            self._connection.change(statement.sql, self._bindings(statement, variables))
        for table in work.removes:
            self._note(table, table)
            self.namespace.remove(table)
        for table in work.defines:
            self._note(table, self.namespace.find(table.name, table.schema, table.database))
            self.namespace.define(table)
        for table in work.resets:
            self.namespace.catalog.reset_identity(table)

    def _note(self, table: Table, before: Table | None) -> None:
        if self.transaction_count:
            self._undo.append((table, before))

    def _end(self, *, commit: bool) -> Iterator[Outcome]:
        undo, self._undo = self._undo, []
        try:
            self._connection.end(commit=commit)
        except SqlError:
            commit = False
            self._restore(undo)
            raise
        if not commit:
            self._restore(undo)
        yield TransactionEnded(_FIRST_DESCRIPTOR + self._descriptor, commit)

    def _restore(self, undo: Sequence[tuple[Table, Table | None]]) -> None:
        """Give the catalogue back what a rolled-back transaction had changed."""
        for table, before in reversed(undo):
            if before is None:
                self.namespace.remove(table)
            else:
                self.namespace.define(before)

    def _bindings(self, work: Translation, variables: Variables) -> dict[str, Any]:
        bindings = {name: variables[name].value for name in work.variables}
        for name, value in work.system.items():
            bindings[name] = value.read(self)
        return bindings

    def _holds(self, test: str, variables: Variables) -> bool:
        rows = self._rows(f"CASE WHEN {test} THEN 1 ELSE 0 END", variables)
        return bool(rows[0][0])

    def _rows(self, expression: str, variables: Variables) -> list[list[Any]]:
        tree = parse_expression(expression)
        types = {name: variable.type for name, variable in variables.items()}
        work = Translator(self.namespace, types).query(tree)
        result = self._query(work, variables)
        return [list(row.values()) for batch in result.batches for row in _rows_of(batch)]

    # Statements that are no queries; each takes its text and the variables.

    def _begin_transaction(self, _text: str, _variables: Variables) -> Iterator[Outcome]:
        yield from self.begin()
        yield Completed()

    def _commit_transaction(self, _text: str, _variables: Variables) -> Iterator[Outcome]:
        yield from self.commit()
        yield Completed()

    def _roll_back_transaction(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        words = text.lower().split()
        if len(words) > 1 and words[1] not in {"tran", "transaction", "work"}:
            raise syntax_error(words[1])
        if len(words) > 2:  # noqa: PLR2004 - ROLLBACK TRANSACTION name
            raise not_played("ROLLBACK to a savepoint or of a named transaction")
        yield from self.rollback()
        yield Completed()

    def _use_database(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        yield from self._use(text.split(None, 1)[1].strip().strip('[]"'))
        yield Completed()

    def _use(self, name: str) -> Iterator[Outcome]:
        new = self.namespace.catalog.database(name)
        old, self.namespace.database = self.namespace.database, new
        yield DatabaseChanged(new, old)
        yield Notice(5701, f"Changed database context to '{new}'.", state=2)

    def _set(self, text: str, variables: Variables) -> Iterator[Outcome]:
        assignment = _SET_VARIABLE.match(text)
        if assignment is not None:
            self._assign(assignment[1], assignment[2], variables)
            yield Completed()
            return
        option = _SET_OPTION.match(text)
        if option is None:
            raise syntax_error(text[:40])
        name, value = option[1].lower(), option[2].strip().lower()
        if name == "nocount":
            self.counts_rows = value != "on"
        elif name == "implicit_transactions":
            self._implicit = value == "on"
        elif name not in _IDLE_SETTINGS and name != "xact_abort":
            raise not_played(f"SET {name.upper()}")
        elif name == "xact_abort" and value == "on":
            raise not_played("SET XACT_ABORT ON")
        yield Completed()

    def _declare(self, text: str, variables: Variables) -> Iterator[Outcome]:
        tree = parse_statement(text)
        for item in tree.expressions:
            kind = item.args.get("kind")
            if not isinstance(kind, exp.DataType):
                raise not_played("table variables and cursors")
            named = item.this if isinstance(item.this, list) else [item.this]
            for name in named:
                variable = Variable(parse_type(kind.sql("tsql")))
                variables[name.name.lower()] = variable
                if item.args.get("default") is not None:
                    self._assign(name.name, item.args["default"].sql("tsql"), variables)
        yield Completed()

    def _assign(self, name: str, expression: str, variables: Variables) -> None:
        variable = _declared(name, variables)
        declaration = variable.type.declaration
        rows = self._rows(f"CAST(({expression}) AS {declaration})", variables)
        variable.value = rows[0][0]

    def _print(self, text: str, variables: Variables) -> Iterator[Outcome]:
        rows = self._rows(f"CAST(({text[5:]}) AS nvarchar(4000))", variables)
        yield Notice(0, rows[0][0] or "")
        yield Completed()

    def _raise_error(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        match = _RAISE.match(text)
        if match is None or "%" in match[1]:
            raise not_played("this form of RAISERROR")
        message, severity, state = match[1].replace("''", "'"), int(match[2]), int(match[3])
        if severity > 10:  # noqa: PLR2004 - up to 10 a message only informs
            raise SqlError(50000, message, severity=severity, state=state)
        yield Notice(50000, message, severity=severity, state=state)
        yield Completed()

    def _throw(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        match = _THROW.match(text)
        if match is None:
            raise not_played("this form of THROW")
        raise SqlError(int(match[1]), match[2].replace("''", "'"), state=int(match[3]))
        yield  # makes this a generator like its neighbours

    def _wait(self, text: str, _variables: Variables) -> Iterator[Outcome]:
        match = _WAIT.match(text)
        if match is None:
            raise not_played("WAITFOR other than DELAY with a literal")
        yield Pause(int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3] or 0))
        yield Completed()

    def _execute(self, text: str, variables: Variables) -> Iterator[Outcome]:
        if self.call_procedure is None:
            raise not_played("EXECUTE")
        yield from self.call_procedure(text, variables)

    # What a translated statement may do beside running in the engine.

    def _create_schema(self, name: str) -> None:
        self.namespace.catalog.add_schema(self.namespace.database, name)
        self._connection.change(
            f"CREATE SCHEMA {duckdb_text(exp.table_(name, db=self.namespace.database))}", {}
        )

    def _drop_schema(self, name: str) -> None:
        self._connection.change(
            f"DROP SCHEMA {duckdb_text(exp.table_(name, db=self.namespace.database))}", {}
        )
        self.namespace.catalog.remove_schema(self.namespace.database, name)

    def _create_database(self, name: str) -> None:
        if name.lower() in {known.lower() for known in self.namespace.catalog.databases()}:
            raise SqlError(1801, f"Database '{name}' already exists. Choose another name.")
        self._engine.create_database(name)
        self.namespace.catalog.add_database(name)

    def _select_into(self, tree: exp.Expression, variables: Variables) -> int:
        types = {name: variable.type for name, variable in variables.items()}
        translator = Translator(self.namespace, types)
        query = tree.copy()
        node = query.args["into"].this
        query.set("into", None)
        work = translator.query(query)
        for name, view in work.views.items():
            self._connection.offer(name, view)
        bindings = self._bindings(work, variables)
        with_names = work.columns or ()
        schema, _ = self._connection.read(f"SELECT * FROM ({work.sql}) LIMIT 0", bindings)
        columns = [
            Column(column.name or field.name, column.type, column.nullable)
            for column, field in zip(result_columns(with_names, schema), schema)
        ]
        table = definitions.new_table(node, self.namespace, columns)
        temporary = "TEMP " if table.is_temporary else ""
        target = duckdb_text(engine_table(table))
        count = self._connection.change(f"CREATE {temporary}TABLE {target} AS {work.sql}", bindings)
        self._note(table, None)
        self.namespace.define(table)
        return int(count[0][0]) if count else 0


@dataclasses.dataclass(frozen=True)
class _NamedAction:
    """CREATE SCHEMA and its like."""

    action: Callable[[Interpreter, str], None]
    name: str

    def __call__(self, interpreter: Interpreter, _: Variables) -> Iterator[Outcome]:
        self.action(interpreter, self.name)
        yield Completed()


@dataclasses.dataclass(frozen=True)
class _SelectInto:
    """SELECT ... INTO a new table."""

    tree: exp.Expression

    def __call__(self, interpreter: Interpreter, variables: Variables) -> Iterator[Outcome]:
        from submitter.emulator.sqlserver.tokens import Command

        count = interpreter._select_into(self.tree, variables)
        interpreter.row_count = count
        yield RowsChanged(Command.SELECT, count)


@dataclasses.dataclass(frozen=True)
class _Assignment:
    """SELECT @x = ...: the last row's values go into variables."""

    tree: exp.Expression

    def __call__(self, interpreter: Interpreter, variables: Variables) -> Iterator[Outcome]:
        tree = self.tree.copy()
        names = []
        for index, item in enumerate(list(tree.selects)):
            if not _is_assignment(item):
                raise SqlError(141, "A SELECT that assigns a variable must not return data.")
            names.append(item.this.name)
            declaration = _declared(item.this.name, variables).type.declaration
            kind = exp.DataType.build(declaration, dialect="tsql")
            value = exp.Cast(this=exp.Paren(this=item.expression.copy()), to=kind)
            item.replace(exp.alias_(value, f"v{index}"))
        types = {name: variable.type for name, variable in variables.items()}
        work = Translator(interpreter.namespace, types).query(tree)
        result = interpreter._query(work, variables)
        for batch in result.batches:
            for row in _rows_of(batch):
                for name, value in zip(names, row.values()):
                    variables[name.lower()].value = value
        yield Completed()


def result_columns(known: Sequence[Column] | None, schema: pa.Schema) -> list[Column]:
    """Return the columns to announce: the declared types where the engine's agree."""
    if known is None or len(known) != len(schema):
        return [Column(field.name, type_of_arrow(field.type)) for field in schema]
    columns = []
    for column, field in zip(known, schema):
        if column.type.name and _holds(column.type, field.type):
            columns.append(column)
        else:
            columns.append(Column(column.name, type_of_arrow(field.type)))
    return columns


def _holds(declared: SqlType, arrow: pa.DataType) -> bool:
    """Whether the engine's values fit the declared type without a change of kind."""
    if pa.types.is_null(arrow):
        return True
    found = type_of_arrow(arrow)
    if declared.name in CHARACTER or declared.name == "uniqueidentifier":
        return found.name in CHARACTER
    return _FAMILY.get(found.name) == _FAMILY.get(declared.name)


_FAMILY = {
    **dict.fromkeys(("bit",), "bit"),
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "integer"),
    **dict.fromkeys(("real", "float"), "float"),
    **dict.fromkeys(("decimal", "numeric", "money", "smallmoney"), "decimal"),
    **dict.fromkeys(("datetime", "smalldatetime", "datetime2"), "timestamp"),
    **dict.fromkeys(("binary", "varbinary"), "binary"),
    "date": "date",
    "time": "time",
    "datetimeoffset": "datetimeoffset",
}


def _is_assignment(item: exp.Expression) -> bool:
    return (
        isinstance(item, exp.EQ)
        and isinstance(item.this, exp.Parameter)
        and not isinstance(item.this.this, exp.Parameter)
    )


def _declared(name: str, variables: Variables) -> Variable:
    if name.lower() not in variables:
        raise SqlError(137, f'Must declare the scalar variable "@{name}".', severity=15)
    return variables[name.lower()]


def _depends_on_more(work: object) -> bool:
    """Whether a translation holds what may change: a catalogue view's rows."""
    translation = work.translation if isinstance(work, Change) else work
    return not isinstance(translation, Translation) or bool(translation.views)


def _rows_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    names = [f"c{index}" for index in range(batch.num_columns)]
    renamed = pa.RecordBatch.from_arrays(batch.columns, names=names)
    rows: list[dict[str, Any]] = renamed.to_pylist()
    return rows


_Special = Callable[[Interpreter, str, Variables], Iterator[Outcome]]
_SPECIAL: dict[str, _Special] = {
    "begin": Interpreter._begin_transaction,
    "commit": Interpreter._commit_transaction,
    "rollback": Interpreter._roll_back_transaction,
    "use": Interpreter._use_database,
    "set": Interpreter._set,
    "declare": Interpreter._declare,
    "print": Interpreter._print,
    "raiserror": Interpreter._raise_error,
    "throw": Interpreter._throw,
    "waitfor": Interpreter._wait,
    "exec": Interpreter._execute,
    "execute": Interpreter._execute,
}
