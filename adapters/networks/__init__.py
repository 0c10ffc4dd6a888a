# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Network servers' envelopes: one module each, from a `Message` to an `Uplink`."""
