# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Where the parts of a platform listen and can be reached."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compose.settings import LOOPBACK
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from compose.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Where the parts of a running platform can be reached.

    A port is None where the operator's own part runs elsewhere. `moved`: ports that were taken, and
    those that are used instead.
    """

    web: str
    web_port: int
    broker: str
    broker_port: int | None
    mqtt: str | None
    mqtt_port: int | None
    portal: str | None = None
    portal_port: int | None = None
    moved: tuple[tuple[int, int], ...] = ()


def choose_addresses(settings: Settings, *, strict: bool) -> Addresses:
    """Find a port for each part that is to listen here.

    Args:
        settings: what the operator set.
        strict: a port that is taken is an error, not a reason to take another.

    Raises:
        ConfigurationError: a port is taken and `strict`, or an address is not this machine's.
    """
    moved: list[tuple[int, int]] = []

    def choose(host: str, wanted: int) -> int:
        port = free_port(host, wanted, strict=strict)
        if wanted not in (port, 0):
            moved.append((wanted, port))
        return port

    web = settings.web
    embedded = settings.broker.embedded
    web_port = choose(web.host, web.port)
    broker_port = None if settings.broker.url else choose(embedded.host, embedded.port)
    mqtt_port = None if settings.mqtt else choose(LOOPBACK, settings.embedded_mqtt_port)
    portal = settings.portal
    portal_port = None if portal.datasets is None else choose(portal.host, portal.port)
    return Addresses(
        web=(web.public_url or _url(web.host, web_port, tls=web.tls is not None)).rstrip("/"),
        web_port=web_port,
        broker=(
            settings.broker.url or _url(embedded.host, broker_port or 0, tls=embedded.tls is not None)
        ).rstrip("/"),
        broker_port=broker_port,
        mqtt=f"mqtt://{LOOPBACK}:{mqtt_port}" if mqtt_port else None,
        mqtt_port=mqtt_port,
        portal=None if portal_port is None else portal_address(settings, portal_port),
        portal_port=portal_port,
        moved=tuple(moved),
    )


def portal_address(settings: Settings, port: int) -> str:
    """Return how the public reaches the portal."""
    portal = settings.portal
    return (portal.public_url or _url(portal.host, port, tls=portal.tls is not None)).rstrip("/")


def notify_address(settings: Settings, port: int) -> str:
    """Return how the broker reaches the portal."""
    portal = settings.portal
    return (portal.notify_url or _url(portal.host, port, tls=portal.tls is not None)).rstrip("/")


def _url(host: str, port: int, *, tls: bool) -> str:
    reachable = {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"{'https' if tls else 'http'}://{reachable}:{port}"


def free_port(host: str, wanted: int, *, strict: bool) -> int:
    """Return `wanted` where nothing listens on it, otherwise any free port.

    Args:
        host: address to listen on.
        wanted: the port that users expect; 0: any.
        strict: the operator chose the port; another one would not be found.

    Raises:
        ConfigurationError: the port is taken and `strict`, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (wanted, 0):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # What a server does: a port whose last connections still linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except PermissionError as error:
                msg = f"only root may listen on port {port}"
                raise ConfigurationError(msg) from error
            except OSError as error:
                if strict or port == 0:
                    msg = f"cannot listen on {host}:{port}: {error.strerror}"
                    raise ConfigurationError(msg) from error
                continue
            return int(probe.getsockname()[1])
    msg = f"no free port on {host}"
    raise ConfigurationError(msg)
