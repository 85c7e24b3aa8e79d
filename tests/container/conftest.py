"""An emulator whose runs are containers of the image that `make image` built."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.shell import Shell, flights_emulator, project

from submitter.emulator import Emulator

ROOT = Path(__file__).parents[2]
STORE = ROOT / "build" / "containers"
IMAGE = "localhost/submitter:latest"
COMPUTES = {
    "cpu-cluster": {"kind": "container", "image": IMAGE, "max_nodes": 2, "memory": "1g"},
    "small-cluster": {"kind": "container", "image": IMAGE, "memory": "128m"},
    "bare-cluster": {"kind": "container", "image": "localhost/nothing:here"},
    "processes": {},
}


os.environ.setdefault("CONTAINERS_CONF", str(STORE / "containers.conf"))
os.environ.setdefault("CONTAINERS_STORAGE_CONF", str(STORE / "storage.conf"))


@pytest.fixture(scope="session")
def podman() -> Callable[..., str]:
    """Run podman; what is missing fails a test, and never skips it."""
    program = shutil.which("podman")
    assert program, "podman is missing: make test-container installs it"

    def run(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("image", "inspect", IMAGE)
    return run


@pytest.fixture(scope="module")
def azure(
    podman: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """Start an emulator with four flights and targets of both kinds."""
    folder = tmp_path_factory.mktemp("emulator")
    with flights_emulator(folder, computes=COMPUTES) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []
    assert str(folder) not in podman("ps", "--all", "--no-trunc", "--format", "{{.Mounts}}")


@pytest.fixture
def shell(azure: Emulator, tmp_path: Path) -> Shell:
    """Make a project."""
    return project(azure, tmp_path / "project")
