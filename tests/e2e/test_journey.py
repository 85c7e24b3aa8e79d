"""The main job, end to end: from a job file to data in a run, typed as a user types it."""

import json
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.shell import Shell


def test_pain_17_a_job_runs_here_as_it_would_on_azure(shell: Shell) -> None:
    """Submit, follow, and 0 for Completed; the log has the rows and no secret."""
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stderr
    assert "read 2 flights, late by 2\n" in done.stdout
    assert "AZURE_SECRET_2 → sql-password (version " in done.stdout
    assert "Completed" in done.stderr


def test_json_is_alone_on_standard_output(shell: Shell) -> None:
    """So that a script can read it; the log goes to standard error."""
    done = shell("submit", "job.yml", "--json")
    run = json.loads(done.stdout)
    assert (run["status"], run["experiment"]) == ("Completed", "flight-delays")
    assert "read 2 flights" in done.stderr


def test_leaving_at_once_and_coming_back(shell: Shell) -> None:
    """`--no-wait` prints the run's id; every verb of `runs` finds it again."""
    shell.write(
        "train.py",
        "from pathlib import Path\nfrom azureml.core import Run\n"
        "Run.get_context().log('rows', 7)\nPath('outputs/r.txt').write_text('kept')\n"
        "from remote_entry import get_secret\nget_secret(1)\nprint('done')\n",
    )
    run_id = shell("submit", "job.yml", "--no-wait").stdout.strip()
    assert shell("runs", "follow", run_id).stdout.endswith("done\n")
    shown = json.loads(shell("runs", "show", run_id, "--json").stdout)
    assert shown["metrics"] == {"rows": 7}
    assert shown["files"] == ["outputs/r.txt", "user_logs/std_log.txt"]
    shown_rows = shell("runs", "show", run_id).stdout
    assert "status\tCompleted\n" in shown_rows
    assert "metric rows\t7\nfile\toutputs/r.txt\n" in shown_rows
    assert shell("runs", "logs", run_id).stdout.endswith("done\n")
    assert shell("runs", "download", run_id, "results").stdout == "results/outputs/r.txt\n"
    assert (shell.folder / "results/outputs/r.txt").read_text() == "kept"


def test_what_the_job_file_says_reaches_the_run(shell: Shell) -> None:
    """Names, tags, properties, inputs, variables and the time limit arrive in the service."""
    shell.edit(
        "command: python train.py",
        "command: echo rate ${{inputs.rate}} mode $MODE\ninputs: {rate: 0.5}\nname: nightly-7\n"
        "display_name: nightly\ndescription: every night\ntags: {team: ops}\n"
        "properties: {ticket: '17'}\nlimits: {timeout: 90}",
    )
    shell.edit("environment_variables:", "environment_variables:\n  MODE: fast")
    done = shell("submit", "job.yml")
    assert "rate 0.5 mode fast\n" in done.stdout
    run = shell.azure.run("nightly-7")
    assert (run.display_name, run.description) == ("nightly", "every night")
    assert run.tags["team"] == "ops"
    assert run.properties["ticket"] == "17"
    assert run.definition["maxRunDurationSeconds"] == 90


def test_equal_environments_are_registered_once(shell: Shell) -> None:
    """The second submit writes nothing; a changed one gets a new version."""
    shell.edit(
        "name: flights, image: ubuntu", "name: fresh, build: {path: .}, conda_file: conda.yml"
    )
    shell.write("Dockerfile", "FROM base\n")
    shell.write("conda.yml", "dependencies:\n  - python=3.11\n  - pip:\n      - pyodbc==5.5.0\n")

    def versions() -> list[str]:
        done = shell("submit", "job.yml", "--no-wait")
        assert done.returncode == 0, done.stderr
        return [version.version for version in shell.azure.environments["fresh"]]

    assert versions() == ["1"]
    writes = [record for record in shell.azure.requests if record.method == "PUT"]
    assert versions() == ["1"]
    more = [record for record in shell.azure.requests if record.method == "PUT"][len(writes) :]
    assert [record.path for record in more if "/environments/" in record.path] == []
    shell.write("Dockerfile", "FROM base\nRUN true\n")
    assert versions() == ["1", "2"]


def test_the_tutorials_variables_in_a_registered_environment_work(shell: Shell) -> None:
    """Its exact dictionary, the odd AZURE_SECRET_VERSION_INSERT and the clear secret included."""
    vault = shell.azure.vault("kv-flights")
    environ = shell.azure.environ
    variables = {
        "AZURE_CLIENT_ID": environ["AZURE_CLIENT_ID"],
        "AZURE_TENANT_ID": environ["AZURE_TENANT_ID"],
        "KEY_VAULT_URL": "https://kv-flights.vault.azure.net/",
        "AZURE_SECRET_1": "sql-username",
        "AZURE_SECRET_1_VERSION": vault.secret("sql-username").version,
        "AZURE_SECRET_2": "sql-password",
        "AZURE_SECRET_VERSION_INSERT": vault.secret("sql-password").version,
    }
    options = [f"--variable={name}={value}" for name, value in variables.items()]
    shell.write("Dockerfile", "FROM base\n")
    secret = ["--from-env", "AZURE_CLIENT_SECRET", "--allow-plaintext", "AZURE_CLIENT_SECRET"]
    done = shell("env", "register", "tutorial", "--folder", ".", *options, *secret)
    assert done.stdout == "azureml:tutorial:1\n"
    shown = shell("env", "show", "tutorial").stdout
    assert "AZURE_SECRET_2: sql-password" in shown
    assert environ["AZURE_CLIENT_SECRET"] not in shown

    job = (shell.folder / "job.yml").read_text().split("environment_variables:")[0]
    shell.write(
        "job.yml",
        job.replace("{name: flights, image: ubuntu}", "azureml:tutorial@latest")
        + "environment_variables:\n  SQL_SERVER: flights.database.windows.net\n"
        "  SQL_DATABASE: flights\n",
    )
    done = shell("submit", "job.yml")
    assert "read 2 flights" in done.stdout, done.stdout + done.stderr
    assert "AZURE_SECRET_VERSION_INSERT fits no secret by name" in done.stdout
    assert "AZURE_SECRET_2_VERSION" in done.stdout


def test_secrets_are_set_from_variables_and_standard_input(shell: Shell) -> None:
    """Listed by name, deleted by name, shown never."""
    assert shell("secret", "set", "from-variable", "--from-env", "V", V="one;{}").returncode == 0
    assert shell("secret", "set", "from-stdin", typed="two\n").returncode == 0
    assert shell("secret", "set-many", "a=A", "b=B", A="1", B="2").returncode == 0
    vault = shell.azure.vault("kv-flights")
    assert vault.secret("from-variable").value == "one;{}"
    assert vault.secret("from-stdin").value == "two"
    listed = shell("secret", "list").stdout.split()
    assert {"a", "b", "from-stdin", "from-variable"} <= set(listed)
    assert shell("secret", "delete", "a").returncode == 0
    assert "a" not in shell("secret", "list").stdout.split()


def test_three_runs_side_by_side(shell: Shell) -> None:
    """Each follows its own log to its own end."""
    shell.write("train.py", "import os\nprint('I am', os.environ['AZUREML_RUN_ID'])\n")
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: shell("submit", "job.yml"), range(3)))
    ids = {re.search(r"^run (\S+)$", run.stderr, re.MULTILINE)[1] for run in runs}
    assert len(ids) == 3
    for run in runs:
        own = re.search(r"^run (\S+)$", run.stderr, re.MULTILINE)[1]
        assert re.findall(r"I am (\S+)", run.stdout) == [own]


def test_canceling_ends_the_command(shell: Shell) -> None:
    """The command gets SIGTERM, the run ends as Canceled, and following it says so."""
    shell.write(
        "train.py",
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidied up'), sys.exit(1)))\n"
        "print('working', flush=True)\ntime.sleep(60)\n",
    )
    run_id = shell("submit", "job.yml", "--no-wait").stdout.strip()
    shell.azure.wait_for_run(run_id, frozenset({"Running"}))
    _wait_for_log(shell, run_id, "working")
    assert shell("runs", "cancel", run_id).returncode == 0
    followed = shell("runs", "follow", run_id)
    assert followed.returncode == 7
    assert "tidied up" in followed.stdout
    assert f"The run {run_id} was canceled" in followed.stderr


def test_ctrl_c_leaves_the_run_going(shell: Shell) -> None:
    """And says how to come back to it."""
    shell.write("train.py", "import time\nprint('working', flush=True)\ntime.sleep(60)\n")
    following = shell.start("submit", "job.yml")
    for line in following.stdout:
        if "working" in line:
            break
    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=20)
    assert following.returncode == 130
    run_id = re.search(r"^run (\S+)$", said, re.MULTILINE)[1]
    assert f"Come back with: submitter runs follow {run_id}" in said
    assert shell.azure.run(run_id).status == "Running"
    shell("runs", "cancel", run_id)
    assert shell.azure.wait_for_run(run_id).status == "Canceled"


def test_a_failing_script_fails_the_command(shell: Shell) -> None:
    """With the script's own traceback in the log, and none of ours."""
    shell.write("train.py", "raise ValueError('no such column')\n")
    done = shell("submit", "job.yml")
    assert done.returncode == 6
    assert "ValueError: no such column" in done.stdout
    assert "failed: User program exited with status code 1" in done.stderr
    assert "Traceback" not in done.stderr.split("error: ")[0]


def test_a_submit_whose_answer_was_lost_finds_its_run_again(shell: Shell) -> None:
    """The service has the run, but what it said of it was an error."""
    before = len(shell.azure.runs)
    shell.azure.faults.add("azureml", "PATCH .*/runs/", status=400, times=1)
    try:
        done = shell("submit", "job.yml")
    finally:
        shell.azure.faults.clear()
    assert (done.returncode, len(shell.azure.runs) - before) == (0, 1)
    assert "flights, late by" in done.stdout


def test_a_log_that_cannot_be_read_for_a_while_loses_nothing(shell: Shell) -> None:
    """And no error shows the signed address it is read from."""
    shell.azure.faults.add("storage", "GET .*std_log", status=403, times=3)
    shell.write("train.py", "import time\nfor i in range(5): print('line', i); time.sleep(0.5)\n")
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^line (\d)", done.stdout, re.MULTILINE) == list("01234")
    assert "sig=" not in done.stdout + done.stderr


def test_a_value_on_the_command_line_is_refused_unseen(shell: Shell) -> None:
    """Neither as a second argument nor in the place of the name is it shown again."""
    for arguments in (["set", "x", "hunter2"], ["set", "hunter2!"], ["set-many", "x=hunter2"]):
        done = shell("secret", *arguments)
        assert done.returncode == 2
        assert "hunter2" not in done.stdout + done.stderr


def test_the_python_api_does_the_same(shell: Shell) -> None:
    """`from submitter import Job, submit`."""
    program = (
        "from submitter import Job, submit\n"
        "run = submit(Job.from_file('job.yml'))\n"
        "print(run.result().status, 'read 2 flights' in run.logs(), run.id == run.details().id)\n"
        "print(run.status, sorted(run.files()), run.download('d', prefix='user_logs'))\n"
    )
    first, second = shell.python(program).splitlines()
    assert first == "Completed True True"
    assert second.startswith("Completed ['user_logs/std_log.txt'] [PosixPath('d/user_logs/std_log")


def test_any_program_runs_under_emulator_exec(shell: Shell) -> None:
    """A plain `Workspace.from_config()` and the exit code of the program, in a clean folder."""
    (shell.folder / ".azureml/config.json").unlink()
    shell.write("emulator.yml", "sql: null\nworkspace: {name: ws-mine}\n")
    program = "from azureml.core import Workspace; print(Workspace.from_config().name); exit(3)"
    done = shell("emulator", "exec", "--", sys.executable, "-c", program)
    assert (done.returncode, done.stdout) == (3, "ws-mine\n")
    assert not (shell.folder / ".azureml/config.json").exists()


def test_an_emulator_that_ends_says_which_runs_end_with_it(shell: Shell) -> None:
    """Somebody who left a run going must not look for it in vain."""
    shell.write("emulator.yml", "sql: null\n")
    shell.write("job.yml", "command: sleep 60\ncompute: cpu-cluster\nenvironment: {image: x}\n")
    done = shell("submit", "job.yml", "--emulator", "--no-wait")
    assert done.returncode == 0
    assert f"The emulator ends, and with it: {done.stdout.strip()}\n" in done.stderr


def test_emulator_exec_plays_the_workspace_that_the_project_names(shell: Shell) -> None:
    """A project that belongs to a real workspace is tried without touching its config.json."""
    config = shell.folder / ".azureml/config.json"
    mine = {"subscription_id": "s-1", "resource_group": "rg-real", "workspace_name": "ws-real"}
    config.write_text(json.dumps(mine))
    shell.write("emulator.yml", "sql: null\n")
    program = "from azureml.core import Workspace; w = Workspace.from_config(); print(w.name)"
    done = shell("emulator", "exec", "--", sys.executable, "-c", program)
    assert done.stdout == "ws-real\n", done.stderr
    assert json.loads(config.read_text()) == mine


@pytest.mark.parametrize("arguments", [["env", "list"], ["secret", "list"]])
def test_lists_are_json_on_request(shell: Shell, arguments: list[str]) -> None:
    """Every list can be read by a program."""
    assert isinstance(json.loads(shell(*arguments, "--json").stdout), list)


def _wait_for_log(shell: Shell, run_id: str, text: str) -> None:
    """Follow a run until its log has a text."""
    with shell.start("runs", "follow", run_id) as following:
        for line in following.stdout:
            if text in line:
                break
        following.kill()
