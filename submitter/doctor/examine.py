"""The whole way: job file, sign-in, workspace, machines, secrets, and, if wanted, the run's own."""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote_entry.hop import Hop
from submitter.backends.azureml_core.limits import refuse_what_v1_cannot_carry
from submitter.doctor.machines import Machines
from submitter.doctor.remote import RemoteCheck, check_in_a_run
from submitter.doctor.secrets import Secrets
from submitter.doctor.walk import Walk
from submitter.doctor.way_in import WayIn
from submitter.errors import RunFailedError
from submitter.job import Job
from submitter.planning import Plan, plan
from submitter.workspace import WorkspaceAddress


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        exit_code: That of the first hop that failed, as in `submitter.errors`; 0 if none did.
        hops: The laptop's hops.
        remote: The run's hops; None if none was asked for.
    """

    exit_code: int
    hops: tuple[Hop, ...]
    remote: RemoteCheck | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the findings as JSON's types."""
        remote = self.remote
        return {
            "exit_code": self.exit_code,
            "hops": [hop.as_json() for hop in self.hops],
            "remote": remote
            and {
                "run_id": remote.run_id,
                "exit_code": remote.exit_code,
                "hops": [hop.as_json() for hop in remote.hops],
            },
        }


def examine(
    job_file: Path | None = None,
    *,
    address: WorkspaceAddress | None = None,
    remote: bool = False,
    report: Callable[[Hop], object] = lambda _: None,
    on_status: Callable[[str], object] = lambda _: None,
    allow_plaintext: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Examination:
    """Go the way from this machine to a run, hop by hop; nothing is changed but by `remote`.

    Args:
        job_file: The job whose way it is; without one, only what every job needs is looked at.
        address: Which workspace; by default that of the nearest config.json.
        remote: Whether to submit `python -m remote_entry check` as a tiny run, too.
        report: Receives each hop as soon as it is done; the run's after the laptop's.
        on_status: Receives each new status of that run.
        allow_plaintext: Variables that may carry a credential in clear.
        environ: This machine's variables.
    """
    walk = Walk(report)
    made = _read_job(job_file, walk, allow_plaintext, environ) if job_file else None
    way_in = WayIn(address or WorkspaceAddress(), environ, walk)
    way_in.go()
    if job_file is None or made is None:
        way_in.check_role(registers=False)
        return Examination(walk.exit_code, tuple(walk.hops))
    machines = Machines(made, walk)
    machines.go(way_in.workspace)
    way_in.check_role(registers=machines.registered is None)
    definition = machines.registered.definition if machines.registered else None
    Secrets(made.job, walk).go(
        way_in.account, way_in.workspace, definition.variables if definition else {}
    )
    if not remote:
        return Examination(walk.exit_code, tuple(walk.hops))
    found = check_in_a_run(
        made.job,
        way_in.workspace,
        walk,
        allow_plaintext=tuple(allow_plaintext),
        on_status=on_status,
        environ=environ,
    )
    for hop in found.hops:
        report(hop)
    failed = RunFailedError.exit_code if found.exit_code else 0
    return Examination(walk.exit_code or failed, tuple(walk.hops), found)


def _read_job(
    job_file: Path, walk: Walk, allow_plaintext: Collection[str], environ: Mapping[str, str]
) -> Plan | None:
    made: Plan | None = None

    def attempt() -> str:
        nonlocal made
        job = Job.from_file(job_file)
        refuse_what_v1_cannot_carry(job)
        made = plan(job, allow_plaintext=allow_plaintext, environ=environ)
        return f"{job_file}: {len(made.files)} files, {made.snapshot_size / 1e6:.2f} MB"

    walk.hop("job file", attempt, fix="correct it; submitter plan shows what it would do")
    walk.warn("job file", made.warnings if made else ())
    return made
