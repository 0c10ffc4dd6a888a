# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""MQTT subscriber: a message is acknowledged after the journal has it on disk, never before.

    broker ── PUBLISH ──► take ── append ──► journal
       ▲                                        │
       └── PUBACK, in the order of arrival ◄────┘

Appends run concurrently, so that the journal commits many at once, and are called in the order
of arrival. What is not on disk yet is bounded in number and bytes; above that reading stops, and
TCP holds the broker back. While the journal cannot store, messages wait here and are tried again
in order; if the connection goes away meanwhile, the broker keeps what it has no acknowledgement
for and delivers it again, and what it delivered with QoS 0 stays here, for nobody else has it.
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
from typing import TYPE_CHECKING

import structlog

from adapters.sources.mqtt_wire import Connection, Login, MqttError, Publish, Version, connect
from adapters.sources.state import SourceState
from models.errors import ConfigurationError, StoreError
from models.message import Message

if TYPE_CHECKING:
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
class _Taken:
    """A message between its arrival and its acknowledgement; `storing` is None while it waits its turn."""

    message: Message
    packet_id: int
    connection: Connection
    storing: asyncio.Task[int] | None = None

    @property
    def stored(self) -> bool:
        """It is on disk."""
        return self.storing is not None and self.storing.done() and _failure(self.storing) is None

    @property
    def abandoned(self) -> bool:
        """The broker will deliver it again, so nobody needs to store it from here."""
        return bool(self.packet_id) and self.connection.closed.done()


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
        self._taken: deque[_Taken] = deque()
        self._bytes = 0
        self._storable = True
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
        left = [each.storing for each in self._taken if each.storing is not None]
        for task in (idle, settling, *left):
            task.cancel()
        await asyncio.gather(connecting, idle, settling, *left, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()
        self.state.connected = False
        self._log.info("mqtt.stopped", not_stored=len(self._taken))

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
                self._settings.host, self._settings.port, self._login, self._take, tls=self._tls
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

    def _take(self, connection: Connection, publish: Publish) -> None:
        now = datetime.now(UTC)
        message = Message(
            source=self.state.name,
            topic=publish.topic,
            payload=publish.payload,
            received_at=now,
            redelivered=publish.duplicate,
            packet_id=publish.packet_id or None,
        )
        taken = _Taken(message, publish.packet_id, connection)
        self._connection = connection
        self._note_connected(connection)
        self._taken.append(taken)
        self._bytes += len(publish.payload)
        self.state.received += 1
        self.state.last_message_at = now
        self.state.in_flight = len(self._taken)
        if self._storable:
            self._store(taken)
        self._arrived.set()
        self._idle.clear()
        if self._full():
            connection.pause()

    def _full(self) -> bool:
        return (
            len(self._taken) >= self._settings.max_in_flight
            or self._bytes >= self._settings.max_in_flight_bytes
        )

    def _store(self, taken: _Taken) -> None:
        # Tasks start in the order in which they are made, so appends are called in that order.
        taken.storing = asyncio.create_task(self._appender.append(taken.message))

    async def _settle(self) -> None:
        """Acknowledge from the oldest on, as they are stored; try again what could not be."""
        failures = 0
        while True:
            await self._arrived.wait()
            while self._taken:
                storing = self._taken[0].storing
                if storing is None:
                    self._store(self._taken[0])
                elif not storing.done():
                    await asyncio.wait((storing,))
                elif (error := _failure(storing)) is not None:
                    await self._retreat(error)
                    await asyncio.sleep(self._delay(failures))
                    self._forget_abandoned()
                    failures += 1
                else:
                    self._acknowledge()
                    self._advance()
                    failures = 0
                self._resume()
            self._arrived.clear()
            self._idle.set()

    def _acknowledge(self) -> None:
        """Acknowledge all at the head that are stored, in one write."""
        connection, packet_ids = self._taken[0].connection, []
        while self._taken and self._taken[0].stored and self._taken[0].connection is connection:
            taken = self._taken.popleft()
            self._bytes -= len(taken.message.payload)
            packet_ids.append(taken.packet_id)
        # A connection that is gone takes no acknowledgement: the broker delivers again, the key tells.
        connection.acknowledge(packet_id for packet_id in packet_ids if packet_id)
        self.state.acknowledged += len(packet_ids)
        self.state.in_flight = len(self._taken)

    async def _retreat(self, error: BaseException) -> None:
        """Let new messages wait, and those that failed with the oldest one too, in their order."""
        self._storable = False
        await asyncio.wait([each.storing for each in self._taken if each.storing is not None])
        for each in self._taken:
            if each.storing is not None and _failure(each.storing) is not None:
                each.storing = None
                self.state.refused += 1
        reason = f"Messages wait, for they cannot be stored: {error}"
        if reason != self.state.error:
            self._log.error("mqtt.not_stored", error=str(error), waiting=len(self._taken))
        self.state.error = reason

    def _advance(self) -> None:
        """After the oldest one was stored, store those that wait."""
        if self._storable:
            return
        self._storable = True
        self.state.error = None
        for each in self._taken:
            if each.storing is None:
                self._store(each)
        self._log.info("mqtt.stored_again", waiting=len(self._taken))

    def _forget_abandoned(self) -> None:
        """Drop what the broker will deliver again, since its connection is gone."""
        kept = [each for each in self._taken if each.stored or not each.abandoned]
        self._taken = deque(kept)
        self._bytes = sum(len(each.message.payload) for each in kept)
        self.state.in_flight = len(kept)

    def _resume(self) -> None:
        if self._connection is not None and not self._stopping and not self._full():
            self._connection.resume()


# Seconds. After a connection that held so long, the count of attempts begins anew.
_STABLE = 30.0


def _failure(storing: asyncio.Task[int]) -> BaseException | None:
    """Return why the message is not on disk; whatever went wrong, it must not be acknowledged."""
    return StoreError("the journal gave up") if storing.cancelled() else storing.exception()


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
