# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Data, not code: vocabulary, units, contexts and device profiles."""
