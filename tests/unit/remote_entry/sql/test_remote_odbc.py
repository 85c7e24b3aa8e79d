"""The driver is found where it is, and every value is quoted."""

from pathlib import Path

import pytest

from remote_entry.errors import SqlError
from remote_entry.sql.odbc import connection_string, find_driver, find_wheel_library

DRIVER_18 = "ODBC Driver 18 for SQL Server"
DRIVER_17 = "ODBC Driver 17 for SQL Server"
UBUNTU = "ID=ubuntu\nID_LIKE=debian\n"


def wheel_with(folder: Path, *libraries: str) -> Path:
    """Lay out a wheel's folder."""
    for library in libraries:
        path = folder / "libs" / library
        path.parent.mkdir(parents=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("registered", "found"),
    [([DRIVER_17, DRIVER_18, "FreeTDS"], DRIVER_18), ([DRIVER_17], DRIVER_17)],
)
def test_registered_driver_is_preferred(registered: list[str], found: str, tmp_path: Path) -> None:
    """What the image installed wins, the newer one first."""
    assert find_driver(lambda: registered, wheel=tmp_path) == found


def test_pain_6_the_installed_wheel_brings_the_driver() -> None:
    """mssql-python is a dependency, so that an image without Microsoft's packages works."""
    library = Path(find_driver(list))
    assert library.is_file()
    assert library.name.startswith("libmsodbcsql-18")


def test_without_any_driver_the_error_names_what_to_install(tmp_path: Path) -> None:
    """FreeTDS is no substitute: it loses errors in mid-stream."""
    with pytest.raises(SqlError) as caught:
        find_driver(lambda: ["FreeTDS"], wheel=tmp_path)
    message = str(caught.value)
    assert DRIVER_18 in message
    assert "FreeTDS" in message
    assert "mssql-python" in caught.value.hint
    assert "libgssapi-krb5-2" in caught.value.hint
    assert caught.value.kind == "sql.driver-missing"


@pytest.mark.parametrize(
    ("release", "distribution"),
    [
        (UBUNTU, "debian_ubuntu"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "rhel"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"),
        ("ID=alpine\n", "alpine"),
        ("", "debian_ubuntu"),
    ],
)
def test_wheel_has_a_library_for_each_distribution(
    release: str, distribution: str, tmp_path: Path
) -> None:
    """The libraries differ in the OpenSSL and libc that they were built for."""
    names = [
        f"linux/{name}/x86_64/lib/libmsodbcsql-18.6.so.2.1"
        for name in ("alpine", "debian_ubuntu", "rhel", "suse")
    ]
    folder = wheel_with(tmp_path / "wheel", *names)
    os_release = tmp_path / "os-release"
    os_release.write_text(release)
    library = find_wheel_library(folder, system="linux", machine="x86_64", os_release=os_release)
    assert library is not None
    assert library.relative_to(folder / "libs" / "linux").parts[0] == distribution


def test_library_of_another_architecture_is_not_taken(tmp_path: Path) -> None:
    """An x86-64 library cannot be loaded on ARM."""
    folder = wheel_with(tmp_path, "linux/debian_ubuntu/x86_64/lib/libmsodbcsql-18.6.so.2.1")
    missing = tmp_path / "no-os-release"
    assert find_wheel_library(folder, system="linux", machine="aarch64", os_release=missing) is None


def test_library_for_macos_has_another_ending(tmp_path: Path) -> None:
    """A Mac loads a dylib."""
    folder = wheel_with(tmp_path, "macos/arm64/lib/libmsodbcsql.18.dylib")
    library = find_wheel_library(folder, system="darwin", machine="arm64")
    assert library is not None
    assert library.name == "libmsodbcsql.18.dylib"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("plain", "{plain}"),
        ("a;UID=sa", "{a;UID=sa}"),
        ("a}b", "{a}}b}"),
        ("{", "{{}"),
        ("}", "{}}}"),
        (" lead and trail ", "{ lead and trail }"),
        ("ü'\"%@", "{ü'\"%@}"),
        ("", "{}"),
    ],
)
def test_every_value_is_quoted(value: str, quoted: str) -> None:
    """No value can end its attribute and begin another."""
    assert connection_string({"PWD": value, "UID": "a"}) == f"PWD={quoted};UID={{a}}"
