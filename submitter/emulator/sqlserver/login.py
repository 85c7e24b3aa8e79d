"""From PRELOGIN to a session: what the client offers, what it is answered.

Sources: MS-TDS 2.2.6.5 (PRELOGIN), 2.2.6.4 (LOGIN7), 2.2.7.11 (FEATUREEXTACK).
"""

import dataclasses
import enum
import struct
from collections.abc import Callable, Collection, Iterable, Mapping

from submitter.emulator.sqlserver import tokens
from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.tokens import VERSION, Change, Done, Status
from submitter.emulator.sqlserver.wire import ProtocolError

TOKEN_PRINCIPAL = "<token-identified principal>"  # noqa: S105 - the server's name for it
DEFAULT_PACKET_SIZE = 4096
SMALLEST_PACKET = 512
LARGEST_ENCRYPTED_PACKET = 16384  # a TLS record holds no more
_FEDERATED_AUTHENTICATION = 0x02
_UTF8_SUPPORT = 0x0A
_SECURITY_TOKEN = 0x01
_PRELOGIN_END = 0xFF


class PreloginOption(enum.IntEnum):
    """The options of PRELOGIN that the emulator answers."""

    VERSION = 0
    ENCRYPTION = 1
    INSTANCE = 2
    THREAD = 3
    MARS = 4
    FEDERATED = 6


class Encryption(enum.IntEnum):
    """What both sides say about encryption."""

    OFF = 0
    ON = 1
    NOT_SUPPORTED = 2
    REQUIRED = 3


@dataclasses.dataclass(frozen=True)
class Login:
    """A SQL login.

    Attributes:
        name: The user name.
        password: The password.
        databases: The databases it may open; None is all of them.
    """

    name: str
    password: str = dataclasses.field(repr=False)
    databases: frozenset[str] | None = None


@dataclasses.dataclass(frozen=True)
class LoginRequest:
    """What a LOGIN7 message says."""

    user: str
    password: str = dataclasses.field(repr=False)
    access_token: str | None = dataclasses.field(repr=False)
    host: str
    application: str
    database: str
    protocol_version: int
    packet_size: int
    features: Mapping[int, bytes] = dataclasses.field(repr=False)


def prelogin_answer(payload: bytes, *, already_encrypted: bool, can_encrypt: bool = True) -> bytes:
    """Return the answer to a PRELOGIN: encryption always, no MARS.

    Args:
        payload: The client's message.
        already_encrypted: Whether TLS came first, as TDS 8.0 does.
        can_encrypt: Whether the server says so; a client that insists then leaves.

    Raises:
        ProtocolError: The message is cut short, or the client cannot encrypt.
    """
    offered = _prelogin_options(payload)
    encryption = (offered.get(PreloginOption.ENCRYPTION) or b"\0")[0]
    if encryption == Encryption.NOT_SUPPORTED and not already_encrypted:
        raise ProtocolError("the client cannot encrypt; the emulator plays encrypted connections")
    client_wants_it = already_encrypted or encryption in {Encryption.ON, Encryption.REQUIRED}
    agreed = Encryption.ON if client_wants_it else Encryption.REQUIRED
    answer = {
        PreloginOption.VERSION: struct.pack(">BBHH", *VERSION, 0),
        PreloginOption.ENCRYPTION: bytes([agreed if can_encrypt else Encryption.NOT_SUPPORTED]),
        PreloginOption.INSTANCE: b"\0",
        PreloginOption.THREAD: b"",
        PreloginOption.MARS: b"\0",
    }
    if PreloginOption.FEDERATED in offered:
        answer[PreloginOption.FEDERATED] = offered[PreloginOption.FEDERATED][:1]
    return _prelogin_message(answer)


def parse_login(payload: bytes) -> LoginRequest:
    """Read a LOGIN7 message; the password comes merely scrambled, TLS protects it."""
    if len(payload) < 94:  # noqa: PLR2004 - the fixed part of LOGIN7
        raise ProtocolError("a LOGIN7 message ends early")
    version, packet_size = struct.unpack_from("<II", payload, 4)
    features = _features(payload) if payload[27] & 0x10 else {}
    return LoginRequest(
        user=_field(payload, 1).decode("utf-16-le"),
        password=_unscramble(_field(payload, 2)).decode("utf-16-le", "replace"),
        access_token=_access_token(features.get(_FEDERATED_AUTHENTICATION)),
        host=_field(payload, 0).decode("utf-16-le"),
        application=_field(payload, 3).decode("utf-16-le"),
        database=_field(payload, 8).decode("utf-16-le"),
        protocol_version=version,
        packet_size=_negotiated(packet_size),
        features=features,
    )


class Gatekeeper:
    """Decides who gets in.

    Args:
        logins: The logins, or a callable from a name to its current password.
        check_token: From an access token to its principal's name, None if it is no good; it may
            raise 18456 with a reason.
    """

    def __init__(
        self,
        logins: Iterable[Login] | Callable[[str], str | None],
        check_token: Callable[[str], str | None] | None = None,
    ) -> None:
        self._password_of = logins if callable(logins) else None
        known = () if callable(logins) else logins
        self._logins = {login.name.lower(): login for login in known}
        self._check_token = check_token

    def admit(self, request: LoginRequest, databases: Collection[str]) -> str:
        """Return the name that the session runs under.

        Args:
            request: Who asks, and for which database.
            databases: The names that exist, in lower case.

        Raises:
            SqlError: 18456 for wrong credentials, 4060 for a database out of reach.
        """
        if request.access_token is not None:
            name = self._check_token(request.access_token) if self._check_token else None
            if name is None:
                raise login_failed(TOKEN_PRINCIPAL)
            reachable = None
        else:
            name = request.user
            reachable = self._check_password(request)
        wanted = (request.database or "master").lower()
        allowed = reachable is None or wanted in {database.lower() for database in reachable}
        if wanted not in databases or (not allowed and wanted != "master"):
            raise SqlError(
                4060,
                f'Cannot open database "{request.database}" requested by the login. '
                "The login failed.",
                severity=11,
            )
        return name

    def _check_password(self, request: LoginRequest) -> frozenset[str] | None:
        """Return the databases the login may open."""
        if self._password_of is not None:
            expected = self._password_of(request.user)
            if expected is None or expected != request.password:
                raise login_failed(request.user)
            return None
        login = self._logins.get(request.user.lower())
        if login is None or login.password != request.password:
            raise login_failed(request.user)
        return login.databases


def acceptance(request: LoginRequest, database: str) -> bytes:
    """Return the tokens that let a client in."""
    # A client of TDS 7.x says 7.4; one of TDS 8.0 says 8.0; both hear their own version.
    features = []
    if _FEDERATED_AUTHENTICATION in request.features:
        features.append((_FEDERATED_AUTHENTICATION, b""))
    if _UTF8_SUPPORT in request.features:
        features.append((_UTF8_SUPPORT, b"\x01"))
    size = str(request.packet_size)
    parts = [
        tokens.change(Change.DATABASE, database, "master"),
        tokens.info(5701, f"Changed database context to '{database}'.", state=2),
        tokens.collation_change(),
        tokens.change(Change.LANGUAGE, "us_english", ""),
        tokens.info(5703, "Changed language setting to us_english."),
        tokens.login_acknowledgement(request.protocol_version),
        tokens.change(Change.PACKET_SIZE, size, size),
    ]
    if features:
        parts.append(tokens.feature_acknowledgements(features))
    parts.append(tokens.done(Done.BATCH, Status.FINAL))
    return b"".join(parts)


def refusal(problem: SqlError) -> bytes:
    """Return the tokens that turn a client away."""
    return tokens.error(problem) + tokens.done(Done.BATCH, Status.ERROR)


def login_failed(name: str, reason: str = "") -> SqlError:
    """Return error 18456; only for tokens does a server say why."""
    return SqlError(18456, f"Login failed for user '{name}'.{reason}", severity=14)


def _prelogin_options(payload: bytes) -> dict[int, bytes]:
    options = {}
    position = 0
    try:
        while payload[position] != _PRELOGIN_END:
            option, offset, length = struct.unpack_from(">BHH", payload, position)
            options[option] = payload[offset : offset + length]
            position += 5
    except (IndexError, struct.error):
        raise ProtocolError("a PRELOGIN message ends early") from None
    return options


def _prelogin_message(options: Mapping[PreloginOption, bytes]) -> bytes:
    offset = len(options) * 5 + 1
    index = b""
    data = b""
    for option, value in options.items():
        index += struct.pack(">BHH", option, offset + len(data), len(value))
        data += value
    return index + bytes([_PRELOGIN_END]) + data


def _field(payload: bytes, index: int) -> bytes:
    offset, length = struct.unpack_from("<HH", payload, 36 + 4 * index)
    return payload[offset : offset + 2 * length]


def _unscramble(scrambled: bytes) -> bytes:
    """Undo LOGIN7's scrambling: nibbles swapped, then exclusive or with A5."""
    plain = []
    for byte in scrambled:
        swapped = byte ^ 0xA5
        plain.append((swapped >> 4) | ((swapped & 0x0F) << 4))
    return bytes(plain)


def _features(payload: bytes) -> dict[int, bytes]:
    """Read the feature extension block, which a pointer points to."""
    try:
        pointer = struct.unpack_from("<H", payload, 36 + 20)[0]
        position = struct.unpack_from("<I", payload, pointer)[0]
        features = {}
        while payload[position] != 0xFF:  # noqa: PLR2004 - the terminator
            identifier, length = struct.unpack_from("<BI", payload, position)
            features[identifier] = payload[position + 5 : position + 5 + length]
            position += 5 + length
    except (IndexError, struct.error):
        raise ProtocolError("a LOGIN7 feature block ends early") from None
    return features


def _access_token(feature: bytes | None) -> str | None:
    if not feature or feature[0] >> 1 != _SECURITY_TOKEN:
        return None
    length = struct.unpack_from("<I", feature, 1)[0]
    return feature[5 : 5 + length].decode("utf-16-le")


def _negotiated(packet_size: int) -> int:
    wanted = packet_size or DEFAULT_PACKET_SIZE
    return min(max(wanted, SMALLEST_PACKET), LARGEST_ENCRYPTED_PACKET)
