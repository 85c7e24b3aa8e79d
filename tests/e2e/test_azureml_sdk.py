"""The real azureml-core against the emulator: what people's scripts do, as they stand."""

import gc
import hashlib
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from submitter.emulator import Emulator

# azureml-core leaves sockets and files to the garbage collector, and warns about its own innards.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::FutureWarning",
)

CONFIG = {
    "sql": None,
    "service_principals": [
        {"client_id": "44444444-4444-4444-4444-444444444444"},
        {
            "client_id": "55555555-5555-5555-5555-555555555555",
            "client_secret": "was-valid-once",
            "expired": True,
        },
    ],
    "vaults": {"kv-local": {"sql-password": {"generate": True}}},
    "computes": {"cpu-cluster": {"max_nodes": 2}, "one-node": {"max_nodes": 1}},
}


@pytest.fixture(scope="module")
def azure() -> Iterator[Emulator]:
    """Start one emulator for the module, and check at its end that nothing went past it."""
    with Emulator(CONFIG) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


@pytest.fixture(scope="module")
def project(azure: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Work in a folder with a workspace file, with the emulator's variables and no others."""
    folder = tmp_path_factory.mktemp("project")
    azure.write_workspace_config(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AZURE", "AML")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        for name, value in azure.environ.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        yield folder
    # Here, where the warnings about them are ignored, and not in someone else's test.
    gc.collect()


@pytest.fixture(scope="module")
def workspace(project: Path) -> Any:
    """Sign in the way a plain script does."""
    from azureml.core import Workspace

    return Workspace.from_config()


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], str]:
    """Make a source folder with one script."""

    def write(script: str, name: str = "main.py") -> str:
        folder = tmp_path / "source"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(script))
        return str(folder)

    return write


def submit(
    workspace: Any,
    folder: str,
    experiment: str = "unit",
    *,
    tags: dict[str, str] | None = None,
    **settings: Any,
) -> Any:
    """Submit a script or command the tutorial's way."""
    from azureml.core import Experiment, ScriptRunConfig

    settings.setdefault("compute_target", "cpu-cluster")
    if "command" not in settings:
        settings.setdefault("script", "main.py")
    return Experiment(workspace, experiment).submit(ScriptRunConfig(folder, **settings), tags=tags)


def log_of(run: Any, folder: Path) -> str:
    """Download a run's log."""
    target = folder / f"{run.id}.log"
    run.download_file("user_logs/std_log.txt", str(target))
    return target.read_text()


def test_a_plain_from_config_signs_in_and_finds_the_workspace(
    workspace: Any, azure: Emulator
) -> None:
    """`Workspace.from_config()` needs the file and the variables, nothing else."""
    assert (workspace.name, workspace.location) == ("ws-local", "eastus")
    assert workspace.subscription_id == azure.workspace["subscription_id"]
    assert workspace.get_details()["keyVault"].endswith("/vaults/kv-local")


def test_the_config_file_of_the_emulator_works_by_path(project: Path, azure: Emulator) -> None:
    """`from_config(path)` takes the file that the emulator keeps."""
    from azureml.core import Workspace

    assert Workspace.from_config(str(azure.config_file)).name == "ws-local"


def test_registering_the_same_content_keeps_the_version(workspace: Any) -> None:
    """An environment gets a new version for new content only, and old ones stay readable."""
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    environment = Environment("tutorial")
    environment.docker.base_image = None
    environment.docker.base_dockerfile = "FROM mcr.microsoft.com/azureml/base:latest\n"
    environment.python.conda_dependencies = CondaDependencies.create(
        conda_packages=["pandas"], pip_packages=["azureml-sdk"]
    )
    environment.environment_variables = {"KEY_VAULT_URL": "https://kv-local.vault.azure.net/"}
    assert [environment.register(workspace).version for _ in range(2)] == ["1", "1"]
    environment.environment_variables = {"AZURE_SECRET_1": "sql-username"}
    assert environment.register(workspace).version == "2"

    latest = Environment.get(workspace, "tutorial")
    assert (latest.version, latest.environment_variables) == (
        "2",
        {"AZURE_SECRET_1": "sql-username"},
    )
    assert "pandas" in latest.python.conda_dependencies.serialize_to_string()
    first = Environment.get(workspace, "tutorial", version="1")
    assert "KEY_VAULT_URL" in first.environment_variables
    assert "tutorial" in Environment.list(workspace)
    assert not latest.get_image_details(workspace).image_exist
    latest.build(workspace).wait_for_completion(show_output=False)
    assert latest.get_image_details(workspace).image_exist


def test_an_unknown_environment_is_named_in_the_error(workspace: Any) -> None:
    """The SDK's exception carries the service's message."""
    from azureml.core import Environment

    with pytest.raises(Exception, match="no-such-environment"):
        Environment.get(workspace, "no-such-environment")


def test_the_workspace_vault_sets_lists_gets_and_deletes(workspace: Any, azure: Emulator) -> None:
    """`Keyvault` and the vault's own data plane are two views of the same secrets."""
    vault = workspace.get_default_keyvault()
    vault.set_secret(name="mysecret", value="pä;ss")
    vault.set_secrets({"batch-1": "one", "batch-2": "two"})
    assert (
        vault.get_secret("mysecret") == "pä;ss" == azure.vault("kv-local").secret("mysecret").value
    )
    assert vault.get_secrets(["batch-1", "absent"]) == {"batch-1": "one", "absent": None}
    assert {"mysecret", "batch-1", "batch-2"} <= {each["name"] for each in vault.list_secrets()}
    vault.delete_secret("batch-1")
    vault.delete_secrets(["batch-2"])
    assert not {"batch-1", "batch-2"} & {each["name"] for each in vault.list_secrets()}
    with pytest.raises(Exception, match="batch-1"):
        vault.get_secret("batch-1")


SCRIPT = """
    import json, os, sys
    from azureml.core import Run
    run = Run.get_context(allow_offline=False)
    for epoch in range(3):
        run.log("loss", 1 / (epoch + 1))
    run.log_list("sizes", [1, 2, 3])
    run.log("rows", 336776)
    os.makedirs("outputs/deep", exist_ok=True)
    open("outputs/deep/result.csv", "w").write("a,b\\n1,2\\n")
    open("extra.txt", "w").write("extra")
    run.upload_file("extra/extra file.txt", "extra.txt")
    run.tag("stage", "done")
    run.add_properties({"rows": "3"})
    secret = run.get_secret("sql-password")
    missing = run.get_secrets(["sql-password", "absent"])["absent"]
    print(json.dumps({
        "arguments": sys.argv[1:], "python": sys.executable, "secret_length": len(secret),
        "missing": missing, "both": os.environ["BOTH"], "registered": os.environ["REGISTERED"],
        "leaked": os.environ.get("LEAK_FROM_LAPTOP"), "run": run.id,
    }))
    run.flush()
"""


@pytest.fixture(scope="module")
def finished(workspace: Any, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Submit the tutorial's kind of run and follow it to its end."""
    from azureml.core import Environment

    folder = tmp_path_factory.mktemp("source")
    (folder / "main.py").write_text(textwrap.dedent(SCRIPT))
    environment = Environment("runs")
    environment.environment_variables = {"REGISTERED": "yes", "BOTH": "registered"}
    registered = environment.register(workspace)
    from azureml.core import Experiment, ScriptRunConfig

    config = ScriptRunConfig(
        str(folder),
        "main.py",
        arguments=["--x", 1, "--text", "a b"],
        compute_target="cpu-cluster",
        environment=registered,
    )
    config.run_config.environment_variables["BOTH"] = "per-run"
    os.environ["LEAK_FROM_LAPTOP"] = "1"
    run = Experiment(workspace, "tutorial").submit(config, tags={"who": "me"})
    run.display_name = "nice name"
    details = run.wait_for_completion(show_output=True)
    del os.environ["LEAK_FROM_LAPTOP"]
    return run, details


def test_a_script_run_gets_its_arguments_variables_and_secrets(
    finished: Any, azure: Emulator, tmp_path: Path
) -> None:
    """Per-run variables come over registered ones; nothing of the laptop's environment leaks in."""
    run, details = finished
    assert details["status"] == "Completed"
    said = json.loads(log_of(run, tmp_path))
    assert said["arguments"] == ["--x", "1", "--text", "a b"]
    assert said["python"] == sys.executable
    assert said["secret_length"] == len(azure.vault("kv-local").secret("sql-password").value)
    assert said["missing"] is None
    assert (said["registered"], said["both"], said["leaked"]) == ("yes", "per-run", None)
    assert said["run"] == run.id


def test_a_run_leaves_metrics_files_tags_and_properties(finished: Any, tmp_path: Path) -> None:
    """Everything that a script leaves behind can be read back."""
    run, _ = finished
    metrics = run.get_metrics()
    assert metrics["loss"] == [1.0, 0.5, pytest.approx(1 / 3)]
    assert (metrics["rows"], metrics["sizes"]) == (336776, [1, 2, 3])
    assert set(run.get_file_names()) == {
        "extra/extra file.txt",
        "outputs/deep/result.csv",
        "user_logs/std_log.txt",
    }
    run.download_file("outputs/deep/result.csv", str(tmp_path / "result.csv"))
    assert (tmp_path / "result.csv").read_text() == "a,b\n1,2\n"
    run.download_file("extra/extra file.txt", str(tmp_path / "extra.txt"))
    assert (tmp_path / "extra.txt").read_text() == "extra"
    run.download_files(prefix="outputs", output_directory=str(tmp_path / "all"))
    assert (tmp_path / "all" / "outputs" / "deep" / "result.csv").is_file()
    assert run.get_tags() == {"who": "me", "stage": "done"}
    assert run.get_properties()["rows"] == "3"
    assert run.display_name == "nice name"


def test_a_missing_artifact_is_named_in_the_error(finished: Any, tmp_path: Path) -> None:
    """A download of what is not there fails, and leaves no empty file to be taken for it."""
    run, _ = finished
    with pytest.raises(Exception, match=r"outputs/none\.csv"):
        run.download_file("outputs/none.csv", str(tmp_path / "none.csv"))


def test_a_run_is_found_again_by_its_id(finished: Any, workspace: Any) -> None:
    """`Run.get` and `Workspace.get_run` find a run without its experiment."""
    from azureml.core import Run

    run, _ = finished
    assert Run.get(workspace, run.id).status == "Completed"
    assert workspace.get_run(run.id).experiment.name == "tutorial"


def test_a_command_run_uses_the_emulators_python(
    workspace: Any, azure: Emulator, source: Callable[[str], str], tmp_path: Path
) -> None:
    """`python` in a command is the environment's interpreter, not the first one on PATH."""
    folder = source("")
    run = submit(
        workspace,
        folder,
        command=["echo", "$GREETING", "&&", "python", "-c", "'import sys; print(sys.executable)'"],
    )
    azure.wait_for_run(run.id)
    assert log_of(run, tmp_path).splitlines() == ["", sys.executable]


def test_a_failing_run_says_its_exit_code_and_the_end_of_its_log(
    workspace: Any, source: Callable[[str], str]
) -> None:
    """The SDK's exception carries the exit code and the last lines."""
    run = submit(workspace, source("raise RuntimeError('the database is on fire')"))
    with pytest.raises(Exception, match="User program exited with status code 1") as caught:
        run.wait_for_completion(show_output=False)
    assert "the database is on fire" in str(caught.value)
    assert run.get_status() == "Failed"


def test_what_a_script_says_with_fail_is_the_runs_error(
    workspace: Any, azure: Emulator, source: Callable[[str], str]
) -> None:
    """`Run.fail` tells more than an exit code."""
    script = """
        from azureml.core import Run
        Run.get_context().fail("bad rows: 12", error_code="Data")
        raise SystemExit(3)
    """
    run = submit(workspace, source(script))
    azure.wait_for_run(run.id)
    details = run.get_details()
    assert (details["status"], details["error"]["error"]["message"]) == ("Failed", "bad rows: 12")


def test_a_cancelled_run_may_put_its_things_in_order(
    workspace: Any, azure: Emulator, source: Callable[[str], str], tmp_path: Path
) -> None:
    """`cancel` sends SIGTERM first, and the run's last words are in the log."""
    script = """
        import signal, sys, threading
        def leave(*_):
            print("cleaned up", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        print("started", flush=True)
        open(sys.argv[1], "w").close()
        threading.Event().wait()
    """
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    run = submit(workspace, source(script), arguments=[str(ready)])
    ready.read_bytes()  # returns when the script has opened its end
    assert log_of(run, tmp_path) == "started\n"
    run.cancel()
    assert azure.wait_for_run(run.id).status == "Canceled"
    assert log_of(run, tmp_path) == "started\ncleaned up\n"


def test_runs_beyond_a_targets_nodes_wait_in_its_queue(
    workspace: Any, azure: Emulator, source: Callable[[str], str]
) -> None:
    """With one node the second run is queued, and can be cancelled there."""
    folder = source("import threading; threading.Event().wait()")
    first = submit(workspace, folder, compute_target="one-node")
    azure.wait_for_run(first.id, frozenset({"Running"}))
    second = submit(workspace, folder, compute_target="one-node")
    assert second.get_status() == "Queued"
    second.cancel()
    first.cancel()
    assert azure.wait_for_run(first.id).status == "Canceled"
    assert azure.wait_for_run(second.id).status == "Canceled"
    assert azure.run(second.id).start_time_utc is None


def test_three_runs_side_by_side_keep_their_own_logs(
    workspace: Any, azure: Emulator, source: Callable[[str], str], tmp_path: Path
) -> None:
    """Runs of the same folder do not see each other's files or output."""
    folder = source("""
        import os, pathlib, sys
        print(sys.argv[1], sorted(str(p) for p in pathlib.Path(".").rglob("*") if p.is_file()))
        pathlib.Path("outputs", sys.argv[1]).write_text("x")
    """)
    runs = [submit(workspace, folder, arguments=[f"run{number}"]) for number in range(3)]
    for number, run in enumerate(runs):
        assert azure.wait_for_run(run.id).status == "Completed"
        assert log_of(run, tmp_path) == f"run{number} ['main.py']\n"
        assert f"outputs/run{number}" in run.get_file_names()


def test_properties_are_immutable_and_tags_are_not(finished: Any, workspace: Any) -> None:
    """A property keeps its value; a tag changes, goes, and may have no value."""
    run, _ = finished
    with pytest.raises(Exception, match="immutable"):
        run.add_properties({"rows": "4"})
    assert run.get_properties()["rows"] == "3"
    run.set_tags({"later": "x", "gone": "y"})
    run.tag("marked")
    run.remove_tags(["gone"])
    assert run.get_tags() == {"who": "me", "stage": "done", "later": "x", "marked": None}


def test_runs_are_found_by_tag_and_property(workspace: Any, azure: Emulator, project: Path) -> None:
    """`get_runs` filters by a tag's value, a tag's presence, and the same for properties."""
    from azureml.core import Experiment

    experiment = Experiment(workspace, "filters")
    for number in range(3):
        run = experiment.start_logging(snapshot_directory=None)
        run.tag("number", str(number))
        run.add_properties({"parity": str(number % 2)})
        run.complete()
    run.tag("last")

    def found(**filters: Any) -> list[str]:
        return sorted(each.get_tags()["number"] for each in experiment.get_runs(**filters))

    assert found() == ["0", "1", "2"]
    assert found(tags={"number": "1"}) == ["1"]
    assert found(tags="last") == ["2"]
    assert found(properties={"parity": "0"}) == ["0", "2"]
    assert found(properties="parity") == ["0", "1", "2"]
    assert found(tags={"number": "3"}) == []


def test_an_interactive_run_logs_uploads_and_completes(
    workspace: Any, tmp_path: Path, project: Path
) -> None:
    """`Experiment.start_logging` works from a notebook's kind of session, child runs included."""
    from azureml.core import Experiment

    (tmp_path / "model.txt").write_text("weights")
    run = Experiment(workspace, "interactive").start_logging(snapshot_directory=None)
    run.log("accuracy", 0.9)
    run.upload_file("outputs/model.txt", str(tmp_path / "model.txt"))
    child = run.child_run("child")
    child.log("depth", 3)
    child.complete()
    sweep = run.create_children(count=2)
    run.complete()
    assert run.get_status() == "Completed"
    assert run.get_metrics() == {"accuracy": 0.9}
    assert run.get_file_names() == ["outputs/model.txt"]
    assert child.get_metrics() == {"depth": 3}
    assert {each.id for each in run.get_children()} == {child.id, *(each.id for each in sweep)}


@pytest.mark.filterwarnings("ignore:Submitting:UserWarning")  # the SDK's word about its size
def test_a_snapshot_keeps_odd_names_and_big_files(
    workspace: Any, azure: Emulator, tmp_path: Path
) -> None:
    """Names with blanks, accents and percent signs, empty files and 70 MB arrive as they left."""
    folder = tmp_path / "source"
    files = {
        "pkg/a b.txt": b"blank",
        "pkg/deep/ünï 中.txt": b"accents",
        "100%20.txt": b"percent",
        "empty.txt": b"",
        "big.bin": os.urandom(1 << 20) * 70,
        "skip.log": b"ignored",
        ".amlignore": b"*.log\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "main.py").write_text(
        textwrap.dedent("""
            import hashlib, json, pathlib
            print(json.dumps({
                str(path): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in pathlib.Path(".").rglob("*") if path.is_file()
            }))
        """)
    )
    run = submit(workspace, str(folder), "snapshots")
    azure.wait_for_run(run.id)
    arrived = json.loads(log_of(run, tmp_path))
    del files["skip.log"]
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert {name: arrived.get(name) for name in expected} == expected
    assert "skip.log" not in arrived

    (folder / "big.bin").unlink()
    (folder / "pkg" / "a b.txt").write_text("changed")
    before = len(azure.requests)
    second = submit(workspace, str(folder), "snapshots")
    azure.wait_for_run(second.id)
    uploads = [
        record
        for record in azure.requests[before:]
        if record.service == "storage" and record.method == "PUT"
    ]
    assert len(uploads) == 1
    changed = json.loads(log_of(second, tmp_path))
    assert "big.bin" not in changed
    assert changed["pkg/a b.txt"] == hashlib.sha256(b"changed").hexdigest()
    assert changed["100%20.txt"] == expected["100%20.txt"]


def test_a_snapshot_can_be_downloaded_again(finished: Any, tmp_path: Path) -> None:
    """`restore_snapshot` brings back what a run was made of."""
    import zipfile

    run, _ = finished
    archive = run.restore_snapshot(path=str(tmp_path))
    assert zipfile.ZipFile(archive).namelist() == ["main.py"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"service_principal_password": "wrong"}, "AADSTS7000215"),
        (
            {
                "service_principal_id": "55555555-5555-5555-5555-555555555555",
                "service_principal_password": "was-valid-once",
            },
            "AADSTS7000222",
        ),
        ({"service_principal_id": "66666666-6666-6666-6666-666666666666"}, "AADSTS700016"),
        ({"tenant_id": "99999999-1111-1111-1111-111111111111"}, "99999999-1111"),
    ],
)
def test_a_wrong_sign_in_is_refused_with_entras_number(
    project: Path, azure: Emulator, changes: dict[str, str], expected: str
) -> None:
    """A wrong or expired secret, an unknown application and tenant are told apart."""
    from azureml.core import Workspace
    from azureml.core.authentication import ServicePrincipalAuthentication

    right = {
        "tenant_id": azure.environ["AZURE_TENANT_ID"],
        "service_principal_id": azure.environ["AZURE_CLIENT_ID"],
        "service_principal_password": azure.environ["AZURE_CLIENT_SECRET"],
    }
    with pytest.raises(Exception, match=expected):
        Workspace.from_config(auth=ServicePrincipalAuthentication(**{**right, **changes}))


def test_an_unknown_workspace_is_not_found(project: Path, azure: Emulator) -> None:
    """The SDK takes the 404 for what it is."""
    from azureml.core import Workspace

    with pytest.raises(Exception, match="Workspace not found"):
        Workspace.get(
            "no-such-workspace",
            subscription_id=azure.workspace["subscription_id"],
            resource_group=azure.workspace["resource_group"],
        )


def test_an_unknown_compute_target_is_refused_at_submit(
    workspace: Any, source: Callable[[str], str]
) -> None:
    """The submit fails; no run is left waiting for a node that never comes."""
    with pytest.raises(Exception, match="no-such-cluster"):
        submit(workspace, source("print(1)"), compute_target="no-such-cluster")


def test_compute_targets_are_listed_with_their_size(workspace: Any) -> None:
    """`Workspace.compute_targets` and `ComputeTarget` read the configured targets."""
    from azureml.core.compute import ComputeTarget

    assert set(workspace.compute_targets) == {"cpu-cluster", "one-node"}
    assert ComputeTarget(workspace, "cpu-cluster").vm_size == "STANDARD_DS2_V2"


def test_a_run_on_more_nodes_than_there_are_is_refused(
    workspace: Any, source: Callable[[str], str]
) -> None:
    """It would wait for ever."""
    from azureml.core.runconfig import MpiConfiguration

    with pytest.raises(Exception, match="asks for 3 nodes, and compute target 'cpu-cluster' has"):
        submit(workspace, source("print(1)"), distributed_job_config=MpiConfiguration(node_count=3))


def test_a_run_that_exceeds_its_time_is_cancelled(
    workspace: Any, azure: Emulator, source: Callable[[str], str]
) -> None:
    """`max_run_duration_seconds` ends a run that hangs."""
    folder = source("import threading; threading.Event().wait()")
    run = submit(workspace, folder, max_run_duration_seconds=1)
    ended = azure.wait_for_run(run.id)
    assert ended.status == "Canceled"
    assert "maximum duration" in ended.error["error"]["message"]


def test_an_injected_401_surfaces_in_the_sdk(finished: Any, azure: Emulator) -> None:
    """A fault rule hits the one request that it names."""
    run, _ = finished
    rule = azure.faults.add("azureml.runs", r"GET .*/details", status=401)
    with pytest.raises(Exception, match="401|told to fail"):
        run.get_details()
    assert rule.remaining == 0
    assert run.get_details()["status"] == "Completed"


def test_a_workspace_is_listed_in_its_subscription(project: Path, azure: Emulator) -> None:
    """`Workspace.list` finds the one workspace."""
    from azureml.core import Workspace

    assert list(Workspace.list(azure.workspace["subscription_id"])) == ["ws-local"]


def test_an_experiment_is_tagged_archived_and_listed(workspace: Any) -> None:
    """`Experiment` has tags of its own, and archiving it can be undone."""
    from azureml.core import Experiment

    experiment = Experiment(workspace, "kept")
    experiment.set_tags({"team": "data"})
    experiment.archive()
    experiment.reactivate()
    experiment.refresh()
    assert (experiment.tags, experiment.archived_time) == ({"team": "data"}, None)
    assert "kept" in [each.name for each in Experiment.list(workspace)]


def test_an_environment_is_registered_by_the_run_that_uses_it(
    workspace: Any, azure: Emulator, source: Callable[[str], str]
) -> None:
    """A run without a registered environment still says which one it had."""
    from azureml.core import Environment

    environment = Environment("never-registered")
    run = submit(workspace, source("print(1)"), environment=environment)
    azure.wait_for_run(run.id)
    assert run.get_environment().name == "never-registered"
    assert [version.version for version in azure.environments["never-registered"]] == ["1"]


def test_an_unplayed_service_is_refused_in_words(workspace: Any, azure: Emulator) -> None:
    """What the emulator does not play says so through the SDK's own exception."""
    from azureml.core import Environment

    environment = Environment("refused").register(workspace)
    with pytest.raises(Exception, match="emulator does not play"):
        environment.build_local(workspace)
    assert len(azure.unknown_routes) == 1
    azure.unknown_routes.clear()
