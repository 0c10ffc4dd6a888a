# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What Volme speaks of: messages, uplinks, readings, devices and the Smart Data Models."""
