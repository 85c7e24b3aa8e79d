"""cron: lines for a user's crontab."""

import shlex

from submitter.errors import InputError
from submitter.schedule.rendering.request import FIRST_LOOK, Request
from submitter.schedule.triggers import triggers

# In bytes. In Debian's cron 3.0pl1 MAX_COMMAND is 1000 (cron.h), and what is longer was cut off in
# silence (get_string in misc.c); of late, as tried with 3.0pl1-162, crontab refuses 999 bytes with
# "command too long". Cronie takes 131,072 (macros.h).
_LONGEST = 998


def render(request: Request) -> dict[str, str]:
    """Return lines for a crontab.

    Raises:
        InputError: The command is longer than cron's.
    """
    minutes = ",".join(
        map(str, sorted({each for line in triggers(request.schedule) for each in line.minutes}))
    )
    arguments = request.arguments(str(request.job_file.absolute()), FIRST_LOOK)
    words = (*request.program, *arguments, "--quiet")
    variables = f'"$HOME/.config/submitter/{request.name}.env"'
    state = f'"$HOME/.local/state/submitter/{request.name}.json"'
    command = (
        f"cd {shlex.quote(str(request.folder))} && set -a && . {variables} && CI=1 && "
        f"exec {shlex.join(words)} --state {state}"
    ).replace("%", r"\%")  # cron's own sign for a line's end
    _refuse_what_is_too_long(command)
    comment = request.comment(
        "Debian's cron has no CRON_TZ, cronie has, and either may stand on a machine in any zone:",
        "so this wakes up in every hour, and run-due asks nobody unless something is due.",
        "Where the machine's zone is no whole number of hours from UTC, that is up to 45 minutes",
        f"late. The sign-in is read from ~/.config/submitter/{request.name}.env, which only you",
        "should be able to read. A shell reads it, so its lines are: AZURE_TENANT_ID='...',",
        "AZURE_CLIENT_ID='...', AZURE_CLIENT_SECRET='...'.",
    )
    return {f"{request.name}.crontab": f"{comment}SHELL=/bin/sh\n{minutes} * * * * {command}\n"}


def _refuse_what_is_too_long(command: str) -> None:
    length = len(command.encode())
    if length > _LONGEST:
        raise InputError(
            f"The crontab's command has {length} bytes, and Debian's cron takes {_LONGEST}. Give "
            "the job file a shorter path (it is in there, and its folder too), or use --to systemd."
        )
