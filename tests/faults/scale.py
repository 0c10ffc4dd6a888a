# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How much: each figure is for a build machine of two slow cores; a soak multiplies them.

VOLME_FAULTS_SCALE=20      twenty times the load and the length of every fault
VOLME_FAULTS_KILLS=50      kills of one run
VOLME_FAULTS_BACKLOG=1000000
VOLME_FAULTS_SEED=4711     the moments of an earlier run again
"""

from __future__ import annotations

import os
import random

SCALE = float(os.environ.get("VOLME_FAULTS_SCALE", "1"))
KILLS = int(os.environ.get("VOLME_FAULTS_KILLS", "8"))
BACKLOG = int(os.environ.get("VOLME_FAULTS_BACKLOG", "30000"))
SEED = int(os.environ.get("VOLME_FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

#: Messages a second of a steady load.
RATE = 400.0
#: Seconds for one test: a generous end of what hangs.
LIMIT = int(600 * max(1.0, SCALE) + max(0, BACKLOG - 40_000) / 250 + 10 * max(0, KILLS - 8))


def scaled(number: float) -> int:
    """Return so many, or times as many in a soak."""
    return int(number * SCALE)
