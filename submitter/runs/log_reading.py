"""Read a log that grows: every byte once and in order, whatever happens between two looks."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from submitter.backends.base import LOG_PIECE, RemoteRun
from submitter.errors import ServiceError
from submitter.runs.log_names import choose, main_log, short_name

# A look asks for this many bytes that were read before: they show whether it is the same log still.
_OVERLAP = 64
# A line of more bytes is passed on before it ends.
_LONGEST_LINE = 1024 * 1024
_SIDE_BY_SIDE = 8  # logs
_TAIL = 64 * 1024  # bytes that are read first for the last lines


def read_logs(run: RemoteRun, names: Collection[str], tail: int | None = None) -> str:
    """Return logs as far as they are written.

    Args:
        run: The run.
        names: Their full names; of several, each line comes after its log's name.
        tail: How many lines from the end of each; by default all.
    """
    addresses = run.details().logs
    texts = []
    for name in names:
        address = addresses[name]
        content = _from_end(run, address, tail) if tail else b"".join(pieces_of(run, address))
        lines = _Lines(short_name(name))
        texts.append(lines.of(content) + lines.rest() if len(names) > 1 else content)
    return b"".join(texts).decode(errors="replace")


def pieces_of(run: RemoteRun, address: str) -> Iterator[bytes]:
    """Yield a log as far as it is written, piece by piece.

    Raises:
        ServiceError: It could not be read.
    """
    return _GrowingLog(run).pieces(address)


def _from_end(run: RemoteRun, address: str, lines: int) -> bytes:
    """Return the last lines of a log that may be far too large to read."""
    with closing(run.open_file(address)) as stream:
        size, wanted = stream.size, _TAIL
    while True:
        start = max(0, size - wanted)
        content = b"".join(run.open_file(address, start).pieces()) if size else b""
        found = content.splitlines(keepends=True)
        if start == 0 or len(found) > lines:
            return b"".join(found[-lines:])
        wanted *= 8


class WantedLogs:
    """The logs that are wanted of a run, and how far they were passed on.

    Args:
        run: The run.
        write: Receives what is new: of one log every byte; of several, whole lines.
        wanted: Which; see `submitter.runs.log_names.choose`.
        on_notice: Receives what there is to say about a log.
    """

    def __init__(
        self,
        run: RemoteRun,
        write: Callable[[bytes], object],
        wanted: Collection[str],
        on_notice: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._run = run
        self._write = write
        self._wanted = wanted
        self._several = len(wanted) > 1 or any(set("*?[") & set(text) for text in wanted)
        self._on_notice = on_notice
        self._addresses: dict[str, str] = {}
        self._logs: dict[str, _GrowingLog] = {}
        self._lines: dict[str, _Lines] = {}
        self._main: str | None = None  # the one that is read if none is wanted by name
        self._starts_again = False

    @property
    def known(self) -> bool:
        """Whether any wanted log is there yet."""
        return bool(self._chosen())

    @property
    def wants_others(self) -> bool:
        """Whether other logs than the main one are wanted."""
        return bool(self._wanted)

    @property
    def may_grow_in_number(self) -> bool:
        """Whether there is something to look for."""
        return bool(self._wanted) or self._starts_again or main_log(self._addresses) is None

    def learn(self, addresses: Mapping[str, str]) -> None:
        """Take note of where logs are to be read."""
        self._addresses.update(addresses)

    def start_again(self) -> None:
        """Expect other logs: the service has put the run back into the queue."""
        self._starts_again = True

    def forget(self) -> None:
        """Forget all addresses: they have expired."""
        self._addresses.clear()

    def read(self) -> None:
        """Pass on what was written since the last look."""
        names = self._chosen()
        self._notice_another_attempt(names)
        if len(names) < 2:  # noqa: PLR2004 - one log needs no threads
            for name in names:
                self._read(name, self._pass_on)
            return
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            looks = [(name, pool.submit(self._fetch, name)) for name in names]
        failures = []
        for name, look in looks:
            pieces, failure = look.result()
            for piece in pieces:
                self._pass_on(name, piece)
            failures += [failure] if failure else []
        if failures:
            raise failures[0]

    def _notice_another_attempt(self, names: list[str]) -> None:
        if self._wanted or not names or names[0] == self._main:
            return
        if self._main:
            self._on_notice(f"The run was started again; its log is {names[0]} from here on.")
        self._main = names[0]

    def finish(self) -> None:
        """Pass on the last lines that have no line's end."""
        for lines in self._lines.values():
            if rest := lines.rest():
                self._write(rest)

    def _lines_of(self, name: str) -> "_Lines":
        return self._lines.setdefault(name, _Lines(short_name(name)))

    def _chosen(self) -> list[str]:
        return choose(self._addresses, self._wanted)

    def _fetch(self, name: str) -> tuple[list[bytes], ServiceError | None]:
        """Read a log on a thread of its own; what was read before a failure counts."""
        pieces: list[bytes] = []
        try:
            self._read(name, lambda _, piece: pieces.append(piece))
        except ServiceError as error:
            return pieces, error
        return pieces, None

    def _read(self, name: str, pass_on: Callable[[str, bytes], object]) -> None:
        log = self._logs.setdefault(name, _GrowingLog(self._run))
        restarts = log.restarts
        for piece in log.pieces(self._addresses[name]):
            if log.restarts > restarts:
                restarts = log.restarts
                if self._several:
                    self._write(self._lines_of(name).rest())
                self._on_notice(f"The log {name} was written anew; it starts again here.")
            pass_on(name, piece)

    def _pass_on(self, name: str, piece: bytes) -> None:
        if not self._several:
            self._write(piece)
            return
        whole = self._lines_of(name).of(piece)
        if whole:
            self._write(whole)


class _GrowingLog:
    """One log of a run, read from where the last look ended.

    Args:
        run: The run.

    Attributes:
        restarts: How often the log was found to be written anew, as by a run that is queued again.
    """

    def __init__(self, run: RemoteRun) -> None:
        self._run = run
        self._offset = 0
        self._tail = b""  # the last bytes before the offset
        self.restarts = 0

    def pieces(self, address: str) -> Iterator[bytes]:
        """Yield what was written since the last look.

        Args:
            address: Where the log is to be read now.

        Raises:
            ServiceError: It could not be read; the next look goes on where this one ended.
        """
        while True:
            piece, size = self._next(address)
            if piece:
                yield piece
                self._offset += len(piece)
                self._tail = (self._tail + piece)[-_OVERLAP:]
            if size < LOG_PIECE:
                return

    def _next(self, address: str) -> tuple[bytes, int]:
        """Return what is new, and how many bytes were read to learn it."""
        read = self._run.read_log(address, self._offset - len(self._tail))
        if read.startswith(self._tail):
            return read[len(self._tail) :], len(read)
        again = self._run.read_log(address, 0)
        if not again:  # it is being replaced, or the storage has lost sight of it
            return b"", 0
        self.restarts += 1
        self._offset, self._tail = 0, b""
        return again, len(again)


class _Lines:
    """Puts pieces together to whole lines, each after its log's name.

    Args:
        name: What stands before each line.
    """

    def __init__(self, name: str) -> None:
        self._before = f"{name} | ".encode()
        self._unfinished = b""

    def of(self, piece: bytes) -> bytes:
        """Return the lines that a piece completes; its unfinished end waits for the next."""
        *whole, self._unfinished = (self._unfinished + piece).split(b"\n")
        if len(self._unfinished) > _LONGEST_LINE:
            whole, self._unfinished = [*whole, self._unfinished], b""
        return b"".join(self._before + line + b"\n" for line in whole)

    def rest(self) -> bytes:
        """Return the last line, if the log ends without a line's end."""
        return self.of(b"\n") if self._unfinished else b""
