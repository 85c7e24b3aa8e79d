"""A session of the played SQL Server, without its wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from submitter.emulator.sqlserver.catalog import Catalog
from submitter.emulator.sqlserver.engine import Engine
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.outcomes import ResultSet
from submitter.emulator.sqlserver.results import values


@contextmanager
def open_session() -> Iterator[Interpreter]:
    """Open a session on an engine of its own, with the two databases that every server has."""
    engine, catalog = Engine(), Catalog()
    for name in ("master", "tempdb"):
        engine.create_database(name)
        catalog.add_database(name)
    session = Interpreter(engine, catalog, database="master", login="reader")
    yield session
    session.close()
    engine.close()


def rows(session: Interpreter, sql: str) -> list[tuple[Any, ...]]:
    """Run a batch and return the rows of its results."""
    found: list[tuple[Any, ...]] = []
    for outcome in session.run(sql):
        if isinstance(outcome, ResultSet):
            found.extend(values(outcome.batches))
    return found
