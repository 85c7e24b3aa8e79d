"""Which ODBC driver there is, and connection strings that quote every value."""

import platform
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from remote_entry.errors import SqlError

REGISTERED_DRIVERS = ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server")
WHEEL = "mssql_python_odbc"


def find_driver(
    registered: Callable[[], Iterable[str]] | None = None, wheel: Path | None = None
) -> str:
    """Return a value for the ``Driver`` attribute: a registered name or a library's path.

    Args:
        registered: Returns the drivers that the driver manager knows; pyodbc's by default.
        wheel: Folder of the package mssql-python-odbc; the installed one by default.

    Returns:
        Driver 18, then 17, then the library in the wheel that mssql-python depends on.

    Raises:
        SqlError: There is none, or no driver manager.
    """
    known = set((registered or _registered_drivers)())
    for name in REGISTERED_DRIVERS:
        if name in known:
            return name
    folder = wheel or _wheel_folder()
    library = find_wheel_library(folder) if folder else None
    if library is None:
        raise SqlError(
            "No ODBC driver for SQL Server: looked for "
            + ", ".join(f"'{name}'" for name in REGISTERED_DRIVERS)
            + f" in the driver manager (it knows {sorted(known) or 'none'}) and for the library of "
            "the package mssql-python-odbc",
            kind="sql.driver-missing",
            hint="add mssql-python to the environment's conda.yml (pip), and libodbc2, "
            "libgssapi-krb5-2 and libkrb5-3 to its Dockerfile",
        )
    return str(library)


def find_wheel_library(
    folder: Path,
    *,
    system: str = sys.platform,
    machine: str | None = None,
    os_release: Path = Path("/etc/os-release"),
) -> Path | None:
    """Return Microsoft's driver inside the wheel that fits this machine.

    The wheel lays it out as ``libs/<system>[/<distribution>]/<architecture>/lib``.

    Args:
        folder: The package's folder.
        system: ``sys.platform``'s word for the operating system.
        machine: Processor architecture; this machine's by default.
        os_release: The file that names the Linux distribution.

    Returns:
        The library, or None if the wheel has none for this machine.
    """
    architecture = _ARCHITECTURES.get((machine or platform.machine()).lower(), "")
    if system == "darwin":
        root = folder / "libs" / "macos"
        pattern = "libmsodbcsql*.dylib"
    else:
        root = folder / "libs" / "linux" / _distribution_folder(os_release)
        pattern = "libmsodbcsql*.so*"
    return next(iter(sorted((root / architecture).rglob(pattern), reverse=True)), None)


def connection_string(attributes: Mapping[str, str]) -> str:
    """Return attributes as an ODBC connection string, every value in braces.

    Braces make ``;`` and spaces harmless, and a closing brace is doubled:
    https://learn.microsoft.com/openspecs/sql_server_protocols/ms-odbcstr/
    """
    return ";".join(
        f"{keyword}={{{value.replace('}', '}}')}}}" for keyword, value in attributes.items()
    )


def split_connection_string(text: str) -> dict[str, str]:
    """Return an ODBC connection string's attributes; of several with one keyword the first counts.

    Args:
        text: Keywords and values, a value with special characters in braces.
    """
    attributes: dict[str, str] = {}
    for keyword, value in _ATTRIBUTE.findall(text):
        plain = value[1:-1].replace("}}", "}") if value.startswith("{") else value.strip()
        if keyword.lower() not in {known.lower() for known in attributes}:
            attributes[keyword] = plain
    return attributes


_ATTRIBUTE = re.compile(r"\s*([^=;{}]+?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]*)\s*(?:;|$)")
_ARCHITECTURES = {
    "aarch64": "arm64",
    "amd64": "x86_64",
    "arm64": "arm64",
    "x86_64": "x86_64",
}


def _registered_drivers() -> Iterable[str]:
    """Ask the driver manager; pyodbc cannot be imported without one."""
    try:
        import pyodbc
    except ImportError as error:
        raise SqlError(
            f"pyodbc cannot be loaded: {error}; looked for the package and for the driver manager",
            kind="sql.driver-missing",
            hint="add pyodbc to the environment's conda.yml and libodbc2 to its Dockerfile",
        ) from None
    return list(pyodbc.drivers())


def _wheel_folder() -> Path | None:
    """Return where mssql-python-odbc is installed, without importing it."""
    from importlib.util import find_spec

    spec = find_spec(WHEEL)
    return Path(spec.origin).parent if spec and spec.origin else None


def _distribution_folder(os_release: Path) -> str:
    """Return the wheel's name for this Linux distribution's family."""
    words = _distribution_words(os_release)
    if words & {"alpine"}:
        return "alpine"
    if words & {"rhel", "fedora", "centos"}:
        return "rhel"
    if words & {"suse", "opensuse", "sles"}:
        return "suse"
    return "debian_ubuntu"


def _distribution_words(os_release: Path) -> set[str]:
    """Return the values of ID and ID_LIKE: https://www.freedesktop.org/software/systemd/man/os-release.html."""
    try:
        lines = os_release.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    pairs = (line.partition("=") for line in lines)
    values = [value.strip("\"'") for key, _, value in pairs if key in {"ID", "ID_LIKE"}]
    return set(" ".join(values).replace("-", " ").split())
