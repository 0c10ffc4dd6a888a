# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""OGC API - Features, read-only: every dataset of a view is a collection.

Parts 1 (17-069r4: Core, GeoJSON, HTML, OpenAPI 3.0) and 2 (18-058: coordinate reference systems), and of
Part 3 (19-079r2) the queryables.
"""

from portal.features.interface import routes

__all__ = ["routes"]
