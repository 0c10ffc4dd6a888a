# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is wrong, and what an operator does about it: for the operators' page, in German and English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from compose.status import Status

_LAG_S = 60.0
_COMPLETE = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """Something that is wrong, and what to do, in German and English.

    Attributes:
        level: `problem`: data does not flow; `notice`: somebody should look.
    """

    level: str
    de: str
    en: str
    do_de: str
    do_en: str

    def as_json(self) -> dict[str, str]:
        """Return it for the page."""
        return {name: getattr(self, name) for name in self.__slots__}


#: What to do about dead letters, by kind: German, English.
REMEDIES: Mapping[str, tuple[str, str]] = {
    "unknown-device": (
        "`volme devices pending` zeigt sie mit einem Vorschlag; `volme devices approve` stellt Wartendes zu.",
        "`volme devices pending` lists them with a proposal; `volme devices approve` delivers what waits.",
    ),
    "unknown-profile": (
        "Profil anlegen oder beim Gerät ein vorhandenes eintragen (`volme profiles`), dann erneut zustellen.",
        "Add the profile or give the device one that exists (`volme profiles`), then replay.",
    ),
    "late": (
        "Der Broker führt keine Geschichte. Die Messwerte bleiben hier, bis er es tut.",
        "The broker keeps no history. The readings stay here until it does.",
    ),
    "refused": (
        "Der Grund steht in den Worten des Brokers dabei; nach der Abhilfe erneut zustellen.",
        "The reason is there in the broker's own words; mend it, then replay.",
    ),
    "defect": (
        "Ein Fehler von Volme: bitte melden. Nach der nächsten Version erneut zustellen.",
        "A defect of Volme: please report it. Replay with the next release.",
    ),
}
_REPLAY = (
    "`volme dead-letters list --kind {kind}`, Ursache beheben, `volme dead-letters replay --kind {kind}`.",
    "See `volme dead-letters list --kind {kind}`, mend the cause, `volme dead-letters replay --kind {kind}`.",
)


def flow(status: Status) -> Iterator[Advice]:
    """Return what keeps messages from flowing."""
    said, broker = status.as_json(), status.broker_error
    if status.store_error is not None:
        yield store(status.store_error)
    if broker is not None:
        yield Advice(
            level="problem",
            de=f"Der NGSI-LD-Broker nimmt nichts an: {broker}",
            en=f"The NGSI-LD broker takes nothing: {broker}",
            do_de="Broker prüfen und starten. Es geht nichts verloren: Alles wartet im Journal.",
            do_en="Check and start the broker. Nothing is lost: everything waits in the journal.",
        )
    for name, source in said["sources"].items():
        if source["error"]:
            yield Advice(
                level="problem",
                de=f"Quelle {name}: {source['error']}",
                en=f"Source {name}: {source['error']}",
                do_de="Adresse, Zugangsdaten und MQTT-Broker prüfen; Volme verbindet sich von selbst wieder.",
                do_en="Check address, credentials and the MQTT broker; Volme reconnects by itself.",
            )
    if status.lag > _LAG_S and not status.problems:
        rest = said["drainedInSeconds"]
        gone_de = "" if rest is None else f", aufgeholt in etwa {rest // 60 + 1} min"
        gone_en = "" if rest is None else f", gone in about {rest // 60 + 1} min"
        yield Advice(
            level="notice",
            de=f"{status.pending} Nachrichten warten, die älteste seit {status.lag:.0f} s{gone_de}.",
            en=f"{status.pending} messages wait, the oldest for {status.lag:.0f} s{gone_en}.",
            do_de="Geräte unter `priority` warten nicht. Bleibt es so, braucht der Broker mehr Leistung.",
            do_en="Devices under `priority` do not wait. If it stays so, the broker needs a bigger machine.",
        )


def store(reason: str) -> Advice:
    """Return what to do where PostgreSQL is away."""
    return Advice(
        level="problem",
        de=f"PostgreSQL ist nicht erreichbar: {reason}",
        en=f"PostgreSQL cannot be reached: {reason}",
        do_de="PostgreSQL starten, Speicherplatz prüfen. Bis dahin wird nichts angenommen.",
        do_en="Start PostgreSQL, check the disk. Until then nothing is taken.",
    )


def letters(counts: Mapping[str, int]) -> Iterator[Advice]:
    """Return what to do about dead letters, by how many there are of a kind."""
    for kind, number in sorted(counts.items(), key=lambda item: -item[1]):
        if number:
            do_de, do_en = REMEDIES.get(kind, tuple(text.format(kind=kind) for text in _REPLAY))
            yield Advice(
                level="notice",
                de=f"{number} nicht zustellbare Nachrichten der Art „{kind}“",
                en=f"{number} dead letters of the kind “{kind}”",
                do_de=do_de,
                do_en=do_en,
            )


def devices(silent: int, share: float | None) -> Iterator[Advice]:
    """Return what to do about silent devices, and about what is missing of all that was sent."""
    if silent:
        yield Advice(
            level="notice",
            de=f"{silent} Geräte schweigen",
            en=f"{silent} devices are silent",
            do_de="Batterie, Empfang und Gateway prüfen; die Liste unten nennt sie zuerst.",
            do_en="Check battery, reception and gateway; the list below names them first.",
        )
    if share is not None and share < _COMPLETE:
        yield Advice(
            level="notice",
            de=f"In den letzten 24 Stunden kamen {100 * share:.1f} % der Sendungen an",
            en=f"In the last 24 hours {100 * share:.1f} % of what was sent has come",
            do_de="Fehlt es bei vielen Geräten zugleich, liegt es am Gateway oder am Netzwerkserver.",
            do_en="Where many devices miss at the same time, it is the gateway or the network server.",
        )


def subscriptions(failing: Iterable[Mapping[str, Any]]) -> Iterator[Advice]:
    """Return what to do about receivers that are not reached."""
    by_receiver: dict[str, list[str]] = {}
    for each in failing:
        by_receiver.setdefault(each["endpoint"], []).append(each["name"])
    for endpoint, names in by_receiver.items():
        yield Advice(
            level="notice",
            de=f"Benachrichtigungen erreichen {endpoint} nicht: {', '.join(names)}",
            en=f"Notifications do not reach {endpoint}: {', '.join(names)}",
            do_de="Empfänger prüfen; `volme subscriptions apply` belebt pausierte wieder.",
            do_en="Check the receiver; `volme subscriptions apply` revives paused ones.",
        )


def portal(state: Mapping[str, Any] | None) -> Iterator[Advice]:
    """Return what to do about the portal; None: there is none."""
    if state is not None and not state["well"]:
        yield Advice(
            level="problem",
            de=f"Das Portal antwortet nicht, wie es soll: {state['reason']}",
            en=f"The portal does not answer as it should: {state['reason']}",
            do_de="Das Protokoll nennt den Grund (`portal.…`); es wird von selbst neu gestartet.",
            do_en="The log says why (`portal.…`); it is started again by itself.",
        )
