"""`submitter doctor`: each hop from the laptop to the run, green, and broken once."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.shell import (
    CLIENT_ID,
    CONFIG,
    EXPIRED_CLIENT_ID,
    EXPIRED_CLIENT_SECRET,
    Shell,
    flights_emulator,
)

from submitter.emulator import Emulator

READER = "66666666-6666-6666-6666-666666666666"
HOPS = [
    *("job file", "configuration", "sign-in", "workspace", "compute", "environment", "image"),
    *("role", "variables", "run identity", "workspace secrets", "vault", "secret 1", "secret 2"),
]
REMOTE_HOPS = [
    *("variables", "workspace", "identity", "vault", "secret 1", "secret 2"),
    *("sql dns", "sql tcp", "sql tls", "sql login", "sql query", "sql permissions"),
]


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Start an emulator with something wrong for everybody who looks for it."""
    soon = datetime.now(timezone.utc) + timedelta(hours=3)
    vault = {
        **CONFIG["vaults"]["kv-flights"],
        "off": {"value": "x", "enabled": False},
        "soon": {"value": "x", "expires": int(soon.timestamp())},
        "wrong-client-secret": "canary",
        "old-client-secret": EXPIRED_CLIENT_SECRET,
    }
    computes = {
        "cpu-cluster": {"max_nodes": 2},
        "broken-cluster": {"provisioning_state": "Failed"},
        "full-cluster": {"node_quota": 0},
    }
    principals = [
        *CONFIG["service_principals"],
        {"name": "reader", "client_id": READER, "client_secret": "reads", "role": "Reader"},
    ]
    with flights_emulator(
        tmp_path_factory.mktemp("emulator"),
        vaults={"kv-flights": vault},
        computes=computes,
        service_principals=principals,
    ) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


def examine(shell: Shell, *arguments: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Run the doctor on the job; return its exit code and its document."""
    done = shell("doctor", "job.yml", "--json", *arguments, **variables)
    assert "canary" not in done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode
    return done.returncode, document


def named(document: dict[str, Any], outcome: str) -> dict[str, dict[str, Any]]:
    """Return the laptop's hops of an outcome by name."""
    return {hop["name"]: hop for hop in document["hops"] if hop["outcome"] == outcome}


def test_a_healthy_way_is_one_line_a_hop(shell: Shell) -> None:
    """In the columns of the container's own check, each with what was found."""
    done = shell("doctor", "job.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert [line[9:27].strip() for line in lines] == HOPS
    assert all(line.startswith(("ok ", "warning ", "skipped ")) for line in lines)
    for found in (
        f"ws-local in rg-local, from {shell.folder}/.azureml/config.json",
        f"service principal {CLIENT_ID} of tenant",
        "cpu-cluster, STANDARD_DS2_V2, 0 of 2 nodes up, 0 idle; the job needs 1",
        "it may submit runs and register environments",
        "AZURE_CLIENT_SECRET ← training-client-secret",
        "AZURE_SECRET_2 → sql-password (version ",
    ):
        assert found in done.stdout
    password = shell.azure.vault("kv-flights").secret("sql-password").value
    assert password not in done.stdout


def test_no_secret_value_is_read_from_here(shell: Shell) -> None:
    """Names, versions and dates are all that the laptop asks the vaults for."""
    before = len(shell.azure.requests)
    assert shell("doctor", "job.yml").returncode == 0
    asked = [request.path for request in shell.azure.requests[before:]]
    vaults = [path for path in asked if "/secrets" in path]
    assert vaults
    assert all(path.endswith(("/versions", "/secrets")) for path in vaults)


def test_without_a_job_the_way_ends_at_the_workspace(shell: Shell) -> None:
    """What every job needs."""
    done = shell("doctor", "--json")
    hops = json.loads(done.stdout)["hops"]
    assert [hop["name"] for hop in hops] == ["configuration", "sign-in", "workspace", "role"]
    assert done.returncode == 0


def replace(old: str, new: str) -> Callable[[Shell], None]:
    """Break the job file."""
    return lambda shell: shell.edit(old, new)


def unconfigure(shell: Shell) -> None:
    """Take the workspace's name away."""
    (shell.folder / ".azureml/config.json").unlink()


def corrupt_configuration(shell: Shell) -> None:
    """Leave a half-written file."""
    (shell.folder / ".azureml/config.json").write_text('{"workspace_name": "ws"')


def rename_workspace(shell: Shell) -> None:
    """Name another workspace."""
    path = shell.folder / ".azureml/config.json"
    path.write_text(path.read_text().replace("ws-local", "ws-lokal"))


NOBODY = {"AZURE_CLIENT_SECRET": "", "AZURE_CONFIG_DIR": "none"}
CONFIGURATION = ("configuration", "workspace")
AS_READER = {"AZURE_CLIENT_ID": READER, "AZURE_CLIENT_SECRET": "reads"}
ENVIRONMENT = "environment: {name: flights, image: ubuntu}"
THREE = "resources: {instance_count: 3}\ndistribution: {type: mpi}\ncompute:"
TIMEOUT = "limits: {timeout: 14400}\ncode:"


@pytest.mark.parametrize(
    ("break_it", "variables", "exit_code", "hop", "kind", "message", "fix"),
    [
        (replace("compute:", "computer:"), {}, 2, "job file", "input", "compute", "correct"),
        (unconfigure, {}, 3, *CONFIGURATION, "no .azureml", "config.json"),
        (corrupt_configuration, {}, 3, *CONFIGURATION, "is no workspace's config.json", "download"),
        (None, NOBODY, 3, "sign-in", "sign-in", "Nobody is signed in", "az login"),
        (
            *(None, {"AZURE_CLIENT_SECRET": "canary"}, 3, "sign-in", "sign-in"),
            *("AADSTS7000215", "mend the variable"),
        ),
        (rename_workspace, {}, 3, "workspace", "workspace", "not found", "compare subscription"),
        (None, AS_READER, 3, "role", "role.insufficient", "may not submit runs", "Data Scientist"),
        (
            *(replace("cpu-cluster", "cpu-clustr"), {}, 4, "compute", "not-found"),
            *("Did you mean 'cpu-cluster'", "name a compute target"),
        ),
        (
            *(replace("cpu-cluster", "broken-cluster"), {}, 5, "compute", "compute.unusable"),
            *("state is Failed", "choose another"),
        ),
        (
            *(replace("compute:", THREE), {}, 2, "compute", "compute.too-small"),
            *("the job needs 3; it grows to 2", "resources.instance_count to 2"),
        ),
        (
            *(replace(ENVIRONMENT, "environment: azureml:nope@latest"), {}, 4, "environment"),
            *("not-found", "azureml:nope is not registered", "submitter env register"),
        ),
        (
            *(replace("training-client-secret", "nope"), {}, 4, "workspace secrets"),
            *("workspace-secret.missing", "AZURE_CLIENT_SECRET ← nope", "secret set nope"),
        ),
        (
            *(replace("https://kv-flights.vault.azure.net", "https://localhost:1"), {}, 5),
            *("vault", "service", "localhost:1", "--remote"),
        ),
        (
            *(replace("sql-password", "none"), {}, 4, "secret 2", "secret.missing"),
            *("no such secret or version", "check name and version"),
        ),
        (
            *(replace("sql-password", f"sql-password\n  AZURE_SECRET_2_VERSION: {'a' * 32}"), {}),
            *(4, "secret 2", "secret.missing", "no such secret or version", "check name"),
        ),
        (
            *(replace("sql-password", "'off'"), {}, 4, "secret 2", "secret.disabled"),
            *("is disabled", "enable it"),
        ),
        (
            *(lambda it: (it.edit("sql-password", "soon"), it.edit("code:", TIMEOUT)), {}, 4),
            *("secret 2", "secret.expires", "and the job may take 4 hours", "lower limits.timeout"),
        ),
    ],
)
def test_a_broken_hop_is_named_with_its_fix(
    shell: Shell,
    break_it: Callable[[Shell], object] | None,
    variables: dict[str, str],
    exit_code: int,
    hop: str,
    kind: str,
    message: str,
    fix: str,
) -> None:
    """It alone fails and gives the exit code; what stands on it is skipped, and says so."""
    if break_it:
        break_it(shell)
    code, document = examine(shell, **variables)
    [failed] = named(document, "failed").values()
    assert (code, failed["name"], failed["kind"]) == (exit_code, hop, kind)
    assert message in failed["detail"]
    assert fix in failed["hint"]
    skipped = named(document, "skipped")
    skipped.pop("run identity", None)
    assert {each["detail"] for each in skipped.values()} <= {f"because of {hop}"}


@pytest.mark.parametrize("problem", ["ForbiddenByFirewall", "AccessDenied"])
def test_a_vault_that_refuses_the_laptop_says_why_and_is_no_failure(
    shell: Shell, problem: str
) -> None:
    """The run's identity counts; the secrets are then unseen, not passed."""
    shell.azure.faults.add("keyvault", "/versions", problem=problem, times=None)
    code, document = examine(shell)
    shell.azure.faults.clear()
    warning = named(document, "warning")["vault"]
    assert (code, warning["kind"]) == (0, "vault.refused-here")
    assert problem in warning["detail"]
    assert "--remote" in warning["hint"]
    assert {"secret 1", "secret 2"} <= named(document, "skipped").keys()


def test_what_the_workspace_holds_back_is_left_to_the_run(shell: Shell) -> None:
    """A vault's address that only the run may read is not guessed."""
    shell.edit(
        "KEY_VAULT_URL: https://kv-flights.vault.azure.net", "KEY_VAULT_URL_FROM_WORKSPACE: 'off'"
    )
    code, document = examine(shell)
    assert code == 0
    skipped = named(document, "skipped")
    assert {"vault", "secret 1", "secret 2"} <= skipped.keys()
    assert "address is in the workspace" in skipped["vault"]["detail"]


def test_a_registered_environment_brings_variables_of_its_own(shell: Shell) -> None:
    """They are read with the job's, as the run will."""
    shell.write("Dockerfile", "FROM ubuntu\n")
    done = shell("env", "register", "plain", "--folder", ".")
    assert done.returncode == 0, done.stderr
    shell.edit(ENVIRONMENT, "environment: azureml:plain@latest")
    shell.edit("https://kv-flights.vault.azure.net", "http://x")
    code, document = examine(shell)
    [failed] = named(document, "failed").values()
    assert (code, failed["kind"]) == (2, "variables.wrong")
    assert "KEY_VAULT_URL" in failed["detail"]
    assert named(document, "ok")["environment"]["detail"] == "azureml:plain:1 is registered"
    assert named(document, "skipped")["secrets"]["detail"] == "because of variables"


def test_a_cluster_that_cannot_grow_says_for_want_of_what(shell: Shell) -> None:
    """A run that waits there shows it."""
    shell.edit("cpu-cluster", "full-cluster")
    waiting = shell("submit", "job.yml", "--no-wait").stdout.strip()
    code, document = examine(shell)
    shell("runs", "cancel", waiting)
    [failed] = named(document, "failed").values()
    assert (code, failed["kind"]) == (5, "compute.cannot-grow")
    assert "exceeding quota limits" in failed["detail"]
    assert "quota" in failed["hint"]


def test_an_image_that_is_built_is_ok(shell: Shell) -> None:
    """After the first run."""
    shell.write("train.py", "print('built')")
    shell.edit("ubuntu", "debian")
    assert named(examine(shell)[1], "warning")["image"]["kind"] == "image.missing"
    assert shell("submit", "job.yml").returncode == 0
    assert named(examine(shell)[1], "ok")["image"]["detail"] == "built"


def test_the_run_goes_the_same_way_with_its_own_identity(shell: Shell) -> None:
    """--remote shows the container's hops below the laptop's, in the same columns."""
    done = shell("doctor", "job.yml", "--remote")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert [line[9:27].strip() for line in lines] == [*HOPS, "remote run", *REMOTE_HOPS]
    assert all(line.startswith("ok ") for line in lines[len(HOPS) :])
    run = shell.azure.runs[-1]
    assert (run.status, run.experiment) == ("Completed", "submitter-doctor")


def use_expired_principal(shell: Shell) -> None:
    """Sign the run in with a secret that was valid once."""
    shell.edit("training-client-secret", "old-client-secret")
    shell.edit(CLIENT_ID, EXPIRED_CLIENT_ID)


def pause_database(shell: Shell) -> None:
    """Let the database sleep longer than the run waits."""
    shell.azure.sql.faults.add(at="login", error=40613, times=None)
    shell.edit("SQL_DATABASE:", "REMOTE_ENTRY_SQL_DEADLINE: '1'\n  SQL_DATABASE:")


def distrust_certificate(shell: Shell) -> None:
    """Let the server show a certificate that nobody vouches for."""
    shell.azure.sql.faults.add(at="tls", certificate="untrusted", times=None)


def use_managed_identity(shell: Shell) -> None:
    """Rely on an identity that the cluster does not have."""
    shell.edit("AZURE_CLIENT_SECRET_FROM_WORKSPACE: training-client-secret", "MODE: plain")
    shell.edit("MODE: plain", "REMOTE_ENTRY_IDENTITY: managed-identity")


@pytest.mark.parametrize(
    ("break_it", "hop", "kind", "fix"),
    [
        (
            replace("training-client-secret", "wrong-client-secret"),
            *("identity", "identity.wrong-secret", "Certificates & secrets"),
        ),
        (use_expired_principal, "identity", "identity.expired-secret", "new client secret"),
        (
            use_managed_identity,
            *("identity", "identity.no-managed-identity", "DEFAULT_IDENTITY_CLIENT_ID"),
        ),
        (distrust_certificate, "sql tls", "sql.tls", "certificate"),
        (pause_database, "sql login", "sql.unavailable", "try again in some minutes"),
    ],
)
def test_what_only_the_run_can_see_is_told_by_the_run(
    shell: Shell, break_it: Callable[[Shell], None], hop: str, kind: str, fix: str
) -> None:
    """The laptop is green, the run is red: exit code 6."""
    break_it(shell)
    code, document = examine(shell, "--remote")
    shell.azure.sql.faults.clear()
    assert code == 6
    assert named(document, "failed") == {}
    [failed] = named(document["remote"], "failed").values()
    assert (failed["name"], failed["kind"]) == (hop, kind)
    assert fix in failed["hint"]


def test_a_run_that_cannot_start_is_a_failed_hop(shell: Shell) -> None:
    """With the service's reason and where to read on."""
    shell.azure.fail_next_run("cpu-cluster", "The node failed to start.")
    code, document = examine(shell, "--remote")
    failed = named(document, "failed")["remote run"]
    assert (code, failed["kind"]) == (6, "remote.no-result")
    assert "The node failed to start." in failed["detail"]
    assert "submitter runs logs submitter-doctor_" in failed["hint"]


def test_ctrl_c_cancels_the_run(shell: Shell) -> None:
    """Nothing is left behind in the queue."""
    shell.edit("cpu-cluster", "full-cluster")
    before = {run.run_id for run in shell.azure.runs}
    doctor = shell.start("doctor", "job.yml", "--remote")
    while not (new := {run.run_id for run in shell.azure.runs} - before):
        assert doctor.poll() is None
        time.sleep(0.05)
    assert doctor.stderr is not None
    doctor.stderr.readline()  # it waits for the run by now
    doctor.send_signal(signal.SIGINT)
    _, said = doctor.communicate(timeout=60)
    assert doctor.returncode == 130
    assert "cancelled" in said
    assert shell.azure.wait_for_run(new.pop()).status == "Canceled"


def test_remote_wants_a_job(shell: Shell) -> None:
    """Where would it run?"""
    done: subprocess.CompletedProcess[str] = shell("doctor", "--remote")
    assert done.returncode == 2
    assert "name the job file" in done.stderr
