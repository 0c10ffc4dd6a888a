# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The subscriber's half of MQTT 3.1.1 and 5: a connection that acknowledges when it is told to.

Why no client library: a source that acknowledges after the commit, in bounded memory, must decide
itself when PUBACK goes out and when reading pauses. Measured beside mosquitto with the same appends,
zmqtt 0.2.5 took seven times the processor time of this and tells nothing of the DUP flag; gmqtt 0.8
took one and a half times, and reads without a bound while the store is behind.

Only what a subscriber with QoS 0 and 1 needs is here: CONNECT, SUBSCRIBE, PUBACK, PINGREQ and
DISCONNECT go out; CONNACK, SUBACK, PUBLISH, PINGRESP and DISCONNECT come in.
Source: OASIS MQTT 3.1.1 and 5.0; numbers in the comments are sections of 5.0.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from msgspec import Struct

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

Version = Literal["3.1.1", "5"]

CONNACK, PUBLISH, SUBACK, PINGRESP, DISCONNECT = 2, 3, 9, 13, 14
# The first byte of a PUBLISH (3.3.1): the kind and what only QoS 2 has; bits of it; and a whole PUBACK.
_KIND_AND_QOS_2, _PUBLISH = 0xF4, 0x30
_QOS_1, _DUP = 0x02, 0x08
_PUBACK = 0x40020000
_PINGREQ = b"\xc0\x00"
_FAILURE = 0x80
_LONGEST_LENGTH = 4
_SHORTEST = 3
_CLOSE_TIMEOUT = 2.0
_REST_S = 0.004
_MUCH = 65_536
LARGEST = 33_554_432
"""Bytes of a packet that are kept. MQTT allows 256 MiB; what is beyond this never enters memory."""
_INCOMPLETE = (0, 0)
_UNBOUNDED = (2**31, 2**63)

_REFUSALS = {
    # 3.1.1, 3.2.2.3
    1: "the broker does not speak this version of MQTT",
    2: "the broker does not allow this client id",
    3: "the broker is not available",
    4: "the broker does not accept the user name and password",
    5: "the broker does not accept the user name and password",
    # 5.0, 2.4
    0x81: "the broker found a malformed packet",
    0x82: "the broker found a breach of the protocol",
    0x84: "the broker does not speak this version of MQTT",
    0x85: "the broker does not allow this client id",
    0x86: "the broker does not accept the user name and password",
    0x87: "the broker does not accept the user name and password",
    0x88: "the broker is not available",
    0x89: "the broker is busy",
    0x8A: "the broker has banned this client",
    0x8B: "the broker is shutting down",
    0x8D: "the broker heard nothing for too long",
    0x8E: "another client connected with the same client id",
    0x93: "the broker expects faster acknowledgements",
    0x95: "a packet was too large for the broker",
    0x97: "a quota is used up",
    0x98: "an administrator ended the connection",
    0x9C: "the broker wants another server to be used",
    0x9D: "the broker has moved to another server",
    0x9F: "the broker limits the rate of connections",
}
_TOPIC_REFUSALS = {
    # 5.0, 3.9.3; 3.1.1 has 0x80 alone
    0x80: "not allowed, or it cannot be subscribed to",
    0x87: "not allowed to this user",
    0x8F: "no filter that it accepts",
    0x97: "a quota is used up",
    0x9E: "it does not support shared subscriptions",
    0xA2: "it does not support wildcards",
}


class MqttError(Exception):
    """The connection could not be made or kept; the text says why, as part of a sentence."""


class Publish(Struct, gc=False):
    """One message as the broker delivers it.

    Attributes:
        packet_id: what is acknowledged; 0: QoS 0, nothing is.
        duplicate: the broker may have delivered it before.
    """

    topic: str
    payload: bytes
    packet_id: int
    duplicate: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """What CONNECT says.

    Attributes:
        expiry: seconds that the broker keeps the session after the connection is gone;
            3.1.1 has no such figure, the broker decides.
        keepalive: seconds.
    """

    version: Version
    client_id: str
    username: str | None
    password: str | None
    expiry: int
    keepalive: int


class Connection(asyncio.Protocol):
    """One network connection of a persistent session.

    Make it with `connect`.

    Args:
        on_publish: takes the messages that arrived together, in the order of arrival.
        room: how many messages, and how many bytes of them, may be handed on now; asked before
            each batch. Without room reading pauses until `resume` is called, so memory is bounded
            by what the caller holds. The message that exceeds the bytes is still handed on.
    """

    def __init__(
        self,
        login: Login,
        on_publish: Callable[[Connection, list[Publish]], None],
        room: Callable[[], tuple[int, int]] = lambda: _UNBOUNDED,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.session_present = False
        self.closed: asyncio.Future[str] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._login = login
        self._v5 = login.version == "5"
        self._on_publish = on_publish
        self._room = room
        self._transport: asyncio.Transport | None = None
        # Received: `_data` is parsed up to `_start`; `_more` came after it. The packet at `_start` has
        # `_wanted` bytes at least: until these are there nothing is put together.
        self._data = b""
        self._start = 0
        self._more = bytearray()
        self._wanted = 0
        self._skip = 0
        self._paused = False
        self._rest: asyncio.TimerHandle | None = None
        self._connack: asyncio.Future[None] = loop.create_future()
        self._suback: asyncio.Future[bytes] | None = None
        self._keepalive = login.keepalive
        self._heard = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe with QoS 1.

        Raises:
            MqttError: the broker refuses a topic, or the connection is lost.
        """
        self._suback = asyncio.get_running_loop().create_future()
        # Retained messages only where the subscription is new (3.8.3.1), or every reconnect brings them.
        options = b"\x11" if self._v5 else b"\x01"
        filters = b"".join(_text(topic) + options for topic in topics)
        self._write(_packet(0x82, b"\x00\x01" + (b"\x00" if self._v5 else b"") + filters))
        for topic, code in zip(topics, await self._answer(self._suback), strict=False):
            if code >= _FAILURE:
                sentence = f"the broker refuses the topic {topic} ({_TOPIC_REFUSALS.get(code, 'no reason')})"
                raise MqttError(sentence)

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send PUBACKs, in the order of arrival as 4.6 asks. Nothing happens on a lost connection."""
        if packet_ids and not self.closed.done():
            pubacks = [_PUBACK | packet_id for packet_id in packet_ids]
            self._write(struct.pack(f"!{len(pubacks)}I", *pubacks))

    def pause(self) -> None:
        """Stop reading; TCP holds the broker back. PINGREQs still go out."""
        self._paused = True
        self._listen()

    def resume(self) -> None:
        """Read on, beginning with what had been received before the pause."""
        if self._paused and not self.closed.done():
            self._paused = False
            self._heard = asyncio.get_running_loop().time()
            self._listen()
            self._parse()

    def _listen(self) -> None:
        """Let the transport read, or not."""
        if self._transport is None or self.closed.done():
            return
        if self._paused or self._rest is not None:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _take_a_rest(self) -> None:
        """Read again in a moment.

        Brokers send each message by itself. To wake up for each costs several times what the
        message itself does, so all of a few milliseconds are read at once; the first is not kept waiting.
        """
        if self._rest is None and not self._paused:
            self._rest = asyncio.get_running_loop().call_later(_REST_S, self._rested)
            self._listen()

    def _rested(self) -> None:
        self._rest = None
        self._listen()

    async def close(self) -> None:
        """Say DISCONNECT, which leaves the session with the broker, and wait until the broker hangs up.

        It does so after it has taken the acknowledgements before it; who connects again sooner
        than that would get their messages once more.
        """
        if self._transport is None:
            return
        if not self.closed.done():
            self._end("the source was stopped")
            self._write(b"\xe0\x00")
            if self._paused or self._rest is not None:
                self._transport.resume_reading()
            await asyncio.wait((self._lost,), timeout=_CLOSE_TIMEOUT)
        self._transport.abort()
        await asyncio.wait((self._lost,), timeout=_CLOSE_TIMEOUT)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        self._transport = cast("asyncio.Transport", transport)
        self._write(_connect(self._login))

    def data_received(self, data: bytes) -> None:
        """Take bytes; whole packets in them are handled at once."""
        if self.closed.done():
            return
        self._heard = asyncio.get_running_loop().time()
        if self._skip:
            data, self._skip = data[self._skip :], max(0, self._skip - len(data))
        if self._start == len(self._data):
            self._data, self._start = data, 0
        else:
            self._more += data
        self._parse()
        if len(data) < _MUCH and not self.closed.done():
            self._take_a_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why; a clean end without DISCONNECT is the broker's too."""
        reason = f"the connection was lost ({exc})" if exc else "the broker closed the connection"
        unanswered = self._v5 and not self._connack.done()
        self._fail(f"{reason} without an answer; it may not speak MQTT 5" if unanswered else reason)
        self._lost.set_result(None)

    # Packets that come in.

    def _parse(self) -> None:
        try:
            while not self._paused and not self.closed.done() and self._whole():
                if not self._collect() and not self._handle_next():
                    break
        except (MqttError, struct.error, IndexError) as error:
            known = isinstance(error, MqttError)
            self._fail(str(error) if known else "the broker sent a malformed packet")

    def _whole(self) -> bool:
        """Put together what was received in pieces; say whether there is a packet to look at."""
        left = len(self._data) - self._start
        if not self._more:
            return left > 0
        if left + len(self._more) < self._wanted:
            return False
        self._data, self._start = self._data[self._start :] + self._more, 0
        self._more, self._wanted = bytearray(), 0
        return True

    def _collect(self) -> bool:
        """Hand on the messages that are next, as one batch; return whether there were any.

        One loop without a call, for what nearly every packet is: QoS 0 or 1, less than 16 KiB, whole,
        without properties. It ends at any other packet, which is `_handle_next`'s.
        """
        data, start, end, v5 = self._data, self._start, len(self._data), self._v5
        room, room_bytes = self._room()
        publishes: list[Publish] = []
        while room > 0 and room_bytes > 0 and end - start > _SHORTEST:
            first, length, body = data[start], data[start + 1], start + 2
            if length > 0x7F:  # noqa: PLR2004 - the bit that says that more follow
                byte = data[body]
                length += (byte << 7) - 0x80
                body = body + 1 if byte <= 0x7F else end + 1  # noqa: PLR2004 - the same bit
            stop = body + length
            if stop > end or first & _KIND_AND_QOS_2 != _PUBLISH or length < _SHORTEST:
                break
            name = body + 2
            position = name + (data[body] << 8 | data[body + 1])
            name_end, packet_id = position, 0
            if first & _QOS_1:
                position += 2
                if position > stop:
                    break
                packet_id = data[name_end] << 8 | data[name_end + 1]
            if v5:
                position += 1
            if position > stop or (v5 and data[position - 1]):
                break
            payload = data[position:stop]
            topic = str(data[name:name_end], "utf-8", "replace")
            # U+0000 is forbidden (1.5.4), but not every broker looks, and no database stores it.
            topic = topic.replace("\x00", "\ufffd") if "\x00" in topic else topic
            publishes.append(Publish(topic, payload, packet_id, first & _DUP > 0))
            start = stop
            room -= 1
            room_bytes -= stop - position
        self._start = start
        if publishes:
            self._on_publish(self, publishes)
        return bool(publishes)

    def _handle_next(self) -> bool:
        """Handle one packet of whatever kind; return False where it is not whole or has to wait."""
        start, available = self._start, len(self._data)
        length, body = _length(self._data, start + 1, available)
        kept = min(length, LARGEST)
        if body == 0 or body + kept > available:
            self._wanted = body - start + kept if body else available - start + 1
            return False
        first, stop = self._data[start], body + kept
        if first >> 4 == PUBLISH and min(self._room()) <= 0:
            self.pause()
            return False
        self._start = min(available, body + length)
        self._skip = max(0, body + length - available)
        self._handle(first, memoryview(self._data)[body:stop])
        return True

    def _handle(self, first: int, body: memoryview) -> None:
        kind = first >> 4
        if kind == PUBLISH:
            self._on_publish(self, [_publish(first, body, v5=self._v5)])
        elif kind == CONNACK:
            self._handle_connack(body)
        elif kind == SUBACK:
            if self._suback is not None and not self._suback.done():
                codes = _after_properties(body, 2) if self._v5 else 2
                self._suback.set_result(bytes(body[codes:]))
        elif kind == DISCONNECT:
            code = body[0] if body else 0
            self._fail(_REFUSALS.get(code, f"the broker ended the connection (reason {code:#04x})"))
        elif kind != PINGRESP:
            sentence = f"the broker sent a packet of type {kind}, which no subscriber expects"
            raise MqttError(sentence)

    def _handle_connack(self, body: memoryview) -> None:
        if body[1]:
            self._fail(_REFUSALS.get(body[1], f"the broker refuses the connection (reason {body[1]:#04x})"))
            return
        self.session_present = bool(body[0] & 1)
        if self._v5:
            self._keepalive = _server_keepalive(body) or self._keepalive
        if not self._connack.done():
            self._connack.set_result(None)
        self._timer = asyncio.get_running_loop().call_later(self._keepalive / 2, self._ping)

    # Keeping the connection, and its end.

    def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._paused and loop.time() - self._heard > 1.5 * self._keepalive:
            self._fail(f"the broker was silent for {1.5 * self._keepalive:.0f} s")
            return
        self._write(_PINGREQ)
        self._timer = loop.call_later(self._keepalive / 2, self._ping)

    async def answer(self) -> None:
        """Wait for CONNACK.

        Raises:
            MqttError: the broker refuses, or the connection is lost.
        """
        await self._answer(self._connack)

    async def _answer(self, future: asyncio.Future[Any]) -> Any:
        await asyncio.wait((future, self.closed), return_when=asyncio.FIRST_COMPLETED)
        if self.closed.done():
            raise MqttError(self.closed.result())
        return future.result()

    def _fail(self, reason: str) -> None:
        self._end(reason)
        if self._transport is not None:
            self._transport.close()

    def _end(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)
        for timer in (self._timer, self._rest):
            if timer is not None:
                timer.cancel()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def connect(
    host: str,
    port: int,
    login: Login,
    on_publish: Callable[[Connection, list[Publish]], None],
    room: Callable[[], tuple[int, int]],
    *,
    tls: ssl.SSLContext | None,
) -> Connection:
    """Open a connection and wait until the broker has accepted it.

    Raises:
        OSError: it cannot be reached, or TLS fails.
        MqttError: the broker refuses.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(login, on_publish, room), host, port, ssl=tls
    )
    try:
        await connection.answer()
    except BaseException:
        await connection.close()
        raise
    return connection


_SHORT = struct.Struct("!H").unpack_from


def _publish(first: int, body: memoryview, *, v5: bool) -> Publish:
    (size,) = _SHORT(body)
    position = 2 + size
    topic = str(body[2:position], "utf-8", "replace")
    qos = first >> 1 & 3
    packet_id = 0
    if qos == 1:
        (packet_id,) = _SHORT(body, position)
        position += 2
    elif qos:
        sentence = "the broker sent a message with QoS 2, which was not asked for"
        raise MqttError(sentence)
    if v5:
        # A single 0 where there are no properties, which is nearly always.
        position = position + 1 if not body[position] else _after_properties(body, position)
    if position > len(body):
        sentence = "the broker sent a malformed packet"
        raise MqttError(sentence)
    return Publish(topic.replace("\x00", "\ufffd"), bytes(body[position:]), packet_id, bool(first & 8))


def _length(buffer: bytes | memoryview, position: int, available: int) -> tuple[int, int]:
    """Read a variable byte integer (1.5.5); return it and the position after it, 0 where it is incomplete."""
    value = 0
    for index in range(_LONGEST_LENGTH):
        if position + index >= available:
            return _INCOMPLETE
        byte = buffer[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return value, position + index + 1
    sentence = "the broker sent a malformed length"
    raise MqttError(sentence)


def _after_properties(body: memoryview, position: int) -> int:
    length, start = _length(body, position, len(body))
    return start + length


def _server_keepalive(body: memoryview) -> int:
    """Return the Server Keep Alive (3.2.2.3.14) of a CONNACK; 0: it has none."""
    position, end = 3, _after_properties(body, 2)
    length, position = _length(body, 2, len(body))
    end = position + length
    while position < end:
        identifier = body[position]
        position += 1
        if identifier == _SERVER_KEEP_ALIVE:
            (seconds,) = _SHORT(body, position)
            return int(seconds)
        position += _property_size(identifier, body, position)
    return 0


_SERVER_KEEP_ALIVE = 0x13
_PROPERTY_SIZES = {0x11: 4, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}
_USER_PROPERTY = 0x26


def _property_size(identifier: int, body: memoryview, position: int) -> int:
    if identifier in _PROPERTY_SIZES:
        return _PROPERTY_SIZES[identifier]
    # All others of a CONNACK are texts or bytes with their length before them; a user property is two.
    size = 2 + int(_SHORT(body, position)[0])
    if identifier == _USER_PROPERTY:
        size += 2 + int(_SHORT(body, position + size)[0])
    return size


def _connect(login: Login) -> bytes:
    flags = (0x80 if login.username is not None else 0) | (0x40 if login.password is not None else 0)
    level = 5 if login.version == "5" else 4
    head = _text("MQTT") + struct.pack("!BBH", level, flags, login.keepalive)
    if login.version == "5":
        head += struct.pack("!BBI", 5, 0x11, login.expiry)
    given = (login.client_id, login.username, login.password)
    return _packet(0x10, head + b"".join(_text(each) for each in given if each is not None))


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("!H", len(encoded)) + encoded


def _packet(first: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        rest, byte = divmod(rest, 128)
        length.append(byte | (0x80 if rest else 0))
        if not rest:
            return bytes((first, *length)) + body
