"""What is in the image, and what is not."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/submitter:latest"
CANARY = "canary-7f3a9c"


@pytest.fixture(scope="module")
def image_script() -> ModuleType:
    """Load what builds the image."""
    spec = importlib.util.spec_from_file_location("image", ROOT / ".ci/image.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inside(podman: Callable[..., str], *command: str) -> str:
    """Run a command in a container as a run's is made; return what it printed."""
    bounds = ("--read-only", "--tmpfs=/tmp", "--cap-drop", "ALL", "--network", "none")
    return podman("run", "--rm", "--log-driver", "none", *bounds, IMAGE, *command)


def test_every_odbc_program_finds_the_driver(podman: Callable[..., str]) -> None:
    """It is registered under its standard name, and all that it loads is there."""
    name = "ODBC Driver 18 for SQL Server"
    assert inside(podman, "python", "-c", "import pyodbc; print(pyodbc.drivers())") == (
        f"['{name}']\n"
    )
    registered = inside(podman, "cat", "/etc/odbcinst.ini")
    library = re.search(r"Driver=(\S+)", registered)
    assert library is not None
    needed = inside(podman, "ldd", library[1])
    assert "not found" not in needed
    assert "/opt/microsoft" not in needed  # one libodbcinst: the driver manager's
    assert "not supported" not in inside(podman, "isql", "--version")


def test_the_user_is_a_number_and_not_root(podman: Callable[..., str]) -> None:
    """10001, whoever starts the container."""
    assert podman("image", "inspect", "--format", "{{.Config.User}}", IMAGE).strip() == "10001"
    assert inside(podman, "id", "-u") == "10001\n"


def test_nothing_is_left_of_the_build(podman: Callable[..., str]) -> None:
    """No compiler, no pip in the environment, no caches, no package lists, no settings."""
    script = (
        "for each in gcc cc g++ make ld; do command -v $each; done; ls /opt/venv/bin | grep ^pip;"
        "ls -A /var/lib/apt/lists /var/cache/apt /tmp; cat /etc/pip.conf /etc/apt/sources.list;"
        "ls -A /etc/apt/sources.list.d; cat /run/authorities.pem; true"
    )
    left = inside(podman, "sh", "-c", f"({script}) 2>/dev/null")
    assert [line for line in left.splitlines() if line and not line.endswith(":")] == []


def test_no_credential_of_this_machine_reaches_a_layer(
    podman: Callable[..., str],
    image_script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Its pip settings are there while a layer is built, and neither in it nor in its history."""
    address = f"http://someone:{CANARY}@127.0.0.1:9/simple"
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", address)
    (tmp_path / "Dockerfile").write_text(
        f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nRUN grep -q {CANARY[:6]} /etc/pip.conf\n"
    )
    name = "localhost/canary:test"
    with image_script.settings_of_this_machine(apt=False) as mounts:
        engine = shutil.which("podman")
        built = image_script.build_file(
            engine, tmp_path / "Dockerfile", image_script.MACHINE_BASE, name, mounts
        )
    assert built
    try:
        assert CANARY not in podman("history", "--no-trunc", name)
        assert CANARY not in podman("inspect", name)
        podman("save", "--format", "docker-archive", "--output", str(tmp_path / "all.tar"), name)
    finally:
        podman("rmi", "--force", name)
    assert CANARY.encode() not in (tmp_path / "all.tar").read_bytes()


def test_the_bill_of_materials_names_what_was_locked() -> None:
    """Every pin of docker/requirements.lock for the image's Python, at its version."""
    bill = json.loads((ROOT / "build/image/sbom.json").read_text())
    found = {canonicalize_name(each["name"]): each["version"] for each in bill["components"]}
    locked = {}
    for line in (ROOT / "docker/requirements.lock").read_text().splitlines():
        if "==" in line and not line.startswith(" "):
            pin = Requirement(line.rstrip(" \\"))
            if pin.marker is None or pin.marker.evaluate({"python_full_version": "3.11.2"}):
                locked[pin.name] = str(pin.specifier).removeprefix("==")
    assert locked.items() <= found.items()
    assert set(found) - set(locked) <= {"setuptools"}
    licences = (ROOT / "build/image/licences.txt").read_text()
    assert "MICROSOFT ODBC DRIVER 18 FOR SQL SERVER" in licences
    assert "pyodbc" in licences


@pytest.mark.parametrize("python", ["3.10", "3.11"])
def test_the_pins_resolve(python: str, tmp_path: Path) -> None:
    """For Ubuntu 22.04's Python and for Debian 12's, without building anything."""
    # uv knows nothing of this machine's settings of pip, nor of its certificate authorities.
    pip = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = subprocess.run(pip, capture_output=True, text=True, check=False).stdout.strip()
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--system-certs"]
    done = subprocess.run(
        [
            *(*uv, "--python-version", python, "--only-binary", ":all:"),
            *("--python-platform", "x86_64-manylinux_2_28", "--output-file", str(tmp_path / "out")),
            *(["--default-index", index] if index else []),
            str(ROOT / "docker/requirements.lock"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "azureml-core==1.61" in (tmp_path / "out").read_text()
