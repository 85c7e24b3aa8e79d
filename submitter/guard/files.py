"""Credentials in the files that travel."""

import fnmatch
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from submitter.errors import SnapshotError
from submitter.guard.findings import Finding
from submitter.guard.search import Hit, Search

# Rules look at texts up to this size, in bytes; larger ones are data. This machine's own values are
# looked for in every byte of every file.
_LARGEST_TEXT = 16 * 1024 * 1024
_PIECE = 8 * 1024 * 1024
_OVERLAP = 64 * 1024  # longer than any form of a secret
_LARGEST_UNPACKED = 64 * 1024 * 1024
_SNIFFED = 8192
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # as PowerShell writes files
_ARCHIVE = b"PK\x03\x04"  # .zip, .whl, .jar, .docx, .npz

_SETTINGS = (
    *("*.ini", "*.cfg", "*.conf", "*.properties", "*.toml", "*.yml", "*.yaml", "*.tfvars"),
    *("*.sh", "*.bash", "*.zsh", "*.bat", "*.cmd"),
    *("dockerfile", "*.dockerfile", ".npmrc", ".pypirc"),
)
_DOTENV = (".env", ".env.*", "*.env", ".envrc")
_CREDENTIAL_STORES = (
    *(".netrc", "_netrc", ".pgpass", ".git-credentials", ".databrickscfg", "*.publishsettings"),
    *("*.pfx", "*.p12", "*.jks", "*.kdbx", "*.ppk", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"),
    *("msal_token_cache*", "accesstokens.json", "service_principal_entries*"),
)


class Travelling(Protocol):
    """A file of the snapshot; see `submitter.snapshot.SnapshotFile`."""

    @property
    def source(self) -> Path:
        """Where it is on this machine."""

    @property
    def path(self) -> PurePosixPath:
        """Where it will be in the run's working folder."""

    @property
    def size(self) -> int:
        """In bytes."""


def in_files(files: Iterable[Travelling], search: Search) -> Iterator[Finding]:
    """Yield the credentials in the files of a snapshot.

    Searched are: every file for this machine's own values, in all their forms; every text of up to
    16 MiB by the rules; the members of zip files (wheels too) like files, but not archives in
    archives, nor what other archives compress.

    Args:
        files: The files.
        search: What to look for.

    Raises:
        SnapshotError: A file cannot be read.
    """
    for file in files:
        if file.size and _is_named(file.path.name, _CREDENTIAL_STORES):
            yield Finding(
                str(file.path), "a file in which credentials are kept", source=file.source
            )
        try:
            for where, hit in _in_file(file, search):
                yield Finding(
                    where=where,
                    what=hit.what,
                    line=hit.line or None,
                    variable=hit.variable,
                    source=file.source,
                    commented=hit.commented,
                )
        except OSError as error:
            raise SnapshotError(
                f"{file.source} cannot be read: {error.strerror}. Leave it out with .amlignore, or "
                "mend its permissions."
            ) from None


def _in_file(file: Travelling, search: Search) -> Iterator[tuple[str, Hit]]:
    name = str(file.path)
    if file.size > _LARGEST_TEXT:
        yield from ((name, hit) for hit in _in_pieces(file.source, search))
    else:
        content = file.source.read_bytes()
        yield from ((name, hit) for hit in _in_content(file.path.name, content, search))
    if _is_archive(file.source, file.size):
        yield from _in_archive(file, search)


def _in_content(name: str, content: bytes, search: Search) -> Iterator[Hit]:
    encoding = _BYTE_ORDER_MARKS.get(content[:2])
    if encoding:
        content = content.decode(encoding, "replace").encode()
    if b"\0" in content[:_SNIFFED]:
        yield from search.own_values_in(content)
    elif _is_named(name, _DOTENV):
        yield from search.in_dotenv(content)
    elif _is_named(name, _SETTINGS):
        yield from search.in_settings(content)
    else:
        yield from search.in_text(content)


def _in_pieces(source: Path, search: Search) -> Iterator[Hit]:
    """Look for own values in a large file; a line number would need all of it."""
    tail = b""
    with source.open("rb") as stream:
        while piece := stream.read(_PIECE):
            content = tail + piece
            yield from search.own_values_in(content)
            tail = content[-_OVERLAP:]


def _is_archive(source: Path, size: int) -> bool:
    if size < len(_ARCHIVE):
        return False
    with source.open("rb") as stream:
        return stream.read(len(_ARCHIVE)) == _ARCHIVE


def _in_archive(file: Travelling, search: Search) -> Iterator[tuple[str, Hit]]:
    left = _LARGEST_UNPACKED
    try:
        with zipfile.ZipFile(file.source) as archive:
            for member in archive.infolist():
                left -= member.file_size
                if left < 0 or member.flag_bits & 1:  # encrypted: it shows nothing to anybody
                    continue
                content = archive.read(member)
                for hit in _in_content(PurePosixPath(member.filename).name, content, search):
                    yield f"{file.path}!{member.filename}", hit
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError):
        return  # not readable as an archive by the run either


def _is_named(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in patterns)
