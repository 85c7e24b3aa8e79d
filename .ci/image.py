"""Build docker/ into an image, where the machine allows it; print the image's name.

The base is Azure ML's where a registry answers, and else one made of the machine's own Debian
packages: `python .ci/image.py [--base registry|machine|NAME]`. What was built from the same inputs
is not built again. Images are kept under build/, in a store of this project's own (never
the user's).
"""

import argparse
import configparser
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STORE = ROOT / "build" / "containers"
NAME = "localhost/submitter"
SYSTEM = "localhost/submitter-system"
MACHINE_BASE = "localhost/submitter-base"
AZURE_BASE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
REGISTRY_SECONDS = 20  # to hear from a registry at all; the pull itself may take its time
INPUTS = ("docker/Dockerfile", "docker/Dockerfile.packages", "docker/requirements.lock")
# What pip may know of this machine's indexes; constraints and folders of wheels stay outside.
PIP_KEYS = frozenset({"index-url", "extra-index-url", "trusted-host", "proxy", "timeout"})
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
DEBIAN_SOURCES = ("sources.list", "sources.list.d/*.list", "sources.list.d/*.sources")


def main() -> None:
    """Build the image unless it is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default="", help="registry, machine, or an image's name")
    asked = parser.parse_args().base
    engine = shutil.which("podman") or shutil.which("docker")
    if engine is None:
        sys.exit("image: neither podman nor docker is here. .ci/container-tools installs podman.")
    os.environ.update(write_configuration())
    image = f"{NAME}:{key(asked)}"
    if run(engine, "image", "inspect", image, quiet=True):
        sys.stdout.write(f"{image}\n")
        return
    build(engine, asked, image)
    run(engine, "tag", image, f"{NAME}:latest") or sys.exit("image: it could not be named.")
    sys.stdout.write(f"{image}\n")


def key(asked: str) -> str:
    """Return what names the image: a hash of all that it is built from."""
    content = hashlib.sha256(asked.encode())
    for name in (*INPUTS, str(Path(__file__).relative_to(ROOT))):
        content.update((ROOT / name).read_bytes())
    return content.hexdigest()[:16]


def write_configuration() -> Mapping[str, str]:
    """Give podman a store of our own; return the variables that point it there.

    cgroupfs, files and runc are what works inside a container and with hybrid cgroups as well.
    """
    STORE.mkdir(parents=True, exist_ok=True)
    storage, containers = STORE / "storage.conf", STORE / "containers.conf"
    _write(
        storage,
        "[storage]\n"
        'driver = "overlay"\n'
        f'graphroot = "{STORE / "graph"}"\n'
        f'runroot = "{STORE / "run"}"\n',
    )
    _write(
        containers,
        "[containers]\n"
        'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
        "[engine]\n"
        'cgroup_manager = "cgroupfs"\n'
        'events_logger = "file"\n' + ('runtime = "runc"\n' if shutil.which("runc") else ""),
    )
    return {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(containers)}


def build(engine: str, asked: str, image: str) -> None:
    """Build both Dockerfiles on the base that was asked for, or that there is."""
    base = choose_base(engine, asked)
    with settings_of_this_machine(apt=base == MACHINE_BASE) as mounts:
        steps = (("Dockerfile", base, SYSTEM), ("Dockerfile.packages", SYSTEM, image))
        for name, below, made in steps:
            if not build_file(engine, ROOT / "docker" / name, below, made, mounts):
                sys.exit(f"image: docker/{name} could not be built on {below}; see above.")


def build_file(
    engine: str, dockerfile: Path, base: str, image: str, mounts: Mapping[str, str]
) -> bool:
    """Build one Dockerfile on a base; return whether it succeeded."""
    flags: list[str] = []
    if engine.endswith("podman"):
        # The chroot isolation works inside a container too; the format keeps ENV and USER.
        flags = ["--isolation", "chroot", "--format", "docker", "--network", "host", "--layers"]
        for source, target in mounts.items():
            flags += ["--volume", f"{source}:{target}:ro"]
    named = ("--build-arg", f"BASE_IMAGE={base}", "--tag", image)
    return run(engine, "build", *flags, *named, "--file", str(dockerfile), str(dockerfile.parent))


def choose_base(engine: str, asked: str) -> str:
    """Return the base image, pulled or made."""
    if asked not in ("", "registry", "machine"):
        return asked
    if asked != "machine" and registry_answers() and run(engine, "pull", AZURE_BASE):
        return AZURE_BASE
    if asked == "registry":
        sys.exit(f"image: {AZURE_BASE} could not be pulled.")
    if not run(engine, "image", "inspect", MACHINE_BASE, quiet=True):
        make_base(engine)
    return MACHINE_BASE


def registry_answers() -> bool:
    """Ask the registry of Azure ML's base for nothing but a sign of life."""
    host = AZURE_BASE.partition("/")[0]
    ask = ("curl", "--silent", "--fail", "--max-time", str(REGISTRY_SECONDS), f"https://{host}/v2/")
    return shutil.which("curl") is not None and run(*ask, quiet=True)


def make_base(engine: str) -> None:
    """Make a base image of this machine's own Debian or Ubuntu, without a trace of its settings."""
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        sys.exit(
            "image: no registry answers, and a base of this machine's own packages needs root and "
            "mmdebstrap. Run .ci/container-tools as root, or name a base: make image BASE=NAME"
        )
    sources = [str(file) for each in DEBIAN_SOURCES for file in sorted(Path("/etc/apt").glob(each))]
    archive = STORE / "base.tar"
    made = run(
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--include=ca-certificates",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        '--customize-hook=rm -rf "$1"/etc/apt/sources.list* "$1"/etc/apt/apt.conf.d/99mmdebstrap',
        '--customize-hook=rm -f "$1"/etc/resolv.conf "$1"/etc/hostname',
        platform.freedesktop_os_release()["VERSION_CODENAME"],
        str(archive),
        *sources,
    )
    if not made or not run(engine, "import", str(archive), MACHINE_BASE, quiet=True):
        sys.exit("image: the base could not be made of this machine's packages; see above.")
    archive.unlink()


@contextmanager
def settings_of_this_machine(*, apt: bool) -> Iterator[Mapping[str, str]]:
    """Yield what a build sees of this machine's settings: mounted, so that no layer holds them.

    Args:
        apt: Whether the base's packages are of this machine's own distribution.
    """
    with tempfile.TemporaryDirectory() as folder:
        pip = Path(folder) / "pip.conf"
        pip.write_text(pip_settings())
        mounts = {str(pip): "/etc/pip.conf"}
        if AUTHORITIES.exists():
            mounts[str(AUTHORITIES)] = "/run/authorities.pem"
        if apt:
            mounts["/etc/apt"] = "/etc/apt"
            mounts["/usr/share/keyrings"] = "/usr/share/keyrings"
        yield mounts


def pip_settings() -> str:
    """Return this machine's pip settings, from its files and variables, as one file."""
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    settings = configparser.RawConfigParser()
    settings["global"] = {}
    for line in shown.stdout.splitlines():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        kept = [word for word in value.strip("'").split() if not word.startswith("file:")]
        if option in PIP_KEYS and kept:
            settings["global"][option] = " ".join(kept)
    if AUTHORITIES.exists():
        settings["global"]["cert"] = "/run/authorities.pem"
    lines = [f"{name} = {value}" for name, value in settings["global"].items()]
    return "\n".join(["[global]", *lines, ""])


def run(*command: str, quiet: bool = False) -> bool:
    """Run a program, its output among our messages; return whether it succeeded."""
    output = subprocess.DEVNULL if quiet else sys.stderr
    return subprocess.run(command, stdout=output, stderr=output, check=False).returncode == 0


def _write(file: Path, text: str) -> None:
    """Write a file if it is not so already; another build may be reading it."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


if __name__ == "__main__":
    main()
