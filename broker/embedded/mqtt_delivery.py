# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Notifications over MQTT (CIM 009, clause 7.2): one connection while there is something to send.

A message holds what over HTTP would be headers and body: `{"metadata": {...}, "body": {...}}`. With
QoS 0, which nobody acknowledges, a ping after it shows that the broker has read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Literal

import orjson
from zmqtt import MQTTConnectError, MQTTDisconnectedError, MQTTError, QoS, ReconnectConfig, create_client

if TYPE_CHECKING:
    import socket

    from zmqtt import MQTTClientV5, MQTTClientV311

    from broker.embedded.endpoints import AddressPolicy
    from broker.embedded.notification_bodies import Message
    from broker.embedded.notification_params import MqttTarget

_CLOSING_SECONDS = 2.0
_LEVELS = (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE)


class MqttLine:
    """Sends the notifications of one subscription, one after the other.

    Args:
        policy: which addresses may be connected to.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._client: MQTTClientV5 | MQTTClientV311 | None = None
        self._target: MqttTarget | None = None

    async def send(self, target: MqttTarget, message: Message) -> None:
        """Publish a notification; returns when the broker has it.

        Raises:
            ForbiddenAddressError: the operator has not allowed the address.
            MQTTError: the broker refuses, or the connection is lost.
            OSError: the broker cannot be reached.
        """
        payload = orjson.dumps({"metadata": message.headers, "body": message.body})
        try:
            client = await self._connected(target)
            await client.publish(target.topic, payload, qos=_LEVELS[target.qos])
            if target.qos == 0:
                await client.ping()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection."""
        client, self._client, self._target = self._client, None, None
        if client is not None:
            with contextlib.suppress(MQTTError, OSError, TimeoutError):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await client.disconnect()

    async def _connected(self, target: MqttTarget) -> MQTTClientV5 | MQTTClientV311:
        if self._client is not None and self._target == target:
            return self._client
        await self.close()
        versions: tuple[Literal["3.1.1", "5.0"], ...] = (
            ("5.0", "3.1.1") if target.version is None else (target.version,)
        )
        for version in versions:
            try:
                self._client = await self._connect(target, version)
            except (MQTTConnectError, MQTTDisconnectedError):
                # a broker that knows 3.1.1 alone refuses, or just hangs up
                if version == versions[-1]:
                    raise
            else:
                break
        self._target = target
        if self._client is None:
            msg = "no version of MQTT was tried"
            raise MQTTError(msg)
        return self._client

    async def _connect(
        self, target: MqttTarget, version: Literal["3.1.1", "5.0"]
    ) -> MQTTClientV5 | MQTTClientV311:
        client = create_client(
            target.host,
            target.port,
            username=target.username,
            password=target.password,
            tls=target.tls,
            version=version,
            reconnect=ReconnectConfig(enabled=False),
            transport_factory=self._open,
        )
        await client.connect()
        return client

    async def _open(self, host: str, port: int, tls: ssl.SSLContext | bool | None) -> _Transport:  # noqa: FBT001 - the client's own signature
        opened: socket.socket = await self._policy.connect(host, port)
        if not tls:
            return _Transport(*await asyncio.open_connection(sock=opened))
        trusted = await asyncio.to_thread(ssl.create_default_context)
        try:
            return _Transport(*await asyncio.open_connection(sock=opened, ssl=trusted, server_hostname=host))
        except BaseException:
            opened.close()
            raise


class _Transport:
    """What the MQTT client reads from and writes to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._open = True

    async def read(self, n: int) -> bytes:
        try:
            data = await self._reader.read(n)
        except OSError as error:
            self._open = False
            raise MQTTDisconnectedError(str(error)) from error
        if not data:
            self._open = False
            msg = "the MQTT broker has closed the connection"
            raise MQTTDisconnectedError(msg)
        return data

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            self._open = False
            raise MQTTDisconnectedError(str(error)) from error

    async def close(self) -> None:
        self._open = False
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._writer.wait_closed()

    @property
    def is_connected(self) -> bool:
        return self._open
