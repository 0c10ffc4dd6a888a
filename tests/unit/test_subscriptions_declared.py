# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is declared of subscriptions, and what differs from what a broker has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.subscription_health import health
from broker.subscriptions import Declared, Found, doubts, id_of, plan, refusals
from compose.subscriptions import load_subscriptions
from models.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[2] / "compose" / "subscriptions.toml"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEGEL = """
[[subscription]]
name = "pegel"
types = ["FloodMonitoring"]
watched = ["currentLevel"]
q = "currentLevel>2.0"
throttling = 60
endpoint = "https://leitstelle.example/pegel"
headers = { Authorization = { env = "TOKEN_OF_THE_TEST" }, "X-Quelle" = "volme" }
"""


def declared(folder: Path, text: str = PEGEL) -> tuple[Declared, ...]:
    file = folder / "subscriptions.toml"
    file.write_text(text, encoding="utf-8")
    return tuple(
        each.declared(lambda subject: f"http://volme.example/contexts/{subject}.jsonld")
        for each in load_subscriptions(file)
    )


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_TEST", "Bearer geheim")
    monkeypatch.setenv("LEITSTELLE_TOKEN", "Bearer geheim")


def at_the_broker(one: Declared, **changed: Any) -> Found:
    own = id_of("hagen", one.name)
    document = {"id": own, "type": "Subscription", "status": "active", "isActive": True, **one.document}
    return Found(name=one.name, id=own, document={**document, **changed})


def test_the_example_can_be_used() -> None:
    assert [entry.name for entry in load_subscriptions(EXAMPLE)] == [
        "leitstelle-hochwasser",
        "entsorgung",
        "parkleitsystem",
    ]


def test_as_ngsi_ld(tmp_path: Path) -> None:
    (one,) = declared(tmp_path)
    assert one.context == "http://volme.example/contexts/Environment.jsonld"
    assert one.document == {
        "entities": [{"type": "FloodMonitoring"}],
        "watchedAttributes": ["currentLevel"],
        "q": "currentLevel>2.0",
        "throttling": 60.0,
        "notification": {
            "format": "normalized",
            "endpoint": {
                "uri": "https://leitstelle.example/pegel",
                "accept": "application/json",
                "receiverInfo": [
                    {"key": "Authorization", "value": "Bearer geheim"},
                    {"key": "X-Quelle", "value": "volme"},
                ],
            },
        },
    }


def test_entities_by_id_and_place(tmp_path: Path) -> None:
    text = """
        [[subscription]]
        name = "zwei"
        entities = ["urn:ngsi-ld:FloodMonitoring:hagen:a", "urn:ngsi-ld:FloodMonitoring:hagen:b"]
        geo = { within = [7.4, 51.3, 7.5, 51.4] }
        endpoint = "http://x.example/"
        expires = 2027-01-01T00:00:00Z
    """
    (one,) = declared(tmp_path, text)
    assert one.document["entities"][1] == {
        "id": "urn:ngsi-ld:FloodMonitoring:hagen:b",
        "type": "FloodMonitoring",
    }
    assert one.document["geoQ"]["georel"] == "within"
    assert one.document["expiresAt"] == "2027-01-01T00:00:00.000Z"
    assert len(refusals(one, "orion-ld")) == 1
    assert refusals(one, "embedded") == ()


def test_a_kind_of_broker_that_is_not_reliable(tmp_path: Path) -> None:
    (one,) = declared(tmp_path, PEGEL.replace("https://leitstelle.example", "mqtt://leitstelle.example"))
    assert len(doubts(one, "orion-ld")) == 1
    assert doubts(one, "embedded") == ()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('types = ["FloodMonitoring"]', "", "subscription “pegel”: “types” or “entities” says"),
        ('"FloodMonitoring"', '"Pegel"', "there is no type 'Pegel'"),
        ('"FloodMonitoring"', '"FloodMonitoring", "WeatherObserved"', "of several subjects"),
        ('["currentLevel"]', '["level"]', "FloodMonitoring has no attribute 'level'"),
        ("https://leitstelle", "https://user:secret@leitstelle", "endpoint"),
        ("throttling = 60", "throttling = -1", "throttling"),
        ("throttling = 60", "throttled = 60", "throttled"),
        ('{ env = "TOKEN_OF_THE_TEST" }', '{ env = "TOKEN_THAT_IS_NOT" }', "TOKEN_THAT_IS_NOT"),
        ("[[subscription]]", "[[subscription]", "cannot be read"),
        ('name = "pegel"', 'name = "Pegel 1"', "name"),
    ],
)
def test_what_cannot_be_declared(tmp_path: Path, before: str, after: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        declared(tmp_path, PEGEL.replace(before, after))
    assert "geheim" not in str(caught.value)


def test_one_name_each(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="two subscriptions are called 'pegel'"):
        declared(tmp_path, PEGEL + PEGEL)


# ---- what differs


def test_the_same_in_other_words(tmp_path: Path) -> None:
    (one,) = declared(tmp_path)
    notification = {
        "endpoint": {
            "uri": "https://leitstelle.example/pegel",
            "receiverInfo": [
                {"key": "x-quelle", "value": "volme"},
                {"key": "authorization", "value": "Bearer geheim"},
            ],
        },
        "status": "ok",
        "timesSent": 5,
    }
    have = at_the_broker(
        one, throttling=60, q="currentLevel%3E2.0", notification=notification, origin="cache"
    )
    assert plan([one], [have], city="hagen", now=NOW) == ()


def test_what_is_to_be_done(tmp_path: Path) -> None:
    (one,) = declared(tmp_path)
    (create,) = plan([one], [], city="hagen", now=NOW)
    assert (create.action, create.id) == ("create", "urn:ngsi-ld:Subscription:volme:hagen:pegel")
    assert not any("geheim" in line for line in create.differences)
    (change,) = plan([one], [at_the_broker(one, throttling=5)], city="hagen", now=NOW)
    assert (change.action, change.differences) == ("change", ("throttling: 5 → 60",))
    assert change.document == {"throttling": 60.0}
    (anew,) = plan([one], [at_the_broker(one, geoQ={"georel": "within"})], city="hagen", now=NOW)
    assert anew.action == "replace"
    (gone,) = plan([], [at_the_broker(one)], city="hagen", now=NOW)
    assert gone.action == "delete"
    (revive,) = plan([one], [at_the_broker(one, status="paused", isActive=False)], city="hagen", now=NOW)
    assert (revive.action, revive.document) == ("revive", {"isActive": True})
    (failed,) = plan([one], [at_the_broker(one, status="failed")], city="hagen", now=NOW)
    assert failed.action == "revive"


def test_of_a_secret_that_differs_only_that_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = declared(tmp_path)
    have = at_the_broker(one)
    monkeypatch.setenv("TOKEN_OF_THE_TEST", "Bearer neu")
    (other,) = declared(tmp_path)
    (step,) = plan([other], [have], city="hagen", now=NOW)
    assert step.differences == ("notification.receiverInfo: a value differs",)


def test_what_is_off(tmp_path: Path) -> None:
    (one,) = declared(tmp_path, PEGEL + "active = false\n")
    paused = at_the_broker(one, status="paused", isActive=False)
    assert plan([one], [paused], city="hagen", now=NOW) == ()
    assert [(each.status, each.problem) for each in health([one], [paused], NOW)] == [("off", None)]
    (step,) = plan([one], [at_the_broker(one, isActive=True)], city="hagen", now=NOW)
    assert step.document == {"isActive": False}


def test_what_has_expired_is_not_wanted(tmp_path: Path) -> None:
    (one,) = declared(tmp_path, PEGEL + "expires = 2026-11-22T00:00:00Z\n")
    assert plan([one], [], city="hagen", now=NOW) == ()
    (step,) = plan([one], [at_the_broker(one, status="expired")], city="hagen", now=NOW)
    assert step.action == "delete"


def test_how_they_are(tmp_path: Path) -> None:
    (one,) = declared(tmp_path)
    assert [each.status for each in health([one], [], NOW)] == ["absent"]
    times = {
        "lastSuccess": (NOW - timedelta(hours=1)).isoformat(),
        "lastFailure": NOW.isoformat(),
        "timesSent": 7,
        "timesFailed": 2,
    }
    have = at_the_broker(one, notification={**one.document["notification"], **times})
    (seen,) = health([one], [have], NOW)
    assert (seen.sent, seen.failed, seen.last_failure) == (7, 2, NOW)
    assert "did not reach https://leitstelle.example/pegel" in str(seen.problem)
    (left,) = health([], [have], NOW)
    assert "no longer declared" in str(left.problem)
