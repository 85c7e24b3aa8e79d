"""Where a data set is: in a local folder, or under a path of a blob container.

lake/nightly
abfss://lake@account.dfs.core.windows.net/nightly
"""

import re
from dataclasses import dataclass
from pathlib import Path

# A token is sent there: to Azure's own hosts and to nobody else.
_DOMAINS = ("core.windows.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn")
_ABFSS = re.compile(
    r"abfss://(?P<container>[a-z0-9](?:-?[a-z0-9]){2,62})@(?P<account>[a-z0-9]{3,24})"
    rf"\.dfs\.(?P<domain>{'|'.join(map(re.escape, _DOMAINS))})(?P<path>(?:/[A-Za-z0-9_.=+-]+)*)/?"
)
_DOTS = re.compile(r"\.(?:/|$)")  # Azure knows no name that ends in one
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/*")
_HOLDS_A_KEY = re.compile(r"accountkey\s*=|sharedaccess(key|signature)\s*=|sig=", re.IGNORECASE)


@dataclass(frozen=True)
class BlobFolder:
    """A path in a container; of paths it has what a data set's folder needs.

    Attributes:
        account: The storage account.
        container: The container.
        path: Without a slash at its ends; empty for the container itself.
        domain: The cloud's.
    """

    account: str
    container: str
    path: str = ""
    domain: str = _DOMAINS[0]

    def __str__(self) -> str:
        address = f"abfss://{self.container}@{self.account}.dfs.{self.domain}"
        return f"{address}/{self.path}" if self.path else address

    def __truediv__(self, name: str) -> "BlobFolder":
        path = f"{self.path}/{name}" if self.path else name
        return BlobFolder(self.account, self.container, path, self.domain)

    @property
    def parent(self) -> "BlobFolder":
        """The folder that it is in."""
        return BlobFolder(self.account, self.container, self.path.rpartition("/")[0], self.domain)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def account_url(self) -> str:
        """The account's endpoint for blobs."""
        return f"https://{self.account}.blob.{self.domain}"

    def absolute(self) -> "BlobFolder":
        """Return it as it is: no working directory comes before it."""
        return self


Location = Path | BlobFolder


def location_of(text: str | Path | BlobFolder) -> Location:
    """Read a location.

    Raises:
        ValueError: It is neither; the message quotes nothing, for a key may be in it.
    """
    if not isinstance(text, str):
        return text
    match = _ABFSS.fullmatch(text)
    if match is not None and not _DOTS.search(match["path"]):
        path = match["path"].strip("/")
        return BlobFolder(match["account"], match["container"], path, match["domain"])
    scheme = _SCHEME.match(text)
    if (scheme and "?" in text) or _HOLDS_A_KEY.search(text):
        raise ValueError(
            "keys and signed addresses are not supported: the run's own identity signs in. Write "
            "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER."
        )
    if scheme or "://" in text:
        where = scheme[0] if scheme else "a URL"
        raise ValueError(
            f"{where} is no place to land in, as it is written. Name a local directory, or "
            "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER."
        )
    return Path(text).expanduser()
