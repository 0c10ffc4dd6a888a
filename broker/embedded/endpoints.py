# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which addresses the broker may connect to on behalf of a client.

A subscription's endpoint and a remote @context are addresses that somebody else chose. By
default only public ones are connected to; networks beyond them are the operator's to allow.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from broker.embedded.problems import BadRequestDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import AddrInfoType

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HTTP_PORTS = {"http": 80, "https": 443}
ENDPOINT_PORTS = {**_HTTP_PORTS, "mqtt": 1883, "mqtts": 8883}
"""Scheme of an endpoint that notifications may go to → the port where it names none."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(OSError):
    """The name leads to an address that the operator has not allowed."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EACCES, sentence)

    def __str__(self) -> str:
        return str(self.strerror)


class AddressPolicy:
    """Public addresses and the operator's allowed networks.

    Args:
        allow: networks beyond the public addresses.
        setting: the setting's name, for the sentence that refuses.
    """

    def __init__(self, allow: Sequence[Network], *, setting: str) -> None:
        self._allow = tuple(allow)
        self._setting = setting

    def allows(self, address: str) -> bool:
        """Say whether the broker may connect to an IP address."""
        found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
        if any(found.version == network.version and found in network for network in self._allow):
            return True
        return found.is_global and not found.is_multicast

    def refusal(self, host: str, address: str) -> str:
        """Return the sentence that refuses an address."""
        where = host if host == address else f"{host} ({address})"
        return f"{where} is not a public address and the setting {self._setting} does not allow it"

    async def check(self, uri: object) -> None:
        """Check a notification's endpoint before it is stored.

        A name that cannot be resolved now passes: it is checked again at each connection.

        Raises:
            BadRequestDataError: not http, https, mqtt or mqtts, no host, or an address that is not allowed.
        """
        host, port = split_endpoint(uri)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        for *_, address in found:
            if not self.allows(str(address[0])):
                raise BadRequestDataError(detail=self.refusal(host, str(address[0])))

    def check_literal(self, uri: str) -> None:
        """Check a URI whose host is an IP address, which no resolver sees.

        Raises:
            BadRequestDataError: it is no http, https, mqtt or mqtts URI with a host.
            ForbiddenAddressError: the address is not allowed.
        """
        host, _ = split_endpoint(uri)
        address = _literal(host)
        if address is not None and not self.allows(address):
            raise ForbiddenAddressError(self.refusal(host, address))

    def open_socket(self, address: AddrInfoType) -> socket.socket:
        """Open the socket of a connection, whatever led to its address: name, literal or redirect.

        Raises:
            ForbiddenAddressError: the address is not allowed.
        """
        family, kind, protocol, _, where = address
        if not self.allows(str(where[0])):
            raise ForbiddenAddressError(self.refusal(str(where[0]), str(where[0])))
        return socket.socket(family=family, type=kind, proto=protocol)

    async def connect(self, host: str, port: int) -> socket.socket:
        """Open a TCP connection to the first address of a host that answers.

        Raises:
            ForbiddenAddressError: any of the host's addresses is not allowed.
            OSError: none of them answers.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError(errno.EINVAL, f"{host[:200]} is no name of a host") from error
        for *_, address in found:
            if not self.allows(str(address[0])):
                raise ForbiddenAddressError(self.refusal(host, str(address[0])))
        failure = OSError(errno.EHOSTUNREACH, f"{host} has no address")
        for each in found:
            opened = self.open_socket(each)
            opened.settimeout(0)
            try:
                await loop.sock_connect(opened, each[-1])
            except OSError as error:
                opened.close()
                failure = error
            except BaseException:
                opened.close()
                raise
            else:
                return opened
        raise failure

    def session(self, *, timeout: float, connections: int) -> aiohttp.ClientSession:
        """Open an HTTP client that connects to allowed addresses alone."""
        connector = aiohttp.TCPConnector(
            resolver=_CheckedResolver(self), socket_factory=self.open_socket, limit=connections
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
        )


def split_http(uri: object) -> tuple[str, int]:
    """Return host and port of an http or https URI, as the HTTP client will connect to them.

    Raises:
        BadRequestDataError: it is none.
    """
    return _split(uri, _HTTP_PORTS, "an http or https URI with a host")


def split_endpoint(uri: object) -> tuple[str, int]:
    """Return host and port of a notification's endpoint, which may be an MQTT broker too (clause 7.2).

    Raises:
        BadRequestDataError: it is none.
    """
    return _split(uri, ENDPOINT_PORTS, "an http, https, mqtt or mqtts URI with a host")


def _split(uri: object, ports: Mapping[str, int], what: str) -> tuple[str, int]:
    """Return host and port.

    The HTTP client's own parser reads it: it makes ASCII of other scripts' digits and dots, for one.
    """
    if not isinstance(uri, str):
        raise BadRequestDataError(detail="an endpoint's uri must be a string")
    try:
        url = URL(uri)
    except ValueError as error:
        raise BadRequestDataError(detail=f"{uri[:200]} is not a URI: {error}") from error
    host, port = url.raw_host, url.port if url.explicit_port is not None else ports.get(url.scheme)
    if url.scheme not in ports or not host or not port or not uri.isprintable() or " " in uri:
        raise BadRequestDataError(detail=f"{uri[:200]} is not {what}")
    return host, port


def _literal(host: str) -> str | None:
    """Return the IP address that a host is, also one written as 127.1 or 0x7f000001; None for a name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return _address_or_none(host)
    return str(found[0][4][0])


def _address_or_none(host: str) -> str | None:
    """Return an address of an interface that this machine lacks; None for a name."""
    address = host.partition("%")[0]
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    return address


class _CheckedResolver(AbstractResolver):
    """Resolves names, and refuses one of whose addresses any is not allowed."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for entry in found:
            if not self._policy.allows(entry["host"]):
                raise ForbiddenAddressError(self._policy.refusal(host, entry["host"]))
        return found

    async def close(self) -> None:
        await self._inner.close()


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one (mapped, 6to4, NAT64), which is where it leads."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
