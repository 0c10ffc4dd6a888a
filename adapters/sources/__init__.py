# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Where messages come from: MQTT, HTTP push, replayed files, the simulator."""
