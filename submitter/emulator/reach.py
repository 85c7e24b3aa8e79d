"""The variables that point a program at the emulator, and nowhere else."""

from collections.abc import Callable, Mapping
from pathlib import Path

LOCAL_HOSTS = "127.0.0.1,localhost"


def reach(proxy_url: str, authority: Path) -> Mapping[str, str]:
    """Return what makes unmodified clients reach the emulator.

    Args:
        proxy_url: The gateway.
        authority: The PEM file of the certificate authority to trust.

    Returns:
        Variables for requests, azure-core, aiohttp, OpenSSL and curl.
    """
    return {
        "HTTPS_PROXY": proxy_url,
        "https_proxy": proxy_url,
        "NO_PROXY": LOCAL_HOSTS,
        "no_proxy": LOCAL_HOSTS,
        "REQUESTS_CA_BUNDLE": str(authority),
        "SSL_CERT_FILE": str(authority),
        "CURL_CA_BUNDLE": str(authority),
    }


def run_environment(
    reached_by: Mapping[str, str], sql_server: str | None, sql_port: int
) -> Callable[[Mapping[str, str]], Mapping[str, str]]:
    """Return what completes the variables of a run.

    ODBC drivers know no proxy, and the played SQL Server's name does not resolve. So any variable
    whose value is exactly that name (`tcp:` before it and `,1433` after it make no difference) is
    handed to the run as `localhost,<port>`: the emulator's stand for DNS.

    Args:
        reached_by: The variables of `reach`.
        sql_server: The played server's name, if there is one.
        sql_port: Its port on this machine.

    Returns:
        A function from the variables that a run was given to those it gets.
    """

    def complete(given: Mapping[str, str]) -> Mapping[str, str]:
        redirected = {
            name: f"localhost,{sql_port}" if _names(value, sql_server) else value
            for name, value in given.items()
        }
        # Last: a proxy that a project sets for Azure leads nowhere from here.
        return {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **redirected, **reached_by}

    return complete


def _names(value: str, sql_server: str | None) -> bool:
    if sql_server is None:
        return False
    asked = value.strip().lower().removeprefix("tcp:").removesuffix(",1433")
    return asked == sql_server.lower()
