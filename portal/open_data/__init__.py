# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Pages about the open data, for people: a start page, and a page for each dataset."""

from portal.open_data.pages import routes

__all__ = ["routes"]
