"""Say what the image holds: a bill of materials, the licences, and its size against the budget.

Written to build/image/: sbom.json (CycloneDX, of the Python packages), licences.txt (of these, of
Microsoft's driver and of Debian's packages). The image is asked itself, in a container.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "build" / "image"
TOOLS = next(Path(sys.prefix).glob("lib/python3.*/site-packages"))
IMAGE = "localhost/submitter:latest"
MEGABYTES_ALLOWED = 700
# What `submitter init`'s example trains with comes on top.
EXAMPLE = ("scikit-learn", "matplotlib")

# cyclonedx-py is this project's tool, not the image's: it is lent to the container, behind the
# container's own packages.
BILL = """
import runpy, sys
sys.path.append("/tools")
sys.argv[1:] = ["environment", "/opt/venv/bin/python", "--output-reproducible"]
runpy.run_module("cyclonedx_py", run_name="__main__")
"""
# Name, version, licence and size of each Python package, and who needs it.
PACKAGES = """
import json, re
from importlib.metadata import distributions
from pathlib import Path

def licence(about):
    classifiers = [text.rpartition(":: ")[2] for text in about.get_all("Classifier", [])
                   if text.startswith("License ::")]
    first = (about["License"] or "").strip().partition("\\n")[0][:60]
    return about["License-Expression"] or ", ".join(classifiers) or first or "not declared"

found = []
for each in distributions():
    files = [Path(each.locate_file(file)) for file in each.files or ()]
    sizes = sum(file.stat().st_size for file in files if file.is_file())
    caches = {cached for file in files if file.suffix == ".py"
              for cached in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc")}
    sizes += sum(cached.stat().st_size for cached in caches)
    needs = [re.split(r"[^\\w.-]", line)[0] for line in each.requires or ()
             if "extra ==" not in line]
    found.append({"name": each.metadata["Name"], "version": each.version, "bytes": sizes,
                  "licence": licence(each.metadata), "needs": needs})
print(json.dumps(found))
"""
DEBIAN = "dpkg-query --show --showformat '${Package} ${Version}\\n'; true"


def main() -> None:
    """Write the reports, print the sizes, and hold them to the budget."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / "sbom.json").write_text(in_image("python", "-c", BILL), encoding="utf-8")
    packages = json.loads(in_image("python", "-c", PACKAGES))
    (REPORTS / "licences.txt").write_text(licences(packages), encoding="utf-8")
    whole = int(podman("image", "inspect", "--format", "{{.Size}}", IMAGE)) / 1e6
    example = sum(package["bytes"] for package in of_the_example(packages)) / 1e6
    print(f"image: {whole:.0f} MB, of which {example:.0f} MB are only for the example's training")
    print(f"image: {whole - example:.0f} MB without them (allowed: {MEGABYTES_ALLOWED} MB)")
    print(f"image: {len(packages)} Python packages in {REPORTS.relative_to(ROOT)}/sbom.json")
    if whole - example > MEGABYTES_ALLOWED:
        sys.exit("image: it is over its budget.")


def of_the_example(packages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the packages that nobody but the example needs."""
    needs = {canonicalize_name(each["name"]): each["needs"] for each in packages}
    wanted = {canonicalize_name(name) for name in names_of_conda()} - {
        canonicalize_name(name) for name in EXAMPLE
    }
    todo = list(wanted)
    while todo:
        further = {canonicalize_name(name) for name in needs.get(todo.pop(), ())} - wanted
        wanted |= further
        todo += further
    return [each for each in packages if canonicalize_name(each["name"]) not in wanted]


def names_of_conda() -> list[str]:
    """Return the packages that conda.yml asks for."""
    lines = (ROOT / "docker" / "conda.yml").read_text(encoding="utf-8").splitlines()
    return [line.strip(" -").partition("==")[0] for line in lines if "==" in line]


def licences(packages: list[dict[str, Any]]) -> str:
    """Return the list of licences as text."""
    lines = [f"{each['name']} {each['version']}: {each['licence']}" for each in packages]
    terms = in_image("sh", "-c", "cat /opt/microsoft/msodbcsql18/lib/*LICENSE*.txt")
    return "\n".join(
        (
            "Python packages",
            *sorted(lines, key=str.lower),
            "",
            "Debian packages (licences: /usr/share/doc/<package>/copyright in the image)",
            in_image("sh", "-c", DEBIAN),
            "Microsoft ODBC Driver 18 for SQL Server, in /opt/microsoft/msodbcsql18",
            terms,
        )
    )


def in_image(*command: str) -> str:
    """Run a command in a container of the image; return what it printed."""
    mount = f"{TOOLS}:/tools:ro"
    return podman(
        *("run", "--rm", "--pull", "never", "--read-only", "--tmpfs", "/tmp", "--network", "none"),  # noqa: S108
        *("--volume", mount, "--log-driver", "none", IMAGE, *command),
    )


def podman(*arguments: str) -> str:
    """Run podman; return what it printed."""
    program = shutil.which("podman") or "docker"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"image: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
