# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What would become of dead letters if they were tried again now; nothing is sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from adapters.codecs.decoding import Codecs
from adapters.profiles import load_profiles
from adapters.translate import World, translate_all
from broker.journal.port import is_forgotten
from compose.commands.words import clean, counted
from compose.readers import javascript_sources, source_readers
from models.errors import LateReadingError, RefusedError
from models.message import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from broker.journal.port import Letter
    from compose.commands.common import Offices
    from compose.settings import Settings
    from models.translation import Translation

Outcome = Literal["delivered", "broker", "ignored", "dead"]

# Reasons that only the broker can give.
_OF_THE_BROKER = {LateReadingError.kind, RefusedError.kind}
_STEP = 100
_STEP_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What would become of one message.

    Attributes:
        letter: its first dead letter, without the payload.
        outcome: `broker`: it can be translated, as it could before, and only the broker can say
            whether it takes it now; `ignored`: it carries no reading.
        entities: ids of those that would be sent.
        problems: kinds and sentences.
        translation: the steps; None where there are many messages, whose payloads would take too much.
    """

    letter: Letter
    outcome: Outcome
    entities: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]
    translation: Translation | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as scripts read it."""
        return {
            "outcome": self.outcome,
            "entities": list(self.entities),
            "problems": [{"kind": kind, "sentence": sentence} for kind, sentence in self.problems],
        }


async def tried(letters: Sequence[Letter], at: Offices, settings: Settings) -> AsyncIterator[Trial]:
    """Translate the message of each letter, with the devices, profiles and codecs of now."""
    codecs = Codecs(javascript_sources(settings))
    world = World(
        city=settings.city,
        devices=at.registry.devices,
        profiles=load_profiles(settings.profiles),
        codecs=codecs,
        readers=source_readers(settings),
    )
    firsts: dict[int, Letter] = {}
    for letter in sorted(letters, key=lambda one: one.id):
        firsts.setdefault(letter.seq, letter)  # several letters of one message are one try
    try:
        for some in _steps(list(firsts.values())):
            whole = [(letter, await at.journal.dead_letter(letter.id)) for letter in some]
            found = [(letter, _message(full)) for letter, full in whole if full is not None]
            translations = await translate_all([message for _, message in found], world)
            for (letter, _), done in zip(found, translations, strict=True):
                yield Trial(
                    letter=letter,
                    outcome=_outcome(letter, done),
                    entities=tuple(update.id for update in done.entities),
                    problems=tuple((problem.kind, problem.sentence) for problem in done.problems),
                    translation=done if len(firsts) == 1 else None,
                )
    finally:
        await codecs.close()


def _steps(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    """Yield a few letters at a time, fewer where they are large."""
    some: list[Letter] = []
    for letter in letters:
        if some and (len(some) == _STEP or sum(one.size for one in some) + letter.size > _STEP_BYTES):
            yield some
            some = []
        some.append(letter)
    if some:
        yield some


def _message(letter: Letter) -> Message:
    return Message(
        source=letter.source,
        topic=letter.topic,
        payload=letter.payload or b"",
        received_at=letter.received_at,
        redelivered=letter.redelivered,
    )


def _outcome(letter: Letter, done: Translation) -> Outcome:
    if is_forgotten(done.message):
        return "ignored"
    if done.problems:
        return "dead"
    if not done.entities:
        return "ignored"
    return "broker" if letter.kind in _OF_THE_BROKER else "delivered"


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """Count what would become of messages; of the dead by the kind of the first reason."""
    outcomes = Counter(trial.outcome for trial in trials)
    dead = Counter(trial.problems[0][0] for trial in trials if trial.outcome == "dead")
    return {**{name: outcomes[name] for name in ("delivered", "broker", "ignored")}, "dead": dict(dead)}


def print_summary(trials: Sequence[Trial]) -> None:
    """Say what would become of messages, a line for each way to end, with an example of why."""
    counts = summary(trials)
    for name, sentence in (
        ("delivered", "would be delivered"),
        ("broker", "can be translated, as before: only the broker can say whether it takes them now"),
        ("ignored", "would be ignored: there is no reading in them"),
    ):
        if counts[name]:
            click.echo(f"{counted(counts[name], 'message')} {sentence}.")
    for kind, count in sorted(counts["dead"].items()):
        of_kind = [trial for trial in trials if trial.outcome == "dead" and trial.problems[0][0] == kind]
        in_part = sum(bool(trial.entities) for trial in of_kind)
        rest = f"; of {in_part:,} the rest would be delivered" if in_part else ""
        such_as = ":" if count == 1 else ", such as:"
        example = clean(of_kind[0].problems[0][1])
        click.secho(
            f"{counted(count, 'message')} would stay dead ({kind}{rest}){such_as} {example}", fg="red"
        )
