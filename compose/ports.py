# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Ports to listen on."""

from __future__ import annotations

import socket

from models.errors import ConfigurationError


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
