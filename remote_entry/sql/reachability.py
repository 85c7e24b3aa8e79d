"""Is there anybody at a host and port, answered at once.

Microsoft's driver tries a refused port again until its login timeout has passed, and reports DNS
failures, refusals and silence alike as ``HYT00 Login timeout expired``.
"""

import socket

from remote_entry.errors import SqlError

CONNECT_SECONDS = 5.0
DEFAULT_PORT = 1433


def check_reachable(host: str, port: int | None) -> None:
    r"""Open a TCP connection and close it again.

    Args:
        host: A host name; a named instance (``host\instance``) has a port of its own and is not
            checked.
        port: TCP port; 1433 if None.

    Raises:
        SqlError: The name does not resolve, the port refuses or nobody answers.
    """
    if "\\" not in host:
        look_up(host)
        open_port(host, port).close()


def look_up(host: str) -> list[str]:
    """Return the addresses of a host name.

    Raises:
        SqlError: The name does not resolve.
    """
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise SqlError(
            f"SQL Server {host} (SQL_SERVER): its name does not resolve",
            kind="sql.dns",
            hint="check the spelling of SQL_SERVER, and the DNS of the compute's network",
        ) from None
    return sorted({str(address[0]) for *_, address in answers})


def open_port(host: str, port: int | None, *, seconds: float = CONNECT_SECONDS) -> socket.socket:
    """Return an open TCP connection.

    Args:
        host: A host name.
        port: TCP port; 1433 if None.
        seconds: How long to wait, now and for each later answer.

    Raises:
        SqlError: The port refuses or nobody answers.
    """
    address = (host, port or DEFAULT_PORT)
    try:
        return socket.create_connection(address, timeout=seconds)
    except TimeoutError:
        raise SqlError(
            f"SQL Server {host}, port {address[1]} (SQL_SERVER): no answer within {seconds:g} s",
            kind="sql.timeout",
            hint="check firewalls and private endpoints between the compute and the server",
        ) from None
    except OSError as error:
        cut = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
        kind = "reset" if cut else "refused"
        raise SqlError(
            f"SQL Server {host}, port {address[1]} (SQL_SERVER): {error.strerror}",
            kind=f"sql.{kind}",
            hint="check host and port of SQL_SERVER, and that the server is running",
        ) from None
