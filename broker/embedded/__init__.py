# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""An NGSI-LD context broker on PostgreSQL, for a small city, for tests and for the demo."""
