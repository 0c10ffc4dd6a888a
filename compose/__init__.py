# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Where the parts are put together: settings, wiring, telemetry, command line."""
