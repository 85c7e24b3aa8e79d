"""Walk a code folder: what travels, what is kept out and by which rule."""

import importlib.util
import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from submitter.errors import SnapshotError
from submitter.snapshot import ignoring
from submitter.snapshot.files import KeptOut, SnapshotFile, shown, some
from submitter.snapshot.ignoring import IGNORE_FILES, IgnoreRules, Rule
from submitter.snapshot.limits import refuse_too_deep, refuse_too_large

_KINDS = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}


@dataclass(frozen=True)
class Snapshot:
    """The files of a run, and what was decided about the others.

    Attributes:
        files: What travels, in the order of the paths.
        kept_out: What does not; a folder that is kept out whole is one entry.
        warnings: What travels or stays against expectation.
    """

    files: tuple[SnapshotFile, ...]
    kept_out: tuple[KeptOut, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The size of all files that travel, in bytes."""
        return sum(file.size for file in self.files)


def collect(folder: Path | None) -> Snapshot:
    """List the files of a code folder that travel, and `remote_entry` beside them.

    Links travel as what they point at. Folders without files do not travel, as with git.

    Args:
        folder: The job's code; `None` for a job that brings none.

    Returns:
        The files, and what was kept out.

    Raises:
        SnapshotError: The folder is missing or cannot be read, a name cannot travel, or the
            snapshot is too large.
    """
    walk = _Walk(folder) if folder else None
    code = list(walk.files()) if walk else []
    if any(file.path.parts[0] in ("remote_entry", "remote_entry.py") for file in code):
        raise SnapshotError(
            f"{folder} has a 'remote_entry' of its own, and the package of that name travels "
            "there. Rename yours, or leave it out with .amlignore."
        )
    files = sorted([*code, *_package_files()], key=lambda file: file.path)
    refuse_too_large(folder, files)
    if walk is None:
        return Snapshot(tuple(files))
    kept_out = sorted(walk.kept_out, key=lambda kept: kept.path)
    return Snapshot(tuple(files), tuple(kept_out), (*walk.warnings(), *walk.unread_warnings(code)))


@dataclass(frozen=True)
class _Folder:
    """A folder to look into.

    Attributes:
        source: Where it is.
        prefix: Its path in the snapshot with a slash; empty for the code folder.
        above: Identities of the folders that it stands in, to notice a link that leads back.
        kept_out: Whether the folder is kept out, but for what a `!pattern` lets in again.
    """

    source: str
    prefix: str = ""
    above: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    kept_out: bool = False


class _Walk:
    """One walk through a code folder; what it notes is complete once `files` has ended."""

    def __init__(self, folder: Path) -> None:
        try:
            is_folder = stat.S_ISDIR(folder.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            is_folder = False
        except OSError as error:
            raise _unreadable(folder, error) from None
        if not is_folder:
            raise SnapshotError(
                f"There is no folder {folder} to take the code from. "
                "'code' in the job file is relative to the job file."
            )
        self._root = folder
        present = [name for name in IGNORE_FILES if (folder / name).is_file()]
        self._rules = IgnoreRules("", [])
        if present:
            self._rules = ignoring.read(folder / present[0], present[0])
        self._unread = present[1:]
        self.kept_out: list[KeptOut] = []
        self._notes: defaultdict[str, list[str]] = defaultdict(list)

    def files(self) -> Iterator[SnapshotFile]:
        """Yield the files that travel."""
        waiting = [_Folder(str(self._root))]
        while waiting:
            folder = waiting.pop()
            entries = _entries(folder.source)
            found = ignoring.virtual_environment([entry.name for entry in entries])
            if found and folder.prefix:
                self._keep_out(folder, folder.prefix, found)
                continue
            for entry in entries:
                path = f"{folder.prefix}{entry.name}"
                if self._never(folder, entry, path):
                    continue
                try:
                    is_folder = entry.is_dir()
                except OSError:  # a link that leads in a circle
                    is_folder = False
                if is_folder:
                    waiting += self._subfolder(folder, entry, path)
                else:
                    yield from self._file(folder, entry, path)

    def warnings(self) -> list[str]:
        """Return what the walk noted, each with a few of the paths that it is about."""
        return [f"{text}: {some(sorted(paths))}" for text, paths in self._notes.items()]

    def unread_warnings(self, files: list[SnapshotFile]) -> Iterator[str]:
        """Say what travels only because Azure ML does not read an ignore file."""
        root = [name for name in self._unread if "/" not in name]
        nested = [name for name in self._unread if "/" in name]
        for names, why, fix in (
            (
                root,
                "there is an .amlignore, and Azure ML reads .gitignore only without one",
                "Copy its lines into .amlignore to keep them here.",
            ),
            (
                nested,
                "Azure ML reads only that of the code folder itself",
                "Name them there to keep them here.",
            ),
        ):
            hidden = {name: list(_would_be_kept_out(self._root, name, files)) for name in names}
            paths = sorted({path for paths in hidden.values() for path in paths})
            if paths:
                unread = some([name for name, found in hidden.items() if found])
                yield (
                    f"{unread} not read: {why}. {len(paths):,} file(s) travel that would be kept "
                    f"out: {some(paths)}. {fix}"
                )

    def _never(self, folder: _Folder, entry: "os.DirEntry[str]", path: str) -> bool:
        rule = ignoring.never(entry.name)
        if entry.name in IGNORE_FILES:
            if path == entry.name:  # azureml-core would obey it a second time
                rule = Rule(path)
            else:
                self._unread.append(path)
        if rule is None:
            return False
        self._keep_out(folder, f"{path}/" if _is_real_folder(entry) else path, rule)
        for overruled in self._rules.names(entry.name):
            self._notes[f"{overruled} would let in what never travels; left out"].append(path)
        return True

    def _keep_out(self, folder: _Folder, path: str, rule: Rule) -> None:
        if not folder.kept_out:  # else its folder is the entry
            self.kept_out.append(KeptOut(path, rule))

    def _subfolder(
        self, folder: _Folder, entry: "os.DirEntry[str]", path: str
    ) -> Iterator[_Folder]:
        """Yield a folder if there is anything to find in it."""
        above = folder.above | {_identity(folder.source)}
        if entry.is_symlink() and _identity(entry.path) in above:
            self._notes["left out, a link to a folder that it stands in"].append(path)
            return
        # azureml-core asks about the folder's own name first, and then about each file in it.
        whole, by = self._rules.decide(path)
        kept_out, rule = (whole, by) if whole else self._rules.decide(f"{path}/")
        if kept_out and rule is not None:
            self._keep_out(folder, f"{path}/", rule)
            if whole or not self._rules.may_let_in_again(rule):
                return
        yield _Folder(entry.path, f"{path}/", above, kept_out)

    def _file(
        self, folder: _Folder, entry: "os.DirEntry[str]", path: str
    ) -> Iterator[SnapshotFile]:
        if folder.kept_out and not self._rules.lets_in(path):
            return
        kept_out, rule = self._rules.decide(path)
        if kept_out and rule is not None:
            self._keep_out(folder, path, rule)
            return
        try:
            found = entry.stat()
        except OSError as error:
            if not entry.is_symlink():  # it vanished
                raise _unreadable(entry.path, error) from None
            self._notes["left out, a link that points nowhere"].append(path)
            return
        if not stat.S_ISREG(found.st_mode):
            kind = _KINDS.get(stat.S_IFMT(found.st_mode), "device")
            self._notes[f"left out, a {kind} and no file"].append(path)
            return
        file = SnapshotFile(
            Path(entry.path), PurePosixPath(path), found.st_size, rule, found.st_mtime_ns
        )
        _refuse_what_cannot_travel(file)
        yield file


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from None


def _would_be_kept_out(root: Path, name: str, files: list[SnapshotFile]) -> Iterator[PurePosixPath]:
    """Yield the files that an ignore file would keep out if it were read."""
    try:
        rules = ignoring.read(root / name, name)
    except SnapshotError:  # nobody reads it: it may be anything
        return
    base = PurePosixPath(name).parent
    for file in files:
        if file.rule or not file.path.is_relative_to(base) or file.path.name in IGNORE_FILES:
            continue  # a rule let it in on purpose, it is elsewhere, or it is such a file itself
        if rules.decide(str(file.path.relative_to(base)))[0]:
            yield file.path


def _refuse_what_cannot_travel(file: SnapshotFile) -> None:
    refuse_too_deep(file)
    try:
        str(file.path).encode()
    except UnicodeEncodeError:
        raise SnapshotError(
            f"The name of {shown(file.source)} is not UTF-8, and Azure ML takes no other. Rename "
            "the file, or leave it out with .amlignore."
        ) from None
    try:  # azureml-core would leave it out with no more than a line on standard output
        with file.source.open("rb"):
            pass
    except OSError as error:
        raise _unreadable(file.source, error) from None


def _unreadable(path: str | Path, error: OSError) -> SnapshotError:
    return SnapshotError(
        f"{shown(path)} cannot be read: {error.strerror}. Leave it out with .amlignore, or "
        "mend its permissions."
    )


def _is_real_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False)


def _identity(folder: str) -> tuple[int, int]:
    found = os.stat(folder)  # noqa: PTH116 - the walk works on texts for speed
    return found.st_dev, found.st_ino


def _package_files() -> Iterator[SnapshotFile]:
    """List remote_entry itself: it travels with the code, so that both sides agree."""
    found = importlib.util.find_spec("remote_entry")
    assert found is not None  # noqa: S101 - one distribution brings both packages
    package = Path(str(found.origin)).parent
    for source in package.rglob("*.py"):
        path = PurePosixPath("remote_entry") / source.relative_to(package).as_posix()
        yield SnapshotFile(source, path, source.stat().st_size)
