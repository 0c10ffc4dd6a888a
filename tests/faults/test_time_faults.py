# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Readings out of order, hours late, or of a clock that runs ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.account import balance, by_device, listed
from tests.faults.measures import EPOCH, FLEET, Measure
from tests.faults.scale import LIMIT, scaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.faults.town import Town

    Build = Callable[..., AbstractAsyncContextManager[Town]]

pytestmark = pytest.mark.timeout(LIMIT)

_HOUR = 3600
_YEARS = 20 * 365 * 24 * _HOUR


async def test_late_and_impossible(build: Build) -> None:
    """A broker without a temporal API: what is late is kept, and the state never goes backwards."""
    late_devices, mad_devices = FLEET[3:7], FLEET[10:12]
    async with build() as town:
        messages: list[Measure] = []
        late: list[Measure] = []
        impossible: list[Measure] = []
        for turn in range(scaled(10)):
            # Hours later than what is late.
            messages += [Measure(device, 5 * _HOUR + turn) for device in FLEET[:40]]
            late += [Measure(device, _HOUR - turn) for device in late_devices]
            impossible += [Measure(device, _YEARS + turn) for device in mad_devices]
            messages += late[-len(late_devices) :] + impossible[-len(mad_devices) :]
        await town.publisher.send(messages)
        account = await balance(
            town.volme,
            town.publisher,
            town.receiver,
            dead=[*late, *impossible],
            letters={"late": len(late), "impossible-time": len(impossible)},
        )
        assert account.duplicate == town.receiver.repeats == 0
        kept = await listed(town.volme, "--kind", "late")
        assert by_device(kept) == {device: len(late) // len(late_devices) for device in late_devices}
        # With all that the temporal API will need.
        times = {
            (letter["device_id"], entity["temperature"]["observedAt"])
            for letter in kept
            for entity in letter["detail"]["entities"]
            if "temperature" in entity
        }
        assert times == {each.key for each in late}
        flagged = await listed(town.volme, "--kind", "impossible-time")
        assert set(by_device(flagged)) == set(mad_devices)
        year = str(EPOCH.year + 20)[:3]
        assert all(year in letter["sentence"] for letter in flagged)
