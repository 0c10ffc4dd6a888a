# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files of published data: their columns, rows, formats, and where those of days that are over are kept."""
