# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The wire of MQTT, byte by byte: against a server that says what a test wants to be said."""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pytest

from adapters.sources.mqtt import MqttSettings, MqttSource
from adapters.sources.mqtt_wire import Connection, Login
from models.errors import StoreError
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from adapters.sources.mqtt_wire import Publish
    from models.message import Message

CONNACK = {"3.1.1": b"\x20\x02\x00\x00", "5": b"\x20\x03\x00\x00\x00"}
SUBACK = {"3.1.1": b"\x90\x03\x00\x01\x01", "5": b"\x90\x04\x00\x01\x00\x01"}
LOGIN = Login(version="5", client_id="x", username=None, password=None, expiry=0, keepalive=60)
VERSIONS: tuple[Literal["3.1.1", "5"], ...] = ("3.1.1", "5")


@dataclass
class Shelf:
    messages: list[Message] = field(default_factory=list)
    broken: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def append(self, message: Message) -> int:
        await self.extend((message,))
        return len(self.messages)

    async def extend(self, messages: Sequence[Message]) -> None:
        await self.open.wait()
        if self.broken:
            sentence = "PostgreSQL is away"
            raise StoreError(sentence)
        self.messages.extend(messages)


@dataclass
class Script:
    """A server that answers CONNECT and SUBSCRIBE with what it was given, and notes what it hears.

    Attributes:
        pieces: whether it sends byte by byte.
    """

    connack: bytes
    rest: bytes = b""
    pieces: bool = False
    hang_up: bool = False
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.heard.append(await reader.read(4096))
        for answer in (self.connack, self.rest):
            for piece in [answer[i : i + 1] for i in range(len(answer))] if self.pieces else [answer]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if answer is self.connack and not self.hang_up:
                self.heard.append(await reader.read(4096))
        while not self.hang_up and (data := await reader.read(4096)):
            self.heard.append(data)
            if data.endswith(b"\xe0\x00"):
                break
        writer.close()


@asynccontextmanager
async def subscribed(
    script: Script | Sessions, version: Literal["3.1.1", "5"], keepalive: int = 60
) -> AsyncIterator[tuple[MqttSource, Shelf]]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    settings = MqttSettings(
        name="wire",
        host="127.0.0.1",
        port=server.sockets[0].getsockname()[1],
        topics=("a",),
        version=version,
        username="volme",
        password="pass",
        keepalive=keepalive,
        retry_delay=0.02,
        retry_delay_limit=0.05,
    )
    shelf = Shelf()
    source = MqttSource(settings, shelf)
    task = asyncio.create_task(source.run())
    try:
        yield source, shelf
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        server.close()
        await server.wait_closed()


def publish(
    payload: bytes, version: str, *, packet_id: int = 7, topic: bytes = b"a", first: int = 0x32
) -> bytes:
    properties = {"3.1.1": b"", "5": b"\x00"}[version]
    identifier = packet_id.to_bytes(2, "big") if first & 6 else b""
    body = len(topic).to_bytes(2, "big") + topic + identifier + properties + payload
    length = bytearray()
    rest = len(body)
    while rest > 127:
        length.append(rest % 128 | 128)
        rest //= 128
    return bytes((first, *length, rest)) + body


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pieces", [False, True])
async def test_packets_are_read_however_they_are_cut(version: Literal["3.1.1", "5"], *, pieces: bool) -> None:
    payloads = [b"", b"x", b"y" * 118, b"y" * 200, b"z" * 17_000]
    packets = [publish(each, version, packet_id=100 + index) for index, each in enumerate(payloads)]
    script = Script(CONNACK[version], SUBACK[version] + b"\xd0\x00" + b"".join(packets), pieces=pieces)
    async with subscribed(script, version) as (source, shelf):
        await until(lambda: source.state.acknowledged == len(payloads))
    assert [each.payload for each in shelf.messages] == payloads
    acknowledged = b"".join(script.heard[2:])
    assert acknowledged == b"".join(b"\x40\x02\x00%c" % (100 + index) for index in range(5)) + b"\xe0\x00"


@pytest.mark.parametrize(
    ("version", "connect", "subscribe"),
    [
        (
            "3.1.1",
            b"\x10\x23\x00\x04MQTT\x04\xc0\x00\x3c\x00\x0avolme-wire\x00\x05volme\x00\x04pass",
            b"\x82\x06\x00\x01\x00\x01a\x01",
        ),
        (
            "5",
            b"\x10\x29\x00\x04MQTT\x05\xc0\x00\x3c\x05\x11\x00\x09\x3a\x80\x00\x0avolme-wire\x00\x05volme\x00\x04pass",
            b"\x82\x07\x00\x01\x00\x00\x01a\x11",
        ),
    ],
)
async def test_what_is_said_to_the_broker(
    version: Literal["3.1.1", "5"], connect: bytes, subscribe: bytes
) -> None:
    """A session that is kept, no will, QoS 1; in MQTT 5 a week's expiry and no limit of what it may send."""
    script = Script(CONNACK[version], SUBACK[version])
    async with subscribed(script, version) as (source, _):
        await until(lambda: source.state.connected)
    assert script.heard == [connect, subscribe, b"\xe0\x00"]


async def test_messages_with_properties_without_qos_and_again() -> None:
    properties = b"\x0f\x03\x00\x04json\x26\x00\x01k\x00\x01v\x01\x01"
    with_properties = b"\x00\x01a\x00\x05" + bytes((len(properties),)) + properties + b"{}"
    script = Script(
        CONNACK["5"],
        SUBACK["5"]
        + bytes((0x3A, len(with_properties)))
        + with_properties
        + publish(b"no ack", "5", first=0x30)
        + publish(b"kept", "5", topic="straße\x00/ü".encode(), first=0x33)
        + publish(b"odd", "5", topic=b"\xff\xfe"),
    )
    async with subscribed(script, "5") as (source, shelf):
        await until(lambda: source.state.acknowledged == 4)
    assert [(each.topic, each.payload, each.redelivered) for each in shelf.messages] == [
        ("a", b"{}", True),
        ("a", b"no ack", False),
        ("straße\ufffd/ü", b"kept", False),
        ("\ufffd\ufffd", b"odd", False),
    ]
    assert b"".join(script.heard[2:]).count(b"\x40\x02") == 3


@pytest.mark.parametrize(
    ("version", "connack", "words"),
    [
        ("3.1.1", b"\x20\x02\x00\x01", "does not speak this version of MQTT"),
        ("3.1.1", b"\x20\x02\x00\x02", "does not allow this client id"),
        ("3.1.1", b"\x20\x02\x00\x05", "does not accept the user name and password"),
        ("3.1.1", b"\x20\x02\x00\x63", "refuses the connection (reason 0x63)"),
        ("5", b"\x20\x03\x00\x86\x00", "does not accept the user name and password"),
        ("5", b"\x20\x03\x00\x84\x00", "does not speak this version of MQTT"),
        ("5", b"\x20\x03\x00\x9f\x00", "limits the rate of connections"),
        ("5", b"", "it may not speak MQTT 5"),
        ("3.1.1", b"", "the broker closed the connection."),
        ("3.1.1", b"\x20\x00", "sent a malformed packet"),
        ("3.1.1", b"\x20\xff\xff\xff\xff\xff", "sent a malformed length"),
        ("3.1.1", b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100, "sent a packet of type 4"),
    ],
)
async def test_a_refused_connection_is_said_and_tried_again(
    version: Literal["3.1.1", "5"], connack: bytes, words: str
) -> None:
    script = Script(connack, hang_up=True)
    async with subscribed(script, version) as (source, _):
        await until(lambda: script.connections >= 3)
        await until(lambda: source.state.error)
        assert words in str(source.state.error)
        assert str(source.state.error).startswith("Not connected to 127.0.0.1:")
        assert not source.state.connected


@pytest.mark.parametrize(
    ("version", "rest", "words"),
    [
        (
            "3.1.1",
            b"\x90\x03\x00\x01\x80",
            "refuses the topic a (not allowed, or it cannot be subscribed to)",
        ),
        ("5", b"\x90\x04\x00\x01\x00\x87", "refuses the topic a (not allowed to this user)"),
        ("5", SUBACK["5"] + b"\xe0\x02\x8e\x00", "another client connected with the same client id"),
        ("5", SUBACK["5"] + b"\xe0\x02\x8b\x00", "the broker is shutting down"),
        ("5", SUBACK["5"] + b"\xe0\x00", "ended the connection (reason 0x00)"),
        ("3.1.1", SUBACK["3.1.1"] + b"\x34\x05\x00\x01a\x00\x01", "a message with QoS 2"),
        ("3.1.1", SUBACK["3.1.1"] + b"\x32\x01\x00", "sent a malformed packet"),
        ("3.1.1", SUBACK["3.1.1"] + b"\x62\x02\x00\x01", "sent a packet of type 6"),
    ],
)
async def test_a_connection_that_goes_wrong_is_said_and_made_again(
    version: Literal["3.1.1", "5"], rest: bytes, words: str
) -> None:
    script = Script(CONNACK[version], rest)
    async with subscribed(script, version) as (source, _):
        errors = set()
        while script.connections < 3:
            errors.add(source.state.error)
            await asyncio.sleep(0.005)
        assert any(words in str(error) for error in errors)


async def test_a_silent_broker_is_given_up() -> None:
    """A keep alive of a second in MQTT 5 is the server's to ask for; properties it knows nothing of pass."""
    properties = b"\x21\x00\x14\x26\x00\x01k\x00\x01v\x1f\x00\x02hi\x13\x00\x01\x2a\x01"
    connack = bytes((0x20, 3 + len(properties), 0, 0, len(properties))) + properties
    script = Script(connack, SUBACK["5"])
    async with subscribed(script, "5") as (source, _):
        await until(lambda: source.state.error)
        assert "the broker was silent for 2 s" in str(source.state.error)
    assert b"\xc0\x00" in script.heard


async def test_who_listens_and_never_answers_is_given_up() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    settings = MqttSettings(
        name="mute",
        host="127.0.0.1",
        port=server.sockets[0].getsockname()[1],
        topics=("a",),
        connect_timeout=0.1,
    )
    source = MqttSource(settings, Shelf())
    task = asyncio.create_task(source.run())
    await until(lambda: source.state.error)
    assert "no answer within 0.1 s" in str(source.state.error)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.close()
    await server.wait_closed()


async def test_no_bytes_of_a_broker_are_beyond_it() -> None:
    """Packets with bytes changed at random either pass or end the connection; nothing else happens."""
    dice = random.Random(7)  # noqa: S311 - dice, no secret
    sound = CONNACK["5"] + SUBACK["5"] + publish(b"x" * 200, "5") + b"\xe0\x02\x8e\x00"
    ended = 0
    for _ in range(2000):
        connection = Connection(LOGIN, lambda _connection, _publishes: None)
        data = bytearray(sound)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        cut = dice.randrange(len(data))
        connection.data_received(bytes(data[:cut]))
        connection.data_received(bytes(data[cut:]))
        ended += connection.closed.done()
        connection.connection_lost(None)
    assert 100 < ended < 2000


async def test_what_arrives_together_is_handed_on_together() -> None:
    """In batches that end where the room does, or at a packet of another kind."""
    batches: list[list[Publish]] = []
    room = [1_000, 1_000_000]

    def take(_connection: Connection, publishes: list[Publish]) -> None:
        batches.append(publishes)
        room[0] -= len(publishes)
        room[1] -= sum(len(each.payload) for each in publishes)

    def sizes() -> list[int]:
        found = [len(batch) for batch in batches]
        batches.clear()
        return found

    ten = b"".join(publish(b"x" * 100, "5", packet_id=number) for number in range(1, 11))
    long = publish(b"y" * 20_000, "5", first=0x30)
    connection = Connection(LOGIN, take, lambda: (room[0], room[1]))
    connection.data_received(CONNACK["5"] + ten + b"\xd0\x00" + ten + long + ten)
    assert sizes() == [10, 10, 1, 10]
    room[:] = [7, 1_000_000]
    connection.data_received(ten + ten)
    assert sizes() == [7]
    room[:] = [1_000, 250]
    connection.resume()
    assert sizes() == [3]
    connection.resume()
    assert sizes() == []
    room[:] = [1_000, 1]
    connection.resume()
    assert sizes() == [1]
    room[:] = [1_000, 1_000_000]
    connection.data_received(ten[:-1])
    connection.resume()
    assert sizes() == [9 + 9]
    connection.data_received(ten[-1:])
    assert sizes() == [1]
    connection.connection_lost(None)


async def test_what_came_before_a_malformed_packet_arrived_all_the_same() -> None:
    taken: list[Publish] = []
    connection = Connection(LOGIN, lambda _connection, publishes: taken.extend(publishes))
    sound = publish(b"1", "5") + publish(b"2", "5")
    connection.data_received(CONNACK["5"] + sound + b"\x32\x06\x00\x01a\x00\x07\x7f" + sound)
    assert connection.closed.result() == "the broker sent a malformed packet"
    assert [each.payload for each in taken] == [b"1", b"2"]
    connection.connection_lost(None)


async def test_cuts_change_nothing() -> None:
    """Whatever pieces the network makes of the bytes, and wherever reading pauses."""
    dice = random.Random(11)  # noqa: S311 - dice, no secret
    packets = [
        publish(
            bytes((number % 256,)) * dice.choice((0, 1, 90, 130, 16_500)),
            "5",
            packet_id=number,
            topic=b"city/%d" % (number % 7),
            first=dice.choice((0x30, 0x32, 0x3A)),
        )
        for number in range(1, 60)
    ]
    data = CONNACK["5"] + b"\xd0\x00".join(packets)
    whole: list[Publish] = []
    connection = Connection(LOGIN, lambda _connection, publishes: whole.extend(publishes))
    connection.data_received(data)
    connection.connection_lost(None)
    assert len(whole) == len(packets)
    for _ in range(100):
        taken: list[Publish] = []
        connection = Connection(LOGIN, lambda _, some, taken=taken: taken.extend(some))  # type: ignore[misc]
        start = 0
        while start < len(data):
            size = dice.choice((1, 2, 50, 400, 20_000))
            if dice.random() < 0.2:
                connection.pause()
            connection.data_received(data[start : start + size])
            connection.resume()
            start += size
        connection.connection_lost(None)
        assert taken == whole


@dataclass
class Sessions:
    """A server that says on each connection what is next, and hangs up when it is told to.

    Attributes:
        scripts: CONNACK and what follows the SUBACK, for each connection.
        heard: what each connection said after SUBSCRIBE.
    """

    scripts: list[tuple[bytes, bytes]]
    heard: list[bytes] = field(default_factory=list)
    hang_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.heard)
        self.heard.append(b"")
        connack, rest = self.scripts[min(number, len(self.scripts) - 1)]
        await reader.read(4096)
        writer.write(connack)
        await reader.read(4096)
        writer.write(SUBACK["3.1.1"] + rest)
        listening = asyncio.create_task(self._listen(number, reader))
        hang_up = asyncio.create_task(self.hang_up.wait())
        await asyncio.wait((listening, hang_up), return_when=asyncio.FIRST_COMPLETED)
        self.hang_up.clear()
        listening.cancel()
        hang_up.cancel()
        writer.close()

    async def _listen(self, number: int, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(4096):
            self.heard[number] += data


def pubacks(*packet_ids: int) -> bytes:
    return b"".join(b"\x40\x02\x00%c" % packet_id for packet_id in packet_ids)


def batch(*packet_ids: int, first: int = 0x32) -> bytes:
    return b"".join(publish(b"%d" % each, "3.1.1", packet_id=each, first=first) for each in packet_ids)


AGAIN = b"\x20\x02\x01\x00"
"""CONNACK of a session that the broker kept."""


async def test_an_acknowledgement_never_goes_to_another_connection() -> None:
    """The batch is on its way to the disk when the connection is lost; part of it comes again."""
    script = Sessions([(CONNACK["3.1.1"], batch(1, 2, 3)), (AGAIN, batch(2, 3, first=0x3A) + batch(1, 4))])
    async with subscribed(script, "3.1.1") as (source, shelf):
        shelf.open.clear()
        await until(lambda: source.state.received == 3)
        script.hang_up.set()
        await until(lambda: source.state.received == 7)
        shelf.open.set()
        await until(lambda: source.state.in_flight == 0)
        await until(lambda: len(script.heard[1]) == 16)
    assert [(each.payload, each.packet_id, each.redelivered) for each in shelf.messages] == [
        *((b"%d" % number, number, False) for number in (1, 2, 3)),
        *((b"%d" % number, number, True) for number in (2, 3)),
        *((b"%d" % number, number, False) for number in (1, 4)),
    ]
    assert script.heard == [b"", pubacks(2, 3, 1, 4) + b"\xe0\x00"]


@pytest.mark.parametrize("kept", [True, False])
async def test_what_the_broker_forgot_stays_here(*, kept: bool) -> None:
    """While the journal is away the connection is lost: with its session all comes again, else nothing."""
    second = (AGAIN, batch(1, 2, first=0x3A)) if kept else (CONNACK["3.1.1"], b"")
    no_copy = publish(b"0", "3.1.1", first=0x30)
    script = Sessions([(CONNACK["3.1.1"], batch(1) + no_copy + batch(2)), second])
    async with subscribed(script, "3.1.1") as (source, shelf):
        shelf.broken = True
        await until(lambda: source.state.refused >= 3)
        script.hang_up.set()
        await until(lambda: source.state.connected and len(script.heard) == 2)
        refused = source.state.refused
        await until(lambda: source.state.refused > refused + 6)
        shelf.broken = False
        await until(lambda: source.state.in_flight == 0)
        assert source.state.error is None
    expected = [b"0", b"1", b"2"] if kept else [b"1", b"0", b"2"]
    assert [each.payload for each in shelf.messages] == expected
    assert script.heard[1] == (pubacks(1, 2) if kept else b"") + b"\xe0\x00"
