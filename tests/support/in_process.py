"""This very process as a client of an emulator, where starting another would take longer."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submitter.emulator import Emulator


@contextmanager
def client_of(azure: Emulator, **variables: str) -> Iterator[Any]:
    """Point this process at an emulator, and open its workspace.

    Args:
        azure: The emulator.
        variables: More variables to set meanwhile.
    """
    before = dict(os.environ)
    os.environ.update({**azure.environ, **variables, "CI": "1"})
    try:
        from submitter import WorkspaceAddress, open_workspace

        named = azure.workspace
        yield open_workspace(
            WorkspaceAddress(
                named["subscription_id"], named["resource_group"], named["workspace_name"]
            )
        )
    finally:
        os.environ.clear()
        os.environ.update(before)


def start_script(
    workspace: Any, folder: Path, script: str, experiment: str = "played", *, nodes: int = 1
) -> str:
    """Start a run that is nothing but a shell script; return its id.

    It is submitted by azureml-core alone: no supervisor, no secrets, and ready at once.

    Args:
        workspace: The workspace.
        folder: Where to write the script.
        script: What it does.
        experiment: The run's experiment.
        nodes: On how many nodes at once, by MPI.
    """
    from azureml.core import Environment, Experiment, ScriptRunConfig
    from azureml.core.runconfig import MpiConfiguration

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.sh").write_text(script, encoding="utf-8")
    config = ScriptRunConfig(
        source_directory=str(folder),
        command=["bash script.sh"],
        compute_target="cpu-cluster",
        environment=Environment("played"),
        distributed_job_config=MpiConfiguration(node_count=nodes) if nodes > 1 else None,
    )
    return str(Experiment(workspace, experiment).submit(config).id)


@dataclass(frozen=True)
class Typed:
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


def type_in(folder: Path, *arguments: str) -> Typed:
    """Carry a `submitter` command out in this process, as if typed in a folder.

    For many commands to one emulator: a process of its own would spend its time on imports.
    """
    from submitter.cli import app
    from submitter.errors import SubmitterError

    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    before, argv, code = Path.cwd(), sys.argv, 0
    os.chdir(folder)
    sys.argv = ["submitter", *arguments]
    try:
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            app()
    except SystemExit as end:
        code = int(end.code or 0)
    except SubmitterError as error:  # `main` would say so, and end this process
        code = error.exit_code
        streams[1].write(f"error: {error}\n")
    finally:
        sys.argv = argv
        os.chdir(before)
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return Typed(code, *texts)
