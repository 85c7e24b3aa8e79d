"""The rules: what an ignore file says of a path, and what never travels.

Azure ML reads one ignore file, in the code folder itself: `.amlignore`, or `.gitignore` where there
is no `.amlignore`
(https://learn.microsoft.com/azure/machine-learning/how-to-save-write-experiment-files).
Patterns mean here what they mean to azureml-core (`azureml/_project/ignore_file.py`), so that a
project sends the same files as with the bare SDK. Git differs in two ways: it reads the ignore
files of subfolders and of the machine too, and it lets nothing back in from a folder that is
ignored, where `data/` followed by `!data/small.csv` sends that file to Azure ML.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pathspec.patterns.gitwildmatch import GitWildMatchPattern, GitWildMatchPatternError

from submitter.errors import SnapshotError

IGNORE_FILES = (".amlignore", ".gitignore")

# Never source code. The last lines are where people and their tools keep passwords.
_NEVER = frozenset(
    [
        *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", ".tox", ".nox"),
        *("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints"),
        *(".hypothesis", ".DS_Store", "Thumbs.db", "desktop.ini"),
        *(".azureml", ".azure", ".aws", ".ssh", ".env", ".envrc"),
        *(".netrc", ".pgpass", ".pypirc", ".git-credentials"),
    ]
)
_NEVER_ALIKE = (
    *("*.pyc", "*.pyo", "*.egg-info", "*.swp", "*.swo", "*~", ".#*", "#*#", "._*"),
    ".env.*",
)
# Made to be shared: they name the variables and hold no values.
_TEMPLATES = (".env.example", ".env.sample", ".env.template", ".env.dist")
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True)
class Rule:
    """What let a file in or kept it out.

    Attributes:
        pattern: As it is written.
        file: The ignore file that it stands in; empty for our own rules.
        line: Its line there, from 1; 0 for our own rules.
    """

    pattern: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.pattern}" if self.file else f"never: {self.pattern}"


def never(name: str) -> Rule | None:
    """Return the rule that keeps a name out whatever the ignore file says, or `None`."""
    if name in _NEVER:
        return Rule(name)
    if name in _TEMPLATES:
        return None
    return next((Rule(alike) for alike in _NEVER_ALIKE if fnmatchcase(name, alike)), None)


def virtual_environment(names: Sequence[str]) -> Rule | None:
    """Return the rule that keeps a folder out for what it holds, or `None`."""
    return next((Rule(f"*/{mark}") for mark in _ENVIRONMENT_MARKS if mark in names), None)


class IgnoreRules:
    """The patterns of one ignore file.

    Args:
        name: What its rules are shown as, such as `.amlignore`.
        lines: Its lines.

    Raises:
        SnapshotError: A line is no pattern; the message names it.
    """

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        self._patterns = list(_patterns(name, lines))

    def decide(self, path: str) -> tuple[bool, Rule | None]:
        """Tell whether a path is kept out, and by which rule; the last one that matches decides.

        Args:
            path: Relative to the ignore file; a folder's ends with a slash, or without one asks
                about the folder's own name alone, as azureml-core does.

        Returns:
            Whether it is kept out, and the rule that decided, if any matched.
        """
        for rule, pattern in reversed(self._patterns):
            if pattern.match_file(path) is not None:
                return bool(pattern.include), rule
        return False, None

    def may_let_in_again(self, rule: Rule) -> bool:
        """Tell whether a `!pattern` stands below a rule that keeps a folder out."""
        return any(
            not pattern.include and other.line > rule.line for other, pattern in self._patterns
        )

    def lets_in(self, path: str) -> bool:
        """Tell whether any `!pattern` matches a path."""
        return any(
            not pattern.include and pattern.match_file(path) is not None
            for _, pattern in self._patterns
        )

    def names(self, name: str) -> Iterator[Rule]:
        """Yield each `!pattern` that means a name itself, not all that a folder holds."""
        for rule, pattern in self._patterns:
            last = rule.pattern.strip().lstrip("!").rstrip("/").split("/")[-1]
            if not pattern.include and last.strip("*?") and fnmatchcase(name, last):
                yield rule


def read(path: Path, name: str) -> IgnoreRules:
    """Read an ignore file.

    Args:
        path: Where it is.
        name: What its rules are shown as.

    Raises:
        SnapshotError: It cannot be read, or a line is no pattern.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SnapshotError(
            f"{path} cannot be read: {error.strerror}. Mend its permissions: without it more "
            "files would travel than you want."
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SnapshotError(
            f"{path}:{line} cannot be read: it is not UTF-8. Save the file as UTF-8."
        ) from None
    return IgnoreRules(name, text.replace("\r\n", "\n").split("\n"))


def _patterns(name: str, lines: Sequence[str]) -> Iterator[tuple[Rule, GitWildMatchPattern]]:
    for number, line in enumerate(lines, start=1):
        try:
            pattern = GitWildMatchPattern(line)
        except GitWildMatchPatternError:
            raise SnapshotError(
                f"{name}:{number}: {line!r} is no pattern. Correct the line or delete it."
            ) from None
        if pattern.include is not None:  # neither blank nor a comment
            yield Rule(line.rstrip(), name, number), pattern
