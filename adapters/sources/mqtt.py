# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""MQTT subscriber: a message is acknowledged after the journal has it on disk, never before.

    broker ── PUBLISH ──► take ──► waiting ── extend ──► journal
       ▲                                                    │
       └──── PUBACK, one write, in the order of arrival ◄───┘

One batch is under way to the journal; what arrives meanwhile waits and is the next one, so batches
are as large as the load asks for and a lone message does not wait for company. What is not on disk
yet is bounded in number and bytes; above that reading stops, and TCP holds the broker back. While
the journal cannot store, messages wait here and are tried again in order, in batches half as large
each time, so that a single one that can never be stored is alone in the end. If the connection goes
away meanwhile, the broker keeps what it has no acknowledgement for and delivers it again; what it
delivered with QoS 0, or forgot with its session, stays here, for nobody else has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import ssl
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

import structlog

from adapters.sources.mqtt_wire import Connection, Login, MqttError, Publish, Version, connect
from adapters.sources.state import SourceState
from models.errors import ConfigurationError
from models.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.ports import Appender

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class MqttSettings:
    """One MQTT broker and what is subscribed there.

    Attributes:
        name: the source's name, for messages, logs and metrics.
        topics: topic filters, subscribed with QoS 1; the broker delivers with what the publisher used.
        version: every broker speaks 3.1.1, The Things Stack and iotcore nothing else.
        client_id: names the session that the broker keeps; None: `volme-<name>`. Two subscribers
            with the same id push each other out.
        tls: use TLS; the broker's certificate and name are always checked.
        ca_file: who signed the broker's certificate; None: the authorities that the system trusts.
        cert_file: our own certificate, where the broker asks for one; with `key_file`.
        session_expiry: seconds that the broker keeps messages for us while we are away (MQTT 5).
        keepalive: seconds; a broker silent for one and a half times as long is given up.
        max_in_flight: messages that may be taken and not on disk yet.
        max_in_flight_bytes: the same, in bytes of payload.
        connect_timeout: seconds for one attempt to connect.
        retry_delay: seconds before the first repetition of what failed; doubled each time.
        retry_delay_limit: seconds; never longer than this.
        stop_timeout: seconds that stopping may wait for the journal.
    """

    name: str
    host: str
    topics: tuple[str, ...]
    port: int = 1883
    version: Version = "3.1.1"
    client_id: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    session_expiry: int = 7 * 24 * 3600
    keepalive: int = 60
    max_in_flight: int = 2000
    max_in_flight_bytes: int = 67_108_864
    connect_timeout: float = 10.0
    retry_delay: float = 0.5
    retry_delay_limit: float = 30.0
    stop_timeout: float = 8.0


@dataclass(slots=True)
class _Arrived:
    """Messages that arrived together, until they are acknowledged."""

    connection: Connection
    messages: list[Message]


class MqttSource:
    """Takes messages from one MQTT broker to the journal until it is cancelled.

    Raises:
        ConfigurationError: the settings cannot be used.
    """

    def __init__(self, settings: MqttSettings, appender: Appender) -> None:
        if not settings.topics:
            sentence = f"The source {settings.name} subscribes to no topic."
            raise ConfigurationError(sentence)
        self.state = SourceState(name=settings.name)
        self._settings = settings
        self._appender = appender
        self._tls = _tls(settings)
        self._login = Login(
            version=settings.version,
            client_id=settings.client_id or f"volme-{settings.name}",
            username=settings.username,
            password=settings.password,
            expiry=settings.session_expiry,
            keepalive=settings.keepalive,
        )
        self._log = log.bind(source=settings.name)
        self._waiting: deque[_Arrived] = deque()
        self._count = 0
        self._bytes = 0
        self._most = settings.max_in_flight
        self._stopping = False
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost.

        On cancellation nothing more is taken, what was taken is stored and acknowledged within
        `stop_timeout`, and the session is left with the broker.
        """
        connecting = asyncio.create_task(self._keep_connected(), name=f"{self.state.name} connecting")
        settling = asyncio.create_task(self._settle(), name=f"{self.state.name} settling")
        try:
            done, _ = await asyncio.wait((connecting, settling), return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            await self._stop(connecting, settling)

    async def _stop(self, connecting: asyncio.Task[None], settling: asyncio.Task[None]) -> None:
        self._stopping = True
        connecting.cancel()
        if self._connection is not None:
            self._connection.pause()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.stop_timeout):
                await asyncio.wait(
                    (settling, idle := asyncio.create_task(self._idle.wait())),
                    return_when=asyncio.FIRST_COMPLETED,
                )
        for task in (idle, settling):
            task.cancel()
        await asyncio.gather(connecting, idle, settling, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()
        self.state.connected = False
        self._log.info("mqtt.stopped", not_stored=self._count)

    # The connection.

    async def _keep_connected(self) -> None:
        attempts = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                reason = await self._session()
            except TimeoutError:
                reason = f"no answer within {self._settings.connect_timeout:g} s"
            except (OSError, MqttError) as error:
                reason = _reason(error)
            self.state.connected = False
            self._report(f"Not connected to {self._settings.host}:{self._settings.port}: {reason}.")
            if asyncio.get_running_loop().time() - began > _STABLE:
                attempts = 0
            await asyncio.sleep(self._delay(attempts))
            attempts += 1

    async def _session(self) -> str:
        """Connect, subscribe, and return why the connection ended."""
        async with asyncio.timeout(self._settings.connect_timeout):
            connection = await connect(
                self._settings.host, self._settings.port, self._login, self._take, self._room, tls=self._tls
            )
        self._connection = connection
        try:
            # No time limit: its answer comes behind what the broker kept for us, which may have to wait.
            await connection.subscribe(self._settings.topics)
            self._note_connected(connection)
            return await asyncio.shield(connection.closed)
        finally:
            if self.state.connected and connection.closed.done():
                self.state.reconnects += 1
            self.state.connected = False
            if not self._stopping:
                await connection.close()

    def _note_connected(self, connection: Connection) -> None:
        if not self.state.connected:
            self.state.connected, self.state.error = True, None
            self._log.info("mqtt.connected", session_present=connection.session_present)

    def _report(self, error: str) -> None:
        if error != self.state.error:
            self._log.warning("mqtt.disconnected", error=error)
        self.state.error = error

    def _delay(self, attempts: int) -> float:
        """Return seconds, doubled with every attempt; jitter keeps many from coming back at once."""
        longest: float = min(
            self._settings.retry_delay * 2.0 ** min(attempts, 30), self._settings.retry_delay_limit
        )
        return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret depends on it

    # From arrival to acknowledgement.

    def _take(self, connection: Connection, publishes: list[Publish]) -> None:
        now, source = datetime.now(UTC), self.state.name
        messages = [
            Message(
                source=source,
                topic=each.topic,
                payload=each.payload,
                received_at=now,
                redelivered=each.duplicate,
                packet_id=each.packet_id or None,
            )
            for each in publishes
        ]
        self._connection = connection
        self._note_connected(connection)
        self._waiting.append(_Arrived(connection, messages))
        self._note_in_flight(messages, 1)
        self.state.received += len(messages)
        self.state.last_message_at = now
        self._arrived.set()
        self._idle.clear()

    def _room(self) -> tuple[int, int]:
        """Return how many messages and bytes of payload may be taken now."""
        settings = self._settings
        return settings.max_in_flight - self._count, settings.max_in_flight_bytes - self._bytes

    def _note_in_flight(self, messages: Sequence[Message], sign: Literal[1, -1]) -> None:
        self._count += sign * len(messages)
        self._bytes += sign * sum([len(each.payload) for each in messages])
        self.state.in_flight = self._count

    async def _settle(self) -> None:
        """Store what waits, the oldest first, and acknowledge it; try again what could not be stored."""
        failures = 0
        while True:
            await self._arrived.wait()
            while self._waiting:
                batch = self._next_batch()
                messages = [message for each in batch for message in each.messages]
                if (error := await self._store(messages)) is None:
                    self._acknowledge(batch)
                    failures = 0
                else:
                    self._waiting.extendleft(reversed(batch))
                    self._report_not_stored(error, len(messages))
                    await asyncio.sleep(self._delay(failures))
                    self._forget_abandoned()
                    failures += 1
                self._resume()
            self._arrived.clear()
            self._idle.set()

    def _next_batch(self) -> list[_Arrived]:
        """Take the oldest of what waits, as many messages as may be tried at once."""
        batch, room = [], self._most
        while self._waiting and room > 0:
            arrived = self._waiting.popleft()
            if len(arrived.messages) > room:
                self._waiting.appendleft(_Arrived(arrived.connection, arrived.messages[room:]))
                arrived = _Arrived(arrived.connection, arrived.messages[:room])
            batch.append(arrived)
            room -= len(arrived.messages)
        return batch

    async def _store(self, messages: list[Message]) -> BaseException | str | None:
        """Return None once all are on disk, or else why they may not be acknowledged."""
        # A task of its own: whatever ends it, a cancellation inside of it too, ends it alone.
        storing = asyncio.create_task(self._appender.extend(messages))
        try:
            await asyncio.wait((storing,))
        except asyncio.CancelledError:
            storing.cancel()
            await asyncio.gather(storing, return_exceptions=True)
            raise
        return "the journal gave up" if storing.cancelled() else storing.exception()

    def _acknowledge(self, batch: list[_Arrived]) -> None:
        """Acknowledge what is on disk, in one write; and may try more at once again."""
        for connection, group in groupby(batch, key=attrgetter("connection")):
            messages = [message for each in group for message in each.messages]
            # A connection that is gone takes none: its broker delivers again, and says so.
            connection.acknowledge([each.packet_id for each in messages if each.packet_id])
            self._note_in_flight(messages, -1)
            self.state.acknowledged += len(messages)
        if self._most < self._settings.max_in_flight:
            self._most = min(2 * self._most, self._settings.max_in_flight)
            self._log.info("mqtt.stored_again", waiting=self._count)
            self.state.error = None

    def _report_not_stored(self, error: BaseException | str, tried: int) -> None:
        self.state.refused += tried
        self._most = max(1, tried // 2)
        reason = f"Messages wait, for they cannot be stored: {error}"
        if reason != self.state.error:
            self._log.error("mqtt.not_stored", error=str(error), waiting=self._count)
        self.state.error = reason

    def _forget_abandoned(self) -> None:
        """Drop what the broker delivers again, since it kept the session of a connection that is gone."""
        current = self._connection
        if current is None or current.closed.done() or not current.session_present:
            return
        for each in self._waiting:
            if each.connection is not current:
                dropped = [message for message in each.messages if message.packet_id]
                each.messages = [message for message in each.messages if not message.packet_id]
                self._note_in_flight(dropped, -1)
        self._waiting = deque(each for each in self._waiting if each.messages)

    def _resume(self) -> None:
        if self._connection is not None and not self._stopping and min(self._room()) > 0:
            self._connection.resume()


# Seconds. After a connection that held so long, the count of attempts begins anew.
_STABLE = 30.0


def _reason(error: OSError | MqttError) -> str:
    """Return what an operator can act on, without the numbers of the operating system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or error})"
    if isinstance(error, OSError):
        number = error.errno or 0
        return (os.strerror(number) if number > 0 else error.strerror or str(error)).lower()
    return str(error)


def _tls(settings: MqttSettings) -> ssl.SSLContext | None:
    if not settings.tls:
        if settings.ca_file or settings.cert_file:
            sentence = f"The source {settings.name} names certificates, but its tls is off."
            raise ConfigurationError(sentence)
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        sentence = f"The source {settings.name} cannot use its certificates: {error}."
        raise ConfigurationError(sentence) from error
    return context
