"""Packets: cut and joined at any byte."""

import pytest

from submitter.emulator.sqlserver.wire import (
    MessageReader,
    PacketType,
    PacketWriter,
    ProtocolError,
    Reader,
    frame,
)


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_a_message_survives_any_cut_of_its_bytes(step: int) -> None:
    """Bytes arrive as the network likes."""
    payload = bytes(range(256)) * 40
    data = frame(PacketType.BATCH, payload, 512)
    reader = MessageReader()
    found = []
    for start in range(0, len(data), step):
        reader.receive(data[start : start + step])
        while (message := reader.next_message()) is not None:
            found.append(message)
    assert [(message.kind, message.payload) for message in found] == [(PacketType.BATCH, payload)]


@pytest.mark.parametrize("length", [1, 504, 505, 1008, 100_000, 300_000])
def test_what_a_writer_cuts_a_reader_joins(length: int) -> None:
    """Packet borders are nowhere to be seen, and only the last packet ends the message."""
    payload = bytes(index % 251 for index in range(length))
    writer = PacketWriter(512, 51)
    data = b"".join(writer.add(payload[start : start + 9_999]) for start in range(0, length, 9_999))
    data += writer.finish()
    reader = MessageReader()
    reader.receive(data)
    message = reader.next_message()
    assert message is not None
    assert message.payload == payload
    assert reader.next_message() is None
    assert reader.unparsed == 0


def test_a_header_shorter_than_itself_is_refused() -> None:
    """A length below eight would never end."""
    reader = MessageReader()
    reader.receive(b"\x01\x01\x00\x03\x00\x00\x00\x00")
    with pytest.raises(ProtocolError, match="3 bytes"):
        reader.next_message()


def test_a_message_that_ends_early_is_refused() -> None:
    """A reader says how many bytes are missing."""
    with pytest.raises(ProtocolError, match="2 bytes early"):
        Reader(b"\x01\x02").raw(4)


def test_a_chunked_value_is_joined_and_its_null_is_none() -> None:
    """Partially length-prefixed values come in chunks up to an empty one."""
    chunks = (6).to_bytes(8, "little") + b"\x02\0\0\0ab\x04\0\0\0cdef\0\0\0\0"
    assert Reader(chunks).chunked() == b"abcdef"
    assert Reader(b"\xff" * 8).chunked() is None
