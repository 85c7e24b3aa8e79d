"""Packets and messages of the Tabular Data Stream: bytes in, messages out, no sockets.

A message (a login, a batch, a reply) travels in packets of at most the negotiated size; the
last one carries the end-of-message bit (MS-TDS 2.2.3.1).
"""

import dataclasses
import enum
import struct

import numpy as np

HEADER = struct.Struct(">BBHHBB")  # type, status, length, session id, packet number, window
END_OF_MESSAGE = 0x01
IGNORE = 0x02
RESET_CONNECTION = 0x08
RESET_CONNECTION_KEEPING_TRANSACTION = 0x10

_UNSENT_LIMIT = 1 << 16
_NULL_CHUNKED_LENGTH = 0xFFFFFFFFFFFFFFFF


class PacketType(enum.IntEnum):
    """The kind of a message, from the first byte of each of its packets (MS-TDS 2.2.3.1.1)."""

    BATCH = 1
    RPC = 3
    REPLY = 4
    ATTENTION = 6
    BULK_LOAD = 7
    TRANSACTION_MANAGER = 14
    LOGIN = 16
    PRELOGIN = 18


class ProtocolError(Exception):
    """The other side sent bytes that MS-TDS does not allow here."""


@dataclasses.dataclass(frozen=True)
class Message:
    """One complete message of a client."""

    kind: int
    status: int
    payload: bytes

    @property
    def ignored(self) -> bool:
        """Whether the client gave the message up while it was sending it."""
        return bool(self.status & IGNORE)

    @property
    def resets_connection(self) -> bool:
        """Whether the session starts afresh before this request (connection pools ask so)."""
        return bool(self.status & (RESET_CONNECTION | RESET_CONNECTION_KEEPING_TRANSACTION))


class MessageReader:
    """Joins packets to messages as their bytes arrive."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._parts: list[bytes] = []
        self._first_status = 0

    @property
    def unparsed(self) -> int:
        """How many bytes wait for the rest of their packet."""
        return len(self._received)

    def receive(self, data: bytes) -> None:
        """Take bytes as the transport delivered them, cut anywhere."""
        self._received += data

    def next_message(self) -> Message | None:
        """Return the next complete message, or None until more bytes arrive."""
        while len(self._received) >= HEADER.size:
            kind, status, length = HEADER.unpack_from(self._received)[:3]
            if length < HEADER.size:
                raise ProtocolError(f"a packet header announces {length} bytes in all")
            if len(self._received) < length:
                return None
            if not self._parts:
                self._first_status = status
            self._parts.append(bytes(self._received[HEADER.size : length]))
            del self._received[:length]
            if status & END_OF_MESSAGE:
                payload = b"".join(self._parts)
                self._parts = []
                return Message(kind, self._first_status | (status & IGNORE), payload)
        return None


class PacketWriter:
    """Cuts one reply into packets, a full buffer at a time."""

    def __init__(self, packet_size: int, session_id: int) -> None:
        self._body_size = packet_size - HEADER.size
        self._session_id = session_id
        self._number = 0
        self._unsent = bytearray()

    def add(self, tokens: bytes) -> bytes:
        """Take tokens; return the packets that are worth sending already."""
        self._unsent += tokens
        return self.full_packets() if len(self._unsent) > _UNSENT_LIMIT else b""

    def full_packets(self) -> bytes:
        """Return what fills whole packets, keeping something back for the last one."""
        count = (len(self._unsent) - 1) // self._body_size
        if count <= 0:
            return b""
        length = count * self._body_size
        packets = np.empty((count, self._body_size + HEADER.size), np.uint8)
        packets[:, HEADER.size :] = np.frombuffer(self._unsent, np.uint8, length).reshape(count, -1)
        header = HEADER.pack(
            PacketType.REPLY, 0, self._body_size + HEADER.size, self._session_id, 0, 0
        )
        packets[:, : HEADER.size] = np.frombuffer(header, np.uint8)
        packets[:, 6] = (self._number + 1 + np.arange(count)) & 0xFF
        self._number = (self._number + count) & 0xFF
        self._unsent = self._unsent[length:]
        return packets.tobytes()

    def finish(self) -> bytes:
        """Return the rest of the message with the end-of-message bit."""
        packets = self.full_packets()
        header = HEADER.pack(
            PacketType.REPLY,
            END_OF_MESSAGE,
            len(self._unsent) + HEADER.size,
            self._session_id,
            (self._number + 1) & 0xFF,
            0,
        )
        last = header + bytes(self._unsent)
        self._unsent.clear()
        return packets + last


def frame(kind: PacketType, payload: bytes, packet_size: int = 4096) -> bytes:
    """Cut a whole message into packets of one kind."""
    body_size = packet_size - HEADER.size
    packets = []
    for start in range(0, max(len(payload), 1), body_size):
        body = payload[start : start + body_size]
        status = END_OF_MESSAGE if start + body_size >= len(payload) else 0
        packets.append(HEADER.pack(kind, status, len(body) + HEADER.size, 0, 1, 0) + body)
    return b"".join(packets)


class Reader:
    """Reads the little-endian values of a payload one after the other."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self.position = position

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self.position >= len(self._data)

    def peek(self) -> int:
        """Return the next byte without going past it."""
        return self._data[self.position]

    def raw(self, length: int) -> bytes:
        """Read so many bytes."""
        end = self.position + length
        if end > len(self._data):
            raise ProtocolError(f"a message ends {end - len(self._data)} bytes early")
        data = self._data[self.position : end]
        self.position = end
        return data

    def unsigned(self, width: int) -> int:
        """Read an unsigned integer of so many bytes."""
        return int.from_bytes(self.raw(width), "little")

    def signed(self, width: int) -> int:
        """Read a signed integer of so many bytes."""
        return int.from_bytes(self.raw(width), "little", signed=True)

    def text(self, characters: int) -> str:
        """Read so many UTF-16 code units."""
        return self.raw(characters * 2).decode("utf-16-le")

    def short_text(self) -> str:
        """Read a B_VARCHAR: a byte of length, then UTF-16."""
        return self.text(self.unsigned(1))

    def chunked(self) -> bytes | None:
        """Read a partially length-prefixed value (MS-TDS 2.2.5.2.3); None is NULL."""
        if self.unsigned(8) == _NULL_CHUNKED_LENGTH:
            return None
        chunks = []
        while length := self.unsigned(4):
            chunks.append(self.raw(length))
        return b"".join(chunks)
