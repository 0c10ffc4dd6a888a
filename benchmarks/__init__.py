# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How fast Volme is, as ratios to bare loops in the same run: `python -m benchmarks --help`."""
