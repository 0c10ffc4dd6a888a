# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which addresses the broker may connect to on behalf of a client.

A subscription's endpoint and a remote @context are addresses that somebody else chose. By
default only public ones are connected to; networks beyond them are the operator's to allow.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from broker.embedded.problems import BadRequestDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(OSError):
    """The name leads to an address that the operator has not allowed."""


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
        """Check an endpoint before it is stored.

        A name that cannot be resolved now passes: it is checked again at each connection.

        Raises:
            BadRequestDataError: not http or https, no host, or an address that is not allowed.
        """
        host, port = split_http(uri)
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
            ForbiddenAddressError: it is not allowed.
        """
        host = urlsplit(uri).hostname or ""
        try:
            allowed = self.allows(host)
        except ValueError:
            return  # a name: the resolver checks it
        if not allowed:
            raise ForbiddenAddressError(self.refusal(host, host))

    def session(self, *, timeout: float, connections: int) -> aiohttp.ClientSession:
        """Open an HTTP client that connects to allowed addresses alone."""
        connector = aiohttp.TCPConnector(resolver=_CheckedResolver(self), limit=connections)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
        )


def split_http(uri: object) -> tuple[str, int]:
    """Return host and port of an http or https URI.

    Raises:
        BadRequestDataError: it is none.
    """
    if not isinstance(uri, str):
        raise BadRequestDataError(detail="an endpoint's uri must be a string")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise BadRequestDataError(detail=f"{uri[:200]} is not a URI: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not uri.isprintable() or " " in uri:
        raise BadRequestDataError(detail=f"{uri[:200]} is not an http or https URI with a host")
    return parts.hostname, port or (443 if parts.scheme == "https" else 80)


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
