"""An emulator a module, and a project of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.shell import Shell, flights_emulator, project

from submitter.emulator import Emulator


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Start one emulator for a module, and check at its end that nothing went past it."""
    with flights_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


@pytest.fixture
def shell(azure: Emulator, tmp_path: Path) -> Shell:
    """Make a project with a job and a script, and a shell in it."""
    return project(azure, tmp_path / "a project")
