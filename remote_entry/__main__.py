"""``python -m remote_entry run -- COMMAND…``, ``check``, ``extract``: the container's entry.

Exit codes of ``run``: the command's own; 128 + n if signal n ended it; 126 and 127 if it could not
be started, as in a shell; and before the command has started 2 for wrong usage, 3 settings,
4 identity, 5 vault, 6 SQL Server, 70 for a mistake in this package. ``check`` ends with the number
of the first hop that failed; ``extract`` with 0, with 2 for a wrong file, 7 for what forbids to go
on, 130 after Ctrl-C, 143 after a SIGTERM, or with one of the others.
"""

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from remote_entry.errors import RemoteEntryError
from remote_entry.masking import Masker
from remote_entry.resolve import Resolved, package_missing, resolve
from remote_entry.settings import CREDENTIAL_VARIABLES
from remote_entry.supervision.clean_start import start_without_credentials
from remote_entry.supervision.handover import read_bundle
from remote_entry.termination import Terminated

INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


def program(arguments: Sequence[str] | None = None) -> NoReturn:
    """Be ``python -m remote_entry``: what ``main`` does, and after a stop an end at once.

    A thread that is left in a driver's C++ code aborts an orderly end ("exception not rethrown").
    """
    try:
        exit_code = main(arguments)
    except KeyboardInterrupt as stop:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED)
    sys.exit(exit_code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code of the command line.

    Raises:
        KeyboardInterrupt: It was stopped.
    """
    environ = dict(os.environ)
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    try:
        if options.verb == "check":
            return _check(environ, as_json=options.json)
        if options.verb == "extract":
            return _extract(options, environ)
        if arguments is None:
            environ = start_without_credentials()
        return _run(options.command, environ)
    except RemoteEntryError as error:
        _report(str(error), environ)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 (its text may hold anything, so only its class shows)
        _report(
            f"Unexpected {type(error).__name__}\n"
            "  Next: set REMOTE_ENTRY_DEBUG=1 for the traceback, and report it",
            environ,
        )
        return INTERNAL_ERROR


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; argparse ends the process with 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m remote_entry",
        description="Run a command that gets its secrets from Key Vault, try the way to them, or "
        "extract a table.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    run = verbs.add_parser(
        "run",
        help="read the secrets, then run a command with masked output",
        usage="python -m remote_entry run -- COMMAND [ARGUMENT ...]",
    )
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    check = verbs.add_parser(
        "check",
        help="try every hop from the variables to the database; show no value, change nothing",
        description="Identity, vault, each secret, then the SQL Server's name, port, certificate, "
        "login, a query and the permissions: one line each, with its time. The first one that "
        "failed gives the exit code.",
    )
    check.add_argument("--json", action="store_true", help="one JSON document in place of lines")
    extract = verbs.add_parser(
        "extract",
        help="land what is new in a SQL Server's table or query as Parquet files, exactly once",
        description="Read SPEC.yml, land the next window of the query's rows in a directory or a "
        "blob container, verify the count, and write a receipt to outputs/extract/.",
    )
    extract.add_argument("file", metavar="SPEC.yml", type=Path)
    extract.add_argument("--from", dest="lo", metavar="VALUE", help="the first cursor of a range")
    extract.add_argument("--to", dest="hi", metavar="VALUE", help="the first cursor behind it")
    options = parser.parse_args(arguments)
    if options.verb != "run":
        return options
    if options.command[:1] == ["--"]:
        options.command = options.command[1:]
    if not options.command:
        run.error("no command; write it after --, as in: run -- python train.py")
    return options


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Resolve the secrets, then run the command."""
    from remote_entry.supervision.core_dumps import forbid_core_dumps
    from remote_entry.supervision.supervise import become_command, run_command

    forbid_core_dumps()
    if read_bundle(environ) is not None:
        become_command(command, environ)
    resolved = resolve(environ, warn=lambda warning: _say(f"warning: {warning}"))
    for secret in (*resolved.bundle.secrets, *resolved.bundle.workspace):
        _say(secret.describe())
    return run_command(
        command,
        environ=environ,
        bundle=resolved.bundle,
        sql_token=resolved.sql_token,
        storage_token=resolved.storage_token,
        masker=Masker(_sensitive(resolved, environ)),
        grace=resolved.settings.grace,
    )


def _check(environ: Mapping[str, str], *, as_json: bool) -> int:
    """Try every hop; print each as it comes, or all of them as JSON."""
    try:
        from remote_entry.check import Hop, check
    except ImportError as error:
        raise package_missing(error) from None

    hops: list[Hop] = []
    exit_code = check(environ, hops.append if as_json else _show)
    if as_json:
        document = {"exit_code": exit_code, "hops": [hop.as_json() for hop in hops]}
        _show(json.dumps(document, indent=2, ensure_ascii=False))
    return exit_code


def _extract(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Land what is new, or a range."""
    is_range = options.lo is not None or options.hi is not None
    bounds = (options.lo, options.hi) if is_range else None
    try:
        from remote_entry.extract.command import extract_file

        return extract_file(options.file, bounds, environ)
    except ImportError as error:
        packages = "pydantic, pyyaml, pyarrow, sqlalchemy, pyodbc, arrow-odbc, mssql-python and, "
        packages += "for abfss, azure-storage-blob"
        raise package_missing(error, purpose="extract", packages=packages) from None


def _show(result: object) -> None:
    """Print what was asked for."""
    sys.stdout.write(f"{result}\n")
    sys.stdout.flush()


def _sensitive(resolved: Resolved, environ: Mapping[str, str]) -> set[str]:
    """Return everything that the command's output must not show."""
    from remote_entry.supervision.supervise import credentials_in

    return credentials_in(environ) | resolved.sensitive_values()


def _report(message: str, environ: Mapping[str, str]) -> None:
    """Print one error, and the traceback behind it if it is asked for; credentials masked."""
    if environ.get("REMOTE_ENTRY_DEBUG") == "1":
        masker = Masker(environ[name].strip() for name in CREDENTIAL_VARIABLES if name in environ)
        sys.stderr.write(masker.mask_text(traceback.format_exc()))
    _say(f"error: {message}")


def _say(line: str) -> None:
    """Print one line for the log."""
    sys.stderr.write(f"remote_entry: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    program()
