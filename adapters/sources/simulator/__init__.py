# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A simulated Hagen: devices that send what real ones send, at real places, none of it real.

`hagen.toml` says what hangs where; `courses` what it measures; `payloads` how its model says
so; `envelopes` how its network server passes it on. Everything is a function of seed, device
and time, so that every run repeats.
"""

from adapters.sources.simulator.catalogue import Installation, devices, installations
from adapters.sources.simulator.simulator import Frame, Simulator

__all__ = ["Frame", "Installation", "Simulator", "devices", "installations"]
