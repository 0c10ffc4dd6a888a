# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Tickets: what became of messages between reading and commit.

A batch of the log has one ticket, and is settled when all of it is. A message that was taken before
its turn has one of its own until its batch comes.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

from broker.journal.port import Batch, DeadLetter, SettledBatch, Tally, key_hash
from models.errors import LateReadingError
from models.uplink import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from broker.activity import Book
    from models.counters import Counters
    from models.errors import MessageError
    from models.translation import Translation


# Device, time of observation, key, frame counter, and whether it came before.
_Heard = tuple[str, datetime, "int | None", "int | None", bool]


class Ahead:
    """A message that was taken before its turn.

    Attributes:
        waiting: entity updates on their way.
        follower: the ticket of its batch, once that was read, and its place there.
    """

    __slots__ = ("duplicate", "follower", "problems", "translation", "waiting")

    def __init__(self, translation: Translation) -> None:
        self.translation = translation
        self.problems: list[MessageError] = [*translation.problems]
        self.duplicate = False
        self.waiting = 0
        self.follower: tuple[Ticket, int] | None = None

    def arrived(self, index: int, problem: MessageError | None) -> None:
        """See `Owner.arrived`."""
        del index
        if problem is not None:
            self.problems.append(problem)
        self.waiting -= 1
        if self.waiting == 0 and self.follower is not None:
            ticket, place = self.follower
            ticket.note(place, self.problems)
            ticket.arrived(place, None)


class Ticket:
    """One batch of the log.

    Attributes:
        count: of its messages; `position`: the place behind the last.
        waiting: entity updates on their way.
        duplicates: places of messages that came before.
        problems: what is wrong, by place.
        size: bytes of payload.
        committed: the journal knows how it ended.
    """

    __slots__ = (
        "_counts",
        "_heard",
        "_letters",
        "_result",
        "_settled",
        "batch",
        "committed",
        "count",
        "duplicates",
        "position",
        "problems",
        "size",
        "translations",
        "waiting",
    )

    def __init__(
        self, batch: Batch, translations: Sequence[Translation], settled: Callable[[Ticket], None]
    ) -> None:
        self.batch = batch
        self.count = len(batch)
        self.position = batch.position
        self.translations = list(translations)
        self.waiting = 0
        self.duplicates: set[int] = set()
        self.problems: defaultdict[int, list[MessageError]] = defaultdict(list)
        self.size = sum([len(message.payload) for message in batch.messages])
        self.committed = False
        self._settled = settled
        self._result: SettledBatch | None = None
        self._letters: list[DeadLetter] = []
        self._heard: list[_Heard] = []
        self._counts = [
            (done.device.id, done.counts) for done in translations if done.counts and done.device is not None
        ]

    def shrink(self) -> None:
        """Keep of a settled batch what its commit will say, and nothing else."""
        self._result, self._letters, self._heard = self.settle(), list(self.dead_letters()), self._all_heard()
        self.translations.clear()
        self.problems.clear()
        self.batch = Batch(day=self.batch.day, first=self.batch.first, messages=())

    def arrived(self, index: int, problem: MessageError | None) -> None:
        """See `Owner.arrived`."""
        if problem is not None:
            self.problems[index].append(problem)
        self.waiting -= 1
        if self.waiting == 0:
            self._settled(self)

    def note(self, index: int, problems: Sequence[MessageError]) -> None:
        """Add what is wrong with a message."""
        if problems:
            self.problems[index] += problems

    def adopt(self, index: int, ahead: Ahead) -> None:
        """Take over a message that was taken before its turn."""
        self.translations[index] = ahead.translation
        if ahead.duplicate:
            self.duplicates.add(index)
        if ahead.waiting:
            ahead.follower = (self, index)
            self.waiting += 1
        else:
            self.note(index, ahead.problems)

    def settle(self) -> SettledBatch:
        """Count what became of the messages, by source."""
        if self._result is not None:
            return self._result
        counts: dict[str, list[int]] = {}
        duplicates, problems = self.duplicates, self.problems
        for index, (message, done) in enumerate(zip(self.batch.messages, self.translations, strict=True)):
            count = counts.get(message.source)
            if count is None:
                count = counts[message.source] = [0] * 6
            entities = done.entities
            if index in duplicates:
                count[2] += 1
            elif index in problems:
                count[1] += 1
            elif entities:
                count[0] += 1
            else:
                count[3] += 1
            count[4] += done.count
            count[5] += len(entities)
        names = ("delivered", "dead", "duplicate", "ignored", "readings", "entities")
        return SettledBatch(
            first=self.batch.first,
            last=self.batch.last,
            day=self.batch.day,
            tallies={
                source: Tally(**dict(zip(names, count, strict=True))) for source, count in counts.items()
            },
        )

    def note_activity(self, book: Book, counters: Counters) -> None:
        """Enter the messages into the book of devices, and what their counters say."""
        for device_id, counts in self._counts:
            counters.note(device_id, counts)
        for device_id, observed_at, key, f_cnt, duplicate in self._heard or self._all_heard():
            book.settle(device_id, observed_at, key=key, f_cnt=f_cnt, duplicate=duplicate)

    def _all_heard(self) -> list[_Heard]:
        return [
            (
                done.device.id,
                uplink.observed_at,
                None if uplink.key is None else key_hash(uplink.key),
                uplink.f_cnt,
                index in self.duplicates,
            )
            for index, done in enumerate(self.translations)
            if done.device is not None and (uplink := done.uplink) is not None and uplink.network != REGISTRY
        ]

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Give the dead letters of the batch, in order."""
        yield from self._letters
        for index in sorted(self.problems.keys() - self.duplicates):
            done, seq = self.translations[index], self.batch.first + index
            uplink = done.uplink
            envelope = (
                {"network": uplink.network, "name": uplink.name, "model": list(uplink.model)}
                if uplink
                else {}
            )
            for problem in _late_as_one(self.problems[index]):
                yield DeadLetter(
                    seq=seq,
                    message=self.batch.messages[index],
                    kind=problem.kind,
                    sentence=problem.sentence,
                    device_id=problem.device_id or (uplink.device_id if uplink else None),
                    detail={**envelope, **problem.detail},
                    replay_of=self.batch.replays.get(seq),
                )


def _late_as_one(problems: Sequence[MessageError]) -> Iterator[MessageError]:
    """Give the problems of a message; what is late of its entities is one, told by the first."""
    late = [problem for problem in problems if isinstance(problem, LateReadingError)]
    yield from (problem for problem in problems if not isinstance(problem, LateReadingError))
    if late:
        entities = [entity for problem in late for entity in problem.detail["entities"]]
        yield LateReadingError(late[0].sentence, device_id=late[0].device_id, detail={"entities": entities})
