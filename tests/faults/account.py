# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The account: what was published and acknowledged is delivered, dead or a recognised duplicate."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tests.faults.measures import Measure
from tests.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tests.faults.publisher import Publisher
    from tests.faults.volme_process import Volme

SOURCE = "city"
_OUTCOMES = ("received", "delivered", "dead", "duplicate", "ignored")


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What Volme says became of a source's messages, the same in all places where it says so."""

    received: int
    delivered: int
    dead: int
    duplicate: int
    ignored: int
    letters: Mapping[str, int]


class End(Protocol):
    """Where readings end: it knows what came, and in which order."""

    @property
    def known(self) -> set[tuple[str, str]]:
        """(device, time of observation) of all that came."""
        ...

    async def gathered(self) -> None:
        """Find out what came."""
        ...

    def missing(self, measures: Iterable[Measure]) -> list[Measure]:
        """Return which of these did not come."""
        ...

    def wrong(self, measures: Iterable[Measure]) -> list[Measure]:
        """Return which of these came with another value."""
        ...

    def out_of_order(self) -> list[Any]:
        """Return what came, or stands, behind what is newer."""
        ...


async def settled(volme: Volme, number: int) -> dict[str, Any]:
    """Wait until so many different messages have ended, and none is on its way.

    It gives up when nothing has moved for a long time.
    """
    watch = Patience(f"{number} messages to end")
    while True:
        health = await volme.health()
        source = health["sources"].get(SOURCE, {})
        done = source.get("delivered", 0) + source.get("dead", 0) + source.get("ignored", 0)
        if done >= number and not health["pending"]:
            return health
        moving = source.get("received"), done, source.get("duplicate")
        watch.look(moving, f"{done} of {number} ended, {health}")
        await asyncio.sleep(0.1)


async def stated(volme: Volme) -> Account:
    """Read Volme's own account, from `volme status` and `/metrics`, which must be one."""
    watch = Patience("/metrics and volme status to say the same")
    while True:  # a duplicate may come between the two
        _, out, _ = await volme.ask("status", "--config", str(volme.config), "--json")
        status = json.loads(out)
        source = status["sources"][SOURCE]
        metrics = await volme.metrics()
        measured = {
            outcome: metrics[f'volme_messages_total{{outcome="{outcome}",source="{SOURCE}"}}']
            for outcome in _OUTCOMES
        }
        if measured == {outcome: source[outcome] for outcome in _OUTCOMES}:
            break
        watch.look(measured, f"/metrics says {measured}, and volme status {source}")
        await asyncio.sleep(0.5)
    assert metrics[f'volme_messages_pending{{source="{SOURCE}"}}'] == source["pending"] == status["pending"]
    letters = {kind: number for kind, number in status["deadLetters"].items() if number}
    return Account(letters=letters, **{outcome: source[outcome] for outcome in _OUTCOMES})


async def balance(
    volme: Volme,
    publisher: Publisher,
    receiver: End,
    *,
    dead: Collection[Measure] = (),
    refused: int = 0,
    letters: Mapping[str, int] | None = None,
) -> Account:
    """Wait for the end and hold the three accounts against each other: publisher, Volme, receiver.

    Args:
        dead: measures that must be dead letters, and not in history.
        refused: messages that are no measures and must be dead letters.
        letters: what dead letters there must be, by kind; None: as many as `dead` and `refused`.
    """
    measures = list(dict.fromkeys(each for each in publisher.acknowledged if isinstance(each, Measure)))
    there = [each for each in measures if each not in set(dead)]
    await settled(volme, len(measures) + refused)
    account = await stated(volme)
    await receiver.gathered()
    assert receiver.missing(there) == [], "lost"
    assert receiver.missing(dead) == list(dead), "dead, and delivered"
    assert receiver.wrong(there) == [], "delivered with another value"
    assert receiver.out_of_order() == [], "an older reading after a newer one"
    assert receiver.known == {each.key for each in there}, "delivered and never published"
    assert account.received == account.delivered + account.dead + account.duplicate + account.ignored
    assert (account.delivered, account.dead, account.ignored) == (len(there), len(dead) + refused, 0), account
    if letters is None:
        assert sum(account.letters.values()) == account.dead
    else:
        assert account.letters == dict(letters), account
    return account


async def listed(volme: Volme, *filters: str) -> list[dict[str, Any]]:
    """Return the dead letters as an operator lists them."""
    code, out, err = await volme.ask(
        "dead-letters", "list", "--limit", "10000", "--config", str(volme.config), "--json", *filters
    )
    assert (code, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


async def raw(volme: Volme, letter: int) -> bytes:
    """Return a dead letter's message as an operator saves it."""
    code, out, err = await volme.ask(
        "dead-letters", "show", str(letter), "--raw", "--config", str(volme.config)
    )
    assert (code, err) == (0, "")
    return out.encode()


def by_device(letters: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Count dead letters by device."""
    return Counter(str(letter["device_id"]) for letter in letters)
