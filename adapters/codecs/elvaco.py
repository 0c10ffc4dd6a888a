# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Elvaco CMi41xx in heat meters: an identifier of the message's format, then M-Bus records.

Source: Elvaco, "CMi4110 / CMi4130 / CMi4140 User's Manual", and Diehl, "CMi4160": message formats Standard,
Compact, Scheduled (daily redundant and extended). The format JSON is text, for the network server to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.codecs.mbus import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.table import TableCodec

_F_PORT = 2
_HEADER = b"\x15"  # the CMi4140's Standard

CODECS: Mapping[str, TableCodec] = {
    "elvaco.cmi": records("elvaco.cmi", header=_HEADER, ports=(_F_PORT,)),
}
