"""Schedules through the command line, on the emulator: rendered files really run, once."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from support.shell import Shell

ECHO = """\
experiment_name: nightly
command: echo good night
environment: {name: many, image: ubuntu}
compute: cpu-cluster
"""
ZONE = "Asia/Kathmandu"
PRINCIPAL = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
BIN = Path(sys.executable).parent


@pytest.fixture
def night(shell: Shell) -> Shell:
    """A job that is over at once."""
    shell.write("job.yml", ECHO)
    return shell


def past(minutes: int) -> list[str]:
    """Return the options of a schedule that was due so many minutes ago."""
    then = datetime.now(ZoneInfo(ZONE)) - timedelta(minutes=minutes)
    return ["--cron", f"{then.minute} {then.hour} * * *", "--zone", ZONE]


def runs_of(shell: Shell, experiment: str) -> list[str]:
    """Return the ids of an experiment's runs."""
    return [run.run_id for run in shell.azure.runs if run.run_id.startswith(f"{experiment}_")]


def test_pain_19_rendered_files_run_a_night_once(night: Shell, tmp_path: Path) -> None:
    """Four schedulers, some of them twice, with the secrets of their own stores: one run."""
    night.edit("nightly", "rendered")
    schedule = past(10)
    texts = {
        target: night("schedule", "render", "job.yml", *schedule, "--to", target).stdout
        for target in ("github", "azure-devops", "crontab")
    }
    units = tmp_path / "units"
    written = night(
        *("schedule", "render", "job.yml", *schedule, "--to", "systemd", "--output", str(units))
    )
    assert written.returncode == 0, written.stderr
    secrets = {name: night.environ[name] for name in PRINCIPAL}
    texts |= {each.name: each.read_text() for each in units.iterdir()}
    assert not any(secrets["AZURE_CLIENT_SECRET"] in text for text in texts.values())

    github = yaml.safe_load(texts["github"])["jobs"]["run-due"]["steps"][-1]
    looked_up = {
        name: re.sub(r"\$\{\{ secrets\.(\w+) \}\}", lambda found: secrets[found[1]], value)
        for name, value in github["env"].items()
    }
    for _ in range(2):
        assert carried_out(night, github["run"], looked_up) == 0
    devops = yaml.safe_load(texts["azure-devops"])["steps"][-1]
    looked_up = {
        name: re.sub(r"\$\((\w+)\)", lambda found: secrets[found[1]], value)
        for name, value in devops["env"].items()
    }
    assert carried_out(night, devops["script"], looked_up) == 0

    [service] = [text for name, text in texts.items() if name.endswith(".service")]
    command = re.findall("^ExecStart=(.*)$", service, re.MULTILINE)[0].replace("%S", str(tmp_path))
    words = shlex.split(command.replace("%%", "%").replace("$$", "$"))
    for _ in range(2):
        assert carried_out(night, shlex.join(words), {**secrets, "CI": "1"}) == 0
    [state] = (tmp_path / "submitter").iterdir()
    assert set(json.loads(state.read_text())) == {"handled"}

    home = tmp_path / "home"
    (home / ".config/submitter").mkdir(parents=True)
    file = re.findall(r"\.config/submitter/(\S+\.env)", texts["crontab"])[0]
    (home / ".config/submitter" / file).write_text(
        "".join(f"{name}={shlex.quote(value)}\n" for name, value in secrets.items())
    )
    line = texts["crontab"].splitlines()[-1].split(maxsplit=5)[-1].replace(r"\%", "%")
    assert carried_out(night, line, {"HOME": str(home)}) == 0
    assert len(runs_of(night, "rendered")) == 1


def carried_out(shell: Shell, line: str, variables: Mapping[str, str]) -> int:
    """Carry a scheduler's line out, with its secrets only; return the exit code."""
    without = {
        name: value for name, value in shell.environ.items() if name not in (*PRINCIPAL, "CI")
    }
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", line],
        cwd=shell.folder,
        env={**without, "PATH": path, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.returncode


def test_a_run_that_goes_on_makes_the_next_one_skipped(night: Shell, tmp_path: Path) -> None:
    """It is said, remembered, and not made up for later; a failed run ends --wait with 6."""
    night.edit("nightly", "skipped")
    night.edit("echo good night", "sleep 60")
    memory = ("--state", str(tmp_path / "state.json"))
    first = night("schedule", "run-due", "job.yml", *past(10), "--since", "20m", *memory)
    [run_id] = runs_of(night, "skipped")
    assert (first.returncode, first.stdout) == (0, f"{run_id}\n"), first.stderr
    later = past(5)
    second = night("schedule", "run-due", "job.yml", *later, "--since", "20m", *memory)
    assert (second.returncode, second.stdout) == (0, "")
    assert f"skipped, for {run_id} goes on." in second.stderr
    assert night("runs", "cancel", run_id).returncode == 0
    night.azure.wait_for_run(run_id)
    quiet = night("schedule", "run-due", "job.yml", *later, *memory, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    night.edit("sleep 60", "exit 3")
    failed = night("schedule", "run-due", "job.yml", *past(3), "--since", "4m", "--wait")
    assert (failed.returncode, len(runs_of(night, "skipped"))) == (6, 2), failed.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_loop_submits_and_ends_cleanly(night: Shell, tmp_path: Path, how: signal.Signals) -> None:
    """It takes up where its memory ends, leaves its runs going, and says so."""
    night.edit("nightly", f"loop{how}")
    state = tmp_path / "state.json"
    process = night.start(
        *("schedule", "run-due", "job.yml", *past(10), "--since", "20m", "--loop"),
        *("--state", str(state)),
    )
    assert process.stderr is not None
    said = [process.stderr.readline(), process.stderr.readline()]
    assert "Keeping '" in said[0]
    assert re.search(rf"\+05:45: loop{how}_job_\d{{8}}T\d{{6}}Z$", said[1].strip()), said
    process.send_signal(how)
    _, rest = process.communicate(timeout=20)
    assert (process.returncode, "Left. What was submitted goes on" in rest) == (130, True)
    assert len(runs_of(night, f"loop{how}")) == 1
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["next", "30 2 * *"], "has 4 fields"),
        (["next", "30 2 * * *", "--zone", "Europe/Berln"], "Did you mean 'Europe/Berlin'?"),
        (["next", "30 2 * * *", "--after", "tonight"], "is no time"),
        (["next", "30 2 * * *", "--after", "2026-03-29T00:00:00"], "has no time zone"),
        (["run-due", "job.yml", "--cron", "30 2 * * *"], "Without --state FILE"),
        (["run-due", "job.yml", "--cron", "x", "--since", "6h"], "is no cron"),
        (["run-due", "no.yml", "--cron", "30 2 * * *", "--since", "6h"], "no.yml"),
        (["run-due", "job.yml", "--cron", "30 2 * * *", "--since", "ever"], "is no age"),
        (["run-due", "job.yml", "--cron", "30 2 * * *", "--loop", "--wait"], "leave --wait out"),
        (
            [
                *("run-due", "job.yml", "--cron", "0 2 * * *", "--since", "2d"),
                *("--overlap", "skip", "--catch-up", "all"),
            ],
            "makes no sense",
        ),
        (
            ["run-due", "job.yml", "--cron", "0 2 * * *", "--state", "job.yml"],
            "no schedule's state",
        ),
        (["render", "no.yml", "--cron", "30 2 * * *", "--to", "github"], "no.yml"),
        (["render", "job.yml", "--cron", "* * * * *", "--to", "github"], "every 5 minutes"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_sent(
    night: Shell, arguments: list[str], said: str
) -> None:
    """With exit code 2 and what to write instead."""
    before = len(night.azure.requests)
    done = night("schedule", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert len(night.azure.requests) == before


def test_the_next_instants_are_shown(night: Shell) -> None:
    """As clocks show them and in UTC, also as JSON; nobody is asked."""
    before = len(night.azure.requests)
    arguments = ("30 2 * * *", "--zone", "Europe/Berlin", "-n", "2", "--after", "2027-03-27T12:00Z")
    lines = night("schedule", "next", *arguments).stdout.splitlines()
    assert lines == [
        "2027-03-28T03:00:00+02:00\t2027-03-28T01:00:00Z",
        "2027-03-29T02:30:00+02:00\t2027-03-29T00:30:00Z",
    ]
    [first, _] = json.loads(night("schedule", "next", *arguments, "--json").stdout)
    assert first == {"local": "2027-03-28T03:00:00+02:00", "utc": "2027-03-28T01:00:00+00:00"}
    assert len(night.azure.requests) == before
