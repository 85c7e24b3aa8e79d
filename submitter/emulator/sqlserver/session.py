"""Requests to token streams, after the login: no sockets, one generator a request.

A generator yields bytes to send and pauses to wait; the connection may close it at any yield,
which is how a cancel ends a request.
"""

import logging
import struct
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from submitter.emulator.sqlserver import calls, procedures, repetition, tokens
from submitter.emulator.sqlserver.calls import Call
from submitter.emulator.sqlserver.errors import ConnectionDroppedError, SqlError, not_played
from submitter.emulator.sqlserver.events import Event, EventLog, Kind
from submitter.emulator.sqlserver.faults import Place, SqlFaults
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.outcomes import (
    Completed,
    DatabaseChanged,
    EncodedResult,
    Notice,
    Outcome,
    Pause,
    ResultSet,
    RowsChanged,
    TransactionBegan,
    TransactionEnded,
)
from submitter.emulator.sqlserver.prepared import PreparedStatements
from submitter.emulator.sqlserver.rows import encode
from submitter.emulator.sqlserver.tokens import Change, Command, Done, Status
from submitter.emulator.sqlserver.variables import Variable, Variables
from submitter.emulator.sqlserver.wire import Message, PacketType, ProtocolError, Reader

_LOG = logging.getLogger(__name__)

Answer = Generator[bytes | Pause, None, None]
_BEGIN, _COMMIT, _ROLLBACK, _SAVE = 5, 7, 8, 9  # MS-TDS 2.2.6.9
_DEADLOCK = 1205


class Session:
    """One client's session.

    Args:
        interpreter: What runs its statements.
        faults: The server's fault rules.
        events: Where to note what happens.
        canned: Answers that were encoded before, by SQL text.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        faults: SqlFaults,
        events: EventLog,
        canned: Mapping[str, EncodedResult],
    ) -> None:
        self.interpreter = interpreter
        self._faults = faults
        self._events = events
        self._canned = canned
        self._prepared = PreparedStatements()
        interpreter.call_procedure = self._executed_in_batch

    def answer(self, message: Message) -> Answer:
        """Return the tokens that answer a request."""
        if message.resets_connection:
            self._note("reset")
            for outcome in self.interpreter.reset():
                yield from self._show(outcome)
            self._prepared.clear()
            yield tokens.change_of_bytes(Change.RESET_ACKNOWLEDGED, b"")
        try:
            yield from self._handled(message)
        except SqlError as problem:
            yield from self._failed(problem)
            yield self._done(Done.BATCH, Status.ERROR)
            if problem.ends_connection:
                raise
        except (ConnectionDroppedError, ProtocolError):
            raise
        except Exception as problem:  # noqa: BLE001 - whatever it is, the client gets an answer
            _LOG.exception("the SQL Server emulator failed")
            yield from self._failed(_own_failure(problem))
            yield self._done(Done.BATCH, Status.ERROR)

    def cancelled(self) -> bytes:
        """Return the acknowledgement of a cancel (MS-TDS 2.2.1.7)."""
        self._note("cancel")
        return tokens.done(Done.BATCH, Status.ATTENTION)

    def interrupt(self) -> None:
        """Stop what runs; called from another thread."""
        self.interpreter.interrupt()

    def close(self) -> None:
        """Roll back and let go."""
        self.interpreter.close()

    # The three kinds of request.

    def _handled(self, message: Message) -> Answer:
        handler = self._HANDLERS.get(message.kind)
        if handler is None:
            raise not_played(f"messages of the type {message.kind}, such as bulk load")
        yield from handler(self, message.payload)

    def _batch(self, payload: bytes) -> Answer:
        text = _without_headers(payload).decode("utf-16-le", "replace")
        tail = _Tail(Done.BATCH, self)
        yield from self._results(text, {}, tail)
        yield tail.last()

    def _remote_procedure(self, payload: bytes) -> Answer:
        received = calls.read_calls(Reader(_without_headers(payload)))
        left = len(received)
        for run in repetition.runs(received):
            left -= len(run)
            first, *others = run  # the first one opens a transaction if there is to be one
            yield from self._call(first, more=bool(others or left))
            if len(others) > 1 and self._inserted_together(others):
                yield self._row_inserted(more=True) * (len(others) - 1)
                yield self._row_inserted(more=bool(left))
                continue
            for position, call in enumerate(others, start=1):
                yield from self._call(call, more=bool(left or position < len(others)))

    def _transaction(self, payload: bytes) -> Answer:
        request, name_length = struct.unpack("<HB", _without_headers(payload)[:3].ljust(3, b"\0"))
        actions: dict[int, Callable[[], Iterator[TransactionBegan | TransactionEnded]]] = {
            _BEGIN: self.interpreter.transactions.begin,
            _COMMIT: self.interpreter.transactions.commit,
            _ROLLBACK: self.interpreter.transactions.roll_back,
        }
        if request == _SAVE or (request == _ROLLBACK and name_length):
            raise not_played("savepoints and named transactions")
        if request not in actions:
            raise not_played(f"the transaction manager's request {request}")
        for outcome in actions[request]():
            yield from self._show(outcome)
        yield self._done(Done.BATCH)

    # Procedures.

    def _inserted_together(self, run: Sequence[Call]) -> bool:
        """Do what executions of one statement ask for at once, if that can be."""
        if self._faults.expects("query"):  # a rule may mean one of them
            return False
        try:
            prepared = [self._prepared.resolve(call) for call in run]
        except SqlError:
            return False
        rows = repetition.bound_rows([each.parameters for each in prepared])
        text = prepared[0].text
        if rows is None or text is None:
            return False
        types = {name.lower(): kind for name, (kind, _) in prepared[0].parameters.items()}
        if not self.interpreter.insert_rows(text, types, rows):
            return False
        for call in run:
            self._note("procedure", call.name)
            self._note("sql", text)
        self.interpreter.last_error = 0
        return True

    def _row_inserted(self, *, more: bool) -> bytes:
        """Return the answer to one execution that inserted a row."""
        tail = _Tail(Done.IN_PROCEDURE, self)
        tail.after(RowsChanged(Command.INSERT, 1))
        return tail.last(Status.MORE) + self._procedure_ended(failed=False, more=more)

    def _procedure_ended(
        self,
        *,
        failed: bool,
        more: bool,
        outputs: Sequence[tuple[int, str, int]] = (),
    ) -> bytes:
        ending = tokens.return_status(1 if failed else 0)
        for ordinal, name, value in outputs:
            ending += tokens.return_integer(ordinal, name, value)
        flags = Status.ERROR if failed else Status.FINAL
        flags |= Status.MORE if more else Status.FINAL
        return ending + self._done(Done.PROCEDURE, flags, Command.PROCEDURE)

    def _call(self, call: Call, *, more: bool) -> Answer:
        self._note("procedure", call.name)
        tail = _Tail(Done.IN_PROCEDURE, self)
        outputs: list[tuple[int, str, int]] = []
        try:
            prepared = self._prepared.resolve(call)
            outputs = prepared.outputs
            if prepared.text is not None:
                variables = {
                    name.lstrip("@").lower(): Variable(sql_type, value)
                    for name, (sql_type, value) in prepared.parameters.items()
                }
                yield from self._results(prepared.text, variables, tail)
            elif not prepared.complete:
                for outcome in procedures.play(call, self.interpreter):
                    yield from tail.before(self._show(outcome))
                    tail.after(outcome)
        except SqlError as problem:
            if problem.ends_connection:
                raise
            yield from self._failed(problem)
            tail.failed()
        if tail.pending:
            yield tail.last(Status.MORE)
        yield self._procedure_ended(failed=tail.has_failed, more=more, outputs=outputs)

    def _executed_in_batch(self, text: str, variables: Variables) -> Iterator[Outcome]:
        call = calls.parse_execute(text, variables)
        self._note("procedure", call.name)
        prepared = self._prepared.resolve(call)
        if prepared.text is not None:
            inner = {
                name.lstrip("@").lower(): Variable(sql_type, value)
                for name, (sql_type, value) in prepared.parameters.items()
            }
            yield from self.interpreter.run(prepared.text, inner)
        elif not prepared.complete:
            yield from procedures.play(call, self.interpreter)

    # Results.

    def _results(self, text: str, variables: Variables, tail: "_Tail") -> Answer:
        """Yield the tokens of a batch, all but its last DONE."""
        self._note("sql", text)
        try:
            yield from self._strike("query", text)
            canned = self._canned.get(normalised_text(text))
            outcomes = iter((canned,)) if canned else self.interpreter.run(text, variables)
            for outcome in outcomes:
                yield from tail.before(self._show(outcome, text, tail))
                tail.after(outcome)
            self.interpreter.last_error = 0
        except SqlError as problem:
            if tail.pending:
                yield tail.last(Status.MORE)
            if problem.ends_connection:
                raise
            yield from self._failed(problem)
            tail.failed()

    def _show(self, outcome: Outcome, text: str = "", tail: "_Tail | None" = None) -> Answer:
        if isinstance(outcome, Pause):
            yield outcome
        elif isinstance(outcome, Notice):
            yield tokens.info(
                outcome.number, outcome.text, severity=outcome.severity, state=outcome.state
            )
        elif isinstance(outcome, DatabaseChanged):
            yield tokens.change(Change.DATABASE, outcome.new, outcome.old)
        elif isinstance(outcome, TransactionBegan):
            yield tokens.change_of_bytes(
                Change.BEGIN_TRANSACTION, struct.pack("<Q", outcome.descriptor)
            )
        elif isinstance(outcome, TransactionEnded):
            kind = Change.COMMIT_TRANSACTION if outcome.committed else Change.ROLLBACK_TRANSACTION
            yield tokens.change_of_bytes(kind, b"", struct.pack("<Q", outcome.descriptor))
        elif isinstance(outcome, ResultSet | EncodedResult):
            yield from self._rows(outcome, text, tail)

    def _rows(self, result: ResultSet | EncodedResult, text: str, tail: "_Tail | None") -> Answer:
        yield tokens.column_metadata(result.columns)
        count = 0
        pieces = iter(result.pieces) if isinstance(result, EncodedResult) else self._encoded(result)
        try:
            for data, rows in pieces:
                yield from self._strike("rows", text, count)
                yield data
                count += rows
                self.interpreter.row_count = count
            yield from self._strike("rows", text, count)
        finally:
            # Whoever holds the error holds this frame; the engine is to be free all the same.
            for rest in (pieces, getattr(result, "batches", None)):
                if isinstance(rest, Generator):
                    rest.close()
        self.interpreter.row_count = count
        if tail is not None:
            tail.row_count = count

    def _encoded(self, result: ResultSet) -> Iterator[tuple[bytes, int]]:
        """Encode batch by batch; in small ones while a fault waits for a number of rows."""
        for batch in result.batches:
            for part in _parts(batch, 100 if self._faults.expects("rows") else batch.num_rows):
                yield encode(result.columns, part), part.num_rows

    def _strike(self, at: Place, text: str, rows: int = 0) -> Answer:
        fault = self._faults.take(at, text, rows)
        if fault is not None:
            if fault.delay:
                yield Pause(fault.delay)
            fault.strike()

    def _failed(self, problem: SqlError) -> Answer:
        """Yield an error; a deadlock's victim loses its transaction (error 1205)."""
        self._note("error", problem.message, problem.number)
        self.interpreter.last_error = problem.number
        yield tokens.error(problem)
        if problem.number == _DEADLOCK:
            for outcome in self.interpreter.transactions.abandon():
                yield from self._show(outcome)

    def _done(
        self, token: Done, status: Status = Status.FINAL, command: Command = Command.NONE
    ) -> bytes:
        if self.interpreter.transaction_count:
            status |= Status.IN_TRANSACTION
        return tokens.done(token, status, command)

    def _note(self, kind: Kind, text: str = "", error: int | None = None) -> None:
        self._events.add(Event(kind, self.interpreter.session_id, text=text, error=error))

    _HANDLERS: ClassVar[dict[int, Callable[["Session", bytes], Answer]]] = {
        PacketType.BATCH: _batch,
        PacketType.RPC: _remote_procedure,
        PacketType.TRANSACTION_MANAGER: _transaction,
    }


class _Tail:
    """Holds each statement's DONE back until it is known whether another one follows."""

    def __init__(self, token: Done, session: Session) -> None:
        self._token = token
        self._session = session
        self._status = Status.FINAL
        self._command = Command.NONE
        self._count = 0
        self.pending = False
        self.has_failed = False
        self.row_count = 0

    def before(self, answer: Answer) -> Answer:
        """Yield the DONE that was held back, then what follows it."""
        for item in answer:
            if self.pending and isinstance(item, bytes):
                yield self.last(Status.MORE)
            yield item

    def after(self, outcome: Outcome) -> None:
        """Note the DONE of a statement that is over."""
        counts = self._session.interpreter.counts_rows
        if isinstance(outcome, ResultSet | EncodedResult):
            self._hold(Status.COUNT, Command.SELECT, self._session.interpreter.row_count)
        elif isinstance(outcome, RowsChanged):
            self._hold(
                Status.COUNT if counts else Status.FINAL,
                outcome.command,
                outcome.count,
            )
        elif isinstance(outcome, Completed) and not self.pending:
            self._hold(Status.FINAL, Command.NONE, 0)

    def failed(self) -> None:
        """Note the DONE of a statement that failed."""
        self.has_failed = True
        self._hold(Status.ERROR, Command.NONE, 0)

    def last(self, extra: Status = Status.FINAL) -> bytes:
        """Return the DONE that was held back."""
        status = self._status | extra
        if self._session.interpreter.transaction_count:
            status |= Status.IN_TRANSACTION
        self.pending = False
        token = tokens.done(self._token, status, self._command, self._count)
        self._status, self._command, self._count = Status.FINAL, Command.NONE, 0
        return token

    def _hold(self, status: Status, command: Command, count: int) -> None:
        self.pending = True
        self._status, self._command, self._count = status, command, count


def _own_failure(problem: Exception) -> SqlError:
    """Return what a client is told of a mistake of ours; not its text, which may hold values."""
    return SqlError(
        40000, f"the emulator itself failed ({type(problem).__name__}); its log has the traceback"
    )


def _parts(batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, max(size, 1)):
        yield batch.slice(start, size)


def normalised_text(text: str) -> str:
    """Return a text by which canned answers are found, however it is laid out."""
    return " ".join(text.split()).rstrip("; ").lower()


def _without_headers(payload: bytes) -> bytes:
    """Cut off ALL_HEADERS, which begins with its own length (MS-TDS 2.2.5.3)."""
    length = struct.unpack_from("<I", payload)[0]
    return payload[length:]
