"""Scripts of the kind that people have for azureml-core, run as they stand against the emulator.

Each checks for itself that it got what it asked for; here it is only started, and looked after.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from submitter.emulator import Emulator

SCRIPTS = Path(__file__).parent / "v1_scripts"
TIMEOUT_SECONDS = 120


@pytest.fixture(scope="module")
def azure() -> Iterator[Emulator]:
    """Start one emulator for the module, and check at its end that nothing went past it."""
    config = {"sql": None, "vaults": {"kv-local": {}}, "computes": {"cpu-cluster": {}}}
    with Emulator(config) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


@pytest.mark.parametrize("script", ["interactive.py", "models.py", "datastores.py", "cluster.py"])
def test_a_script_people_have_runs_as_it_stands(
    script: str, azure: Emulator, tmp_path: Path
) -> None:
    """Nothing but the variables and a workspace file points the script at the emulator."""
    azure.write_workspace_config(tmp_path)
    laptop = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    finished = subprocess.run(
        [sys.executable, SCRIPTS / script, SCRIPTS],
        cwd=tmp_path,
        env={**laptop, **azure.environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
