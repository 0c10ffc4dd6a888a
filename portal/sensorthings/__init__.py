# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""OGC SensorThings API 1.1, Sensing (OGC 18-088), read-only, at /sensorthings/v1.1.

A client of the NGSI-LD broker like every interface of the portal: what it shows is what the reader's view
has, current entities kept for a few seconds, observations from the broker's history. Where the broker has
none, Observations are the current values alone.
"""

from __future__ import annotations

from portal.sensorthings.service import PATH, routes

__all__ = ["PATH", "routes"]
