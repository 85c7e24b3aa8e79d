"""Files for schedulers: valid by the schedulers' own measure, and without a secret."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from submitter.errors import InputError
from submitter.schedule.instants import Schedule
from submitter.schedule.rendering import Request, Target, render

JOB = """\
experiment_name: nightly
command: echo hello
environment: {name: many, image: ubuntu}
compute: cpu-cluster
"""
SCHEDULES = [
    Schedule("30 2 * * *", "Europe/Berlin"),
    Schedule("*/5 * * * *"),
    Schedule("15 0 1,15 3 MON-FRI", "Australia/Lord_Howe"),
    Schedule("0 9 * * 5L", "Asia/Kathmandu"),
]
AWKWARD = 'a "50%" fo\'lder, for $5 \\ ümlaut'


@pytest.fixture(params=["project", AWKWARD], ids=["plain", "awkward"])
def job_file(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Write a job into a folder, which may have any name, and go to the folder above."""
    folder = tmp_path / request.param
    folder.mkdir()
    (folder / "job.yml").write_text(JOB, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Path(request.param, "job.yml")


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize(
    ("target", "schema"),
    [("github", "github-workflows"), ("azure-devops", "azure-pipelines")],
)
def test_pipelines_are_valid(
    job_file: Path, schedule: Schedule, target: Target, schema: str, tmp_path: Path
) -> None:
    """By the schemas that check-jsonschema brings."""
    [(name, text)] = render(Request(job_file, schedule), target).items()
    (tmp_path / name).write_text(text, encoding="utf-8")
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    # Azure's schema has patterns that are wrong with the "u" flag, which is the default.
    theirs = ["--regex-variant", "nonunicode"]
    done = run([*checker, *(theirs if target == "azure-devops" else []), name], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load(text)["name" if target == "github" else "pr"]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_systemds_units_are_valid(job_file: Path, schedule: Schedule, tmp_path: Path) -> None:
    """By systemd-analyze, which also knows when a timer elapses."""
    analyze = shutil.which("systemd-analyze")
    units = render(
        Request(job_file, schedule, program=(sys.executable, "-m", "submitter")), "systemd"
    )
    assert sorted(name.rpartition(".")[2] for name in units) == ["service", "timer"]
    for name, text in units.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    if analyze is None:  # the text alone was checked; Debian's package systemd has the program
        pytest.skip("there is no systemd-analyze here: nobody else read the units")
    done = run([analyze, "verify", *(f"./{name}" for name in units)], tmp_path)
    about_us = [line for line in (done.stdout + done.stderr).splitlines() if "submitter" in line]
    assert (done.returncode, about_us) == (0, [])
    timer = next(text for name, text in units.items() if name.endswith(".timer"))
    for line in timer.splitlines():
        if line.startswith("OnCalendar="):
            elapsed = run([analyze, "calendar", line.partition("=")[2]], tmp_path)
            assert "Next elapse" in elapsed.stdout, elapsed.stdout + elapsed.stderr


def test_a_systemd_timer_elapses_when_the_crons_do(tmp_path: Path, job_file: Path) -> None:
    """On the night when clocks go forward, which systemd itself would skip, as on others."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    schedule = SCHEDULES[0]
    units = render(Request(job_file, schedule), "systemd")
    [line] = [
        line.partition("=")[2]
        for line in "\n".join(units.values()).splitlines()
        if line.startswith("OnCalendar=")
    ]
    base = ["--base-time=2027-03-27 12:00:00 UTC", "--iterations=4"]
    ours = run([analyze, "calendar", *base, line], tmp_path).stdout
    assert "2027-03-28 00:30:00 UTC" in ours
    assert "2027-03-28 01:30:00 UTC" in ours  # the instant is at 01:00: the gap's end
    theirs = run([analyze, "calendar", *base, "*-*-* 02:30:00 Europe/Berlin"], tmp_path).stdout
    assert "2027-03-29 00:30:00 UTC" in theirs
    assert "2027-03-28" not in theirs


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_crontab_is_valid(job_file: Path, schedule: Schedule, tmp_path: Path) -> None:
    """By crontab's own check, which is -n with Debian's and -T with cronie's and newer ones."""
    [(name, text)] = render(Request(job_file, schedule), "crontab").items()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == "SHELL=/bin/sh"
    assert lines[1].split()[1:5] == ["*"] * 4
    assert "no CRON_TZ" in text
    (tmp_path / name).write_text(text, encoding="utf-8")
    check_crontab(tmp_path / name)


def test_a_cron_too_dense_for_github_is_refused(job_file: Path) -> None:
    """GitHub would start it every five minutes, and nobody would know."""
    dense = ("* * * * *", "*/2 * * * *", "58,1 * * * *", "0,3 2 * * *", "2,58 0,23 * * *")
    for cron in dense:
        with pytest.raises(InputError, match="every 5 minutes at most"):
            render(Request(job_file, Schedule(cron)), "github")


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("0,58 3 * * *", "UTC"),
        ("2,33 3 * * *", "Australia/Lord_Howe"),
        ("0,5,55 3,21 * * *", "Europe/Berlin"),
    ],
)
def test_a_cron_is_too_dense_for_github_by_its_times_of_day(
    job_file: Path, cron: str, zone: str
) -> None:
    """Neither by its minutes alone, nor by those of summer time beside those of winter time."""
    [text] = render(Request(job_file, Schedule(cron, zone)), "github").values()
    assert yaml.safe_load(text)[True]["schedule"]


def test_a_job_outside_of_the_repository_is_refused(
    job_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline has nothing but the repository; a machine of one's own has the whole path."""
    (tmp_path / "elsewhere").mkdir()
    absolute = job_file.absolute()
    monkeypatch.chdir(tmp_path / "elsewhere")
    request = Request(absolute, SCHEDULES[0])
    for target in ("github", "azure-devops"):
        with pytest.raises(InputError, match="call this in its top folder"):
            render(request, target)
    assert render(request, "crontab")


@pytest.mark.parametrize(
    "name",
    [
        *("a${{ github.token }}.yml", "a$(id).yml", "a\nb.yml", "##[x].yml"),
        *(f"a{end}b.yml" for end in "\x84\x85\x9f\u2028\u2029\ufeff\uffff"),
        os.fsdecode(b"not UTF-8 \xff.yml"),
    ],
    ids=ascii,
)
def test_a_name_that_no_schedulers_file_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    """Before a file is written that does what nobody meant, or that nobody can read."""
    (tmp_path / name).write_text(JOB, encoding="utf-8")
    with pytest.raises(InputError, match="cannot stand in a scheduler's file"):
        Request(tmp_path / name, SCHEDULES[0])


def test_a_command_that_is_too_long_for_cron_is_refused(job_file: Path, tmp_path: Path) -> None:
    """In bytes, with its escapes; what is not refused is not by crontab either."""

    def crontab(option: str) -> str:
        request = Request(job_file, SCHEDULES[0], options=(option,))
        return render(request, "crontab")[f"{request.name}.crontab"]

    command = crontab("x").splitlines()[-1].split(maxsplit=5)[-1]
    most = 998 - len(command.encode()) + 1
    for option in ("x" * (most + 1), "x" * (most - 1) + "%", "x" * (most - 3) + "ü"):
        with pytest.raises(InputError, match="has 999 bytes, and Debian's cron takes 998"):
            crontab(option)
    (tmp_path / "longest").write_text(crontab("x" * most), encoding="utf-8")
    check_crontab(tmp_path / "longest")


def test_a_cron_of_two_lines_is_refused(job_file: Path) -> None:
    """A crontab would carry out the second one."""
    schedule = Schedule("30 2 * *\n*", "UTC")
    with pytest.raises(InputError, match="cannot stand in a scheduler's file"):
        Request(job_file, schedule)


def test_pipelines_have_the_secrets_by_name(job_file: Path) -> None:
    """And are started by nothing but the clock and a person."""
    [github] = render(Request(job_file, SCHEDULES[0]), "github").values()
    workflow = yaml.safe_load(github)
    assert set(workflow[True]) == {"schedule", "workflow_dispatch"}  # YAML 1.1 reads `on` so
    step = workflow["jobs"]["run-due"]["steps"][-1]
    assert step["env"]["AZURE_CLIENT_SECRET"] == "${{ secrets.AZURE_CLIENT_SECRET }}"
    assert step["env"]["CI"] == "1"
    [devops] = render(Request(job_file, SCHEDULES[0]), "azure-devops").values()
    pipeline = yaml.safe_load(devops)
    assert (pipeline["trigger"], pipeline["pr"]) == ("none", "none")
    assert all(each["always"] for each in pipeline["schedules"])
    assert pipeline["steps"][-1]["env"]["AZURE_CLIENT_SECRET"] == "$(AZURE_CLIENT_SECRET)"
    assert json.dumps(pipeline["schedules"]).count("30 0,1 * * *") == 1


def check_crontab(file: Path) -> None:
    """Let crontab check a file; skip the rest if there is none."""
    crontab = shutil.which("crontab")
    if crontab is None:
        pytest.skip("there is no crontab here: nobody else read the line")
    usage = run([crontab, "-h"], file.parent)
    check = "-T" if "-T" in usage.stdout + usage.stderr else "-n"
    done = run([crontab, check, file.name], file.parent)
    assert done.returncode == 0, done.stdout + done.stderr


def run(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program in a folder."""
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
