"""Variables → references to secrets, in Key Vault and in the workspace's own vault; no I/O.

``AZURE_SECRET_<LABEL>`` holds a secret's name, ``AZURE_SECRET_<LABEL>_VERSION`` its pinned version.
The label is a number or a word. ``<VARIABLE>_FROM_WORKSPACE`` holds the name of a workspace secret
whose value takes the variable's place: for ``AZURE_SECRET_<LABEL>`` that is a name again. Problems
never quote a value: whoever puts a password where its name belongs must not find it in a log.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "AZURE_SECRET_"
VERSION_SUFFIX = "_VERSION"
FROM_WORKSPACE_SUFFIX = "_FROM_WORKSPACE"

# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates
# #objects-identifiers-and-versioning
SECRET_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
SECRET_VERSION = re.compile(r"[0-9A-Fa-f]{32}")

SHOWN_VERSION_LENGTH = 8

# Label or variable → value, None if the workspace holds it and it was not read yet.
_Values = dict[str, str | None]


@dataclass(frozen=True)
class SecretReference:
    """Which secret a label stands for.

    Attributes:
        label: What follows ``AZURE_SECRET_`` in the variable's name.
        name: The secret's name in the vault.
        version: The pinned version (32 hexadecimal digits), or None for the latest one.
        name_held_by: The workspace secret that the name was read from, None if it stands in clear.
    """

    label: str
    name: str
    version: str | None = None
    name_held_by: str | None = None

    @property
    def variable(self) -> str:
        """The variable that names this secret."""
        return f"{PREFIX}{self.label}"

    def __str__(self) -> str:
        return self.describe(describe_version(self.version))

    def describe(self, details: str) -> str:
        """Return one line for a log.

        A name that the workspace's vault held is not shown: whoever keeps a password there and
        takes it for the name must not find it in a log.
        """
        name = self.name
        if self.name_held_by is not None:
            name = f"the name in workspace secret {self.name_held_by}"
        return f"{self.variable} → {name} ({details})"


@dataclass(frozen=True)
class WorkspaceReference:
    """Which secret of the workspace's own vault a variable's value comes from.

    Attributes:
        variable: The variable, without ``_FROM_WORKSPACE``.
        name: The secret's name in the workspace's vault.
    """

    variable: str
    name: str

    @property
    def label(self) -> str:
        """What a script asks for: ``SQL_PASSWORD`` is the same as the label of that name."""
        return self.variable

    def __str__(self) -> str:
        return f"{self.variable} ← {self.name} (workspace)"


def describe_version(version: str | None) -> str:
    """Return a version short enough for a log line."""
    if version is None:
        return "latest version"
    return f"version {version[:SHOWN_VERSION_LENGTH]}…"


def read_references(
    variables: Mapping[str, str | None], problems: list[str], warnings: list[str]
) -> tuple[SecretReference, ...]:
    """Pair names with versions.

    Args:
        variables: The environment, white space already stripped; None stands for a value that the
            workspace holds and that was not read yet.
        problems: Receives one line for each thing that must be corrected.
        warnings: Receives one line for each thing that was understood but should be corrected.

    Returns:
        The references: numbered labels first, in numeric order, then words in alphabetic order.
        One whose name or version was not read yet is left out.
    """
    names, versions, strays = _sort_out(variables)
    _adopt_stray_version(names, versions, strays, problems, warnings)
    references = []
    for label in sorted(names, key=_label_order):
        name = names[label]
        version = versions.get(label)
        problems.extend(_problems_of(label, name, version))
        if name is not None and (version is not None or label not in versions):
            references.append(SecretReference(label, name, version))
    return tuple(references)


def _sort_out(
    variables: Mapping[str, str | None],
) -> tuple[_Values, _Values, _Values]:
    """Return names by label, versions by label, and versions by variable that fit no label."""
    names: _Values = {}
    versions: _Values = {}
    for variable, value in variables.items():
        label = variable.removeprefix(PREFIX)
        if label == variable or not label:
            continue
        if "VERSION" not in label.split("_"):
            names[label] = value
        elif value != "":  # an empty version asks for the latest one
            versions[variable] = value
    paired: _Values = {}
    strays: _Values = {}
    for variable, version in versions.items():
        label = variable.removeprefix(PREFIX).removesuffix(VERSION_SUFFIX)
        if variable.endswith(VERSION_SUFFIX) and label in names:
            paired[label] = version
        else:
            strays[variable] = version
    return names, paired, strays


def _adopt_stray_version(
    names: _Values,
    versions: _Values,
    strays: _Values,
    problems: list[str],
    warnings: list[str],
) -> None:
    """Give a version that fits no label to the only secret without one, or report it."""
    unpinned = sorted((label for label in names if label not in versions), key=_label_order)
    if len(strays) == 1 and len(unpinned) == 1:
        [(variable, version)] = strays.items()
        right_name = f"{PREFIX}{unpinned[0]}{VERSION_SUFFIX}"
        versions[unpinned[0]] = version
        warnings.append(f"{variable} fits no secret by name; taken for {right_name}: rename it")
        return
    candidates = ", ".join(f"{PREFIX}{label}{VERSION_SUFFIX}" for label in unpinned)
    for variable in strays:
        if candidates:
            problems.append(f"{variable} fits no secret; rename it to one of {candidates}")
        else:
            problems.append(f"{variable} fits no secret, and none is without a version; remove it")


def _problems_of(label: str, name: str | None, version: str | None) -> list[str]:
    """Check of one pair what was read already against Key Vault's syntax."""
    variable = f"{PREFIX}{label}"
    problems = []
    if name is not None and not SECRET_NAME.fullmatch(name):
        problems.append(
            f"{variable} is not a secret's name: 1 to 127 letters, digits and '-' (no '_')"
        )
    if version is not None and not SECRET_VERSION.fullmatch(version):
        problems.append(
            f"the version of {variable} is not 32 hexadecimal digits; leave it out for the latest"
        )
    return problems


def _label_order(label: str) -> tuple[bool, int, str]:
    """Sort 2 before 10, and numbers before words."""
    is_word = not label.isdecimal()
    return (is_word, 0 if is_word else int(label), label)
