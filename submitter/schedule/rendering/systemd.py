"""systemd: a timer and a service, of the system or of a user."""

import re

from submitter.schedule.instants import ALL_HOURS
from submitter.schedule.rendering.request import FIRST_LOOK, Request
from submitter.schedule.triggers import (
    ALL_DAYS,
    ALL_MINUTES,
    ALL_MONTHS,
    ALL_WEEKDAYS,
    Trigger,
    triggers,
)

_PLAIN = re.compile(r"[\w./:@=+,-]+")
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def render(request: Request) -> dict[str, str]:
    """Return a .timer and the .service that it starts."""
    job = str(request.job_file.absolute())
    state = f"%S/submitter/{request.name}.json"
    words = (*request.program, *request.arguments(job, FIRST_LOOK))
    command = " ".join([*map(_quoted, words), "--state", f'"{state}"'])
    comment = request.comment(
        "Install both in /etc/systemd/system, or for a user in ~/.config/systemd/user, then:",
        f"systemctl [--user] enable --now {request.name}.timer",
    )
    folder = str(request.folder).replace("%", "%%")
    service = f"""\
{comment}# The sign-in is read from the file below, which only its owner should be able to read:
# AZURE_TENANT_ID=..., AZURE_CLIENT_ID=... and AZURE_CLIENT_SECRET=..., a line each.
[Unit]
Description=Submit what is due of {request.name}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={folder}
Environment=CI=1
EnvironmentFile=%E/submitter/{request.name}.env
StateDirectory=submitter
ExecStart={command}
"""
    elapses = "".join(f"OnCalendar={_calendar(each)}\n" for each in triggers(request.schedule))
    timer = f"""\
{comment}# In UTC, at all offsets that the zone has in two years: in the zone itself, systemd skips
# the night on which the local time does not exist.
[Unit]
Description=Look what is due of {request.name}

[Timer]
{elapses}AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{request.name}.service": service, f"{request.name}.timer": timer}


def _calendar(trigger: Trigger) -> str:
    """Return a trigger as systemd.time(7) writes it."""
    on = trigger.on
    weekdays = ",".join(_WEEKDAYS[day] for day in sorted(on.weekdays))
    date = f"*-{_list(on.months, ALL_MONTHS)}-{_list(on.days, ALL_DAYS)}"
    time = f"{_list(trigger.hours, ALL_HOURS)}:{_list(trigger.minutes, ALL_MINUTES)}:00"
    return " ".join([*([weekdays] if on.weekdays != ALL_WEEKDAYS else []), date, time, "UTC"])


def _list(numbers: frozenset[int], everything: frozenset[int]) -> str:
    return "*" if numbers == everything else ",".join(f"{each:02}" for each in sorted(numbers))


def _quoted(word: str) -> str:
    """Quote a word for ExecStart (systemd.service(5), "Command lines")."""
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
