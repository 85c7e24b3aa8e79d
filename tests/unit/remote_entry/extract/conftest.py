"""A changing table, and a container to land in."""

from collections.abc import Iterator

import pytest
from support.blob_landing import Lake, play_lake
from support.played_source import CREATE, PlayedServer, PlayedSource, run


@pytest.fixture
def server() -> Iterator[PlayedServer]:
    """Start a server with one empty table."""
    server = PlayedServer()
    run(server.session(), CREATE)
    yield server
    server.close()


@pytest.fixture
def source(server: PlayedServer) -> PlayedSource:
    """Open the session that is extracted from."""
    return server.source()


@pytest.fixture(scope="module")
def running_lake() -> Iterator[Lake]:
    """Start an emulator with a container."""
    with play_lake() as played:
        yield played


@pytest.fixture
def lake(running_lake: Lake) -> Iterator[Lake]:
    """Let no fault rule and no warning outlive its test."""
    yield running_lake
    running_lake.azure.faults.clear()
    running_lake.warnings.clear()
