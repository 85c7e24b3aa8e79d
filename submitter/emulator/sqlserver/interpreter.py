"""One session of T-SQL: batches in, outcomes out."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver import script, statements
from submitter.emulator.sqlserver.catalog import Catalog, Namespace
from submitter.emulator.sqlserver.dialect import duckdb_text
from submitter.emulator.sqlserver.engine import Engine
from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.execution import Executor, opens_transaction
from submitter.emulator.sqlserver.outcomes import (
    Completed,
    DatabaseChanged,
    Notice,
    Outcome,
    Pause,
    ResultSet,
)
from submitter.emulator.sqlserver.parsing import parse_statement
from submitter.emulator.sqlserver.permissions import Permissions
from submitter.emulator.sqlserver.session_list import SessionRecord
from submitter.emulator.sqlserver.sources import engine_table
from submitter.emulator.sqlserver.transactions import Transactions
from submitter.emulator.sqlserver.types import SqlType, parse_type
from submitter.emulator.sqlserver.variables import Variable, Variables, types_of

_DEADLOCK = 1205
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
        permissions: What the login may do; None for the owner of the databases.
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
        permissions: Permissions | None = None,
    ) -> None:
        self._engine = engine
        self._connection = engine.connect()
        self._home = database
        self.namespace = Namespace(catalog, database, permissions, session_id)
        self.transactions = Transactions(self._connection, self.namespace)
        self.login = login
        self.host = host
        self.application = application
        self.session_id = session_id
        self.row_count = 0
        self.last_identity: int | None = None
        self.last_error = 0
        self.caught: SqlError | None = None
        self.counts_rows = True
        self._implicit = False
        self._executor = Executor(engine, self._connection, self.transactions, self)
        self.call_procedure: Procedure | None = None
        started = dt.datetime.now(dt.timezone.utc)
        catalog.sessions.add(SessionRecord(session_id, login, host, application, started))

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
        try:
            yield from self._nodes(script.split(text), {} if variables is None else variables)
        except _BatchEndedError:
            yield Completed()
        except _LoopEndedError:
            raise _outside_of_loop(135, "BREAK") from None
        except _LoopContinuedError:
            raise _outside_of_loop(136, "CONTINUE") from None

    def insert_rows(self, text: str, types: Mapping[str, SqlType], rows: pa.Table) -> bool:
        """Run an INSERT of one row for many rows at once.

        Args:
            text: The statement, as it was prepared.
            types: The types of its parameters, by name in lower case.
            rows: The parameters' values, a column a parameter.

        Returns:
            Whether it was done; if not, nothing has changed and the statement is to be run
            for each row.
        """
        nodes = script.split(text)
        begins = self._implicit and not self.transaction_count
        if begins or len(nodes) != 1 or not isinstance(nodes[0], script.Statement):
            return False
        if nodes[0].keyword != "insert":
            return False
        work = self._executor.translation(nodes[0].text, types)
        try:
            return self._executor.insert_rows(work, rows)
        except SqlError:
            return False  # which row it is, and that the ones before it stay, shows one by one

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
        self.namespace.catalog.sessions.remove(self.session_id)
        self._connection.close()

    # Statements.

    def _nodes(self, nodes: Sequence[script.Node], variables: Variables) -> Iterator[Outcome]:
        for node in nodes:
            if isinstance(node, script.Condition):
                taken = node.then if self._holds(node.test, variables) else node.otherwise
                yield from self._nodes(taken, variables)
            elif isinstance(node, script.Loop):
                yield from self._loop(node, variables)
            elif isinstance(node, script.Attempt):
                yield from self._attempt(node, variables)
            elif node.keyword in self._WITHOUT_PARSER:
                yield from self._WITHOUT_PARSER[node.keyword](self, node.text, variables)
            else:
                work = self._executor.translation(node.text, types_of(variables))
                if self._implicit and not self.transaction_count and opens_transaction(work):
                    yield from self.transactions.begin()
                yield from self._executor.perform(work, variables)

    def _holds(self, test: str, variables: Variables) -> bool:
        return bool(self._executor.value(f"CASE WHEN {test} THEN 1 ELSE 0 END", variables))

    def _loop(self, loop: script.Loop, variables: Variables) -> Iterator[Outcome]:
        while self._holds(loop.test, variables):
            yield Pause(0.0)  # a cancel is seen between two rounds
            try:
                yield from self._nodes(loop.body, variables)
            except _LoopContinuedError:
                continue
            except _LoopEndedError:
                break

    def _attempt(self, attempt: script.Attempt, variables: Variables) -> Iterator[Outcome]:
        try:
            for outcome in self._nodes(attempt.body, variables):
                yield _read_now(outcome)
        except SqlError as problem:
            if not problem.can_be_caught:
                raise
            caught = problem
        else:
            return
        if caught.number == _DEADLOCK:
            yield from self.transactions.abandon()
        self.last_error = caught.number
        outer, self.caught = self.caught, caught
        try:
            yield from self._nodes(attempt.handler, variables)
        finally:
            self.caught = outer

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

    def _save(self, _text: str, _variables: Variables) -> Iterator[Outcome]:
        raise not_played("SAVE TRANSACTION (savepoints)")

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
            self._executor.assign(*assigned, variables)
        else:
            name, value = statements.option(text)
            if name == "nocount":
                self.counts_rows = value != "on"
            elif name == "implicit_transactions":
                self._implicit = value == "on"
            elif name == "transaction":
                level = statements.isolation_level(value)
                self.namespace.catalog.sessions.isolate(self.session_id, level)
        yield Completed()

    def _declare(self, text: str, variables: Variables) -> Iterator[Outcome]:
        for item in parse_statement(text).expressions:
            kind = item.args.get("kind")
            if not isinstance(kind, exp.DataType):
                raise not_played("table variables and cursors")
            sql_type = parse_type(kind.sql("tsql"))
            for named in item.this if isinstance(item.this, list) else [item.this]:
                variables.setdefault(named.name.lower(), Variable(sql_type))
                if isinstance(item.args.get("default"), exp.Expression):
                    self._executor.assign(named.name, item.args["default"].sql("tsql"), variables)
        yield Completed()

    def _print(self, text: str, variables: Variables) -> Iterator[Outcome]:
        expression = text[len("print") :]
        shown = self._executor.value(f"CAST(({expression}) AS nvarchar(4000))", variables)
        yield Notice(0, shown or "")
        yield Completed()

    def _break(self, _text: str, _variables: Variables) -> Iterator[Outcome]:
        raise _LoopEndedError

    def _continue(self, _text: str, _variables: Variables) -> Iterator[Outcome]:
        raise _LoopContinuedError

    def _return(self, _text: str, _variables: Variables) -> Iterator[Outcome]:
        raise _BatchEndedError

    def _raise_error(self, text: str, variables: Variables) -> Iterator[Outcome]:
        raised = statements.raised(text, _texts_of(variables))
        if isinstance(raised, SqlError):
            raise raised
        yield raised
        yield Completed()

    def _throw(self, text: str, variables: Variables) -> Iterator[Outcome]:
        if text.strip().lower() != "throw":
            raise statements.thrown(text, _texts_of(variables))
        if self.caught is None:
            raise SqlError(10704, "To rethrow an error, a THROW statement must be used in CATCH.")
        raise self.caught

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
        "save": _save,
        "use": _use,
        "set": _set,
        "declare": _declare,
        "print": _print,
        "break": _break,
        "continue": _continue,
        "return": _return,
        "raiserror": _raise_error,
        "throw": _throw,
        "waitfor": _wait,
        "exec": _execute,
        "execute": _execute,
    }


class _LoopEndedError(Exception):
    """BREAK."""


class _LoopContinuedError(Exception):
    """CONTINUE."""


class _BatchEndedError(Exception):
    """RETURN."""


def _outside_of_loop(number: int, keyword: str) -> SqlError:
    return SqlError(
        number,
        f"Cannot use a {keyword} statement outside the scope of a WHILE statement.",
        severity=15,
    )


def _read_now(outcome: Outcome) -> Outcome:
    """Read all rows of a result, so that an error among them is raised where it is caught."""
    if isinstance(outcome, ResultSet):
        return ResultSet(outcome.columns, list(outcome.batches))
    return outcome


def _texts_of(variables: Variables) -> dict[str, str]:
    return {name: str(variable.value) for name, variable in variables.items()}
