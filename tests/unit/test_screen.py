# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What `volme up` shows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from broker.journal.port import SourceAccount
from compose.screen import Rate, one_line, starting_part, table
from compose.settings import load_settings
from compose.status import SourceStatus, Status

if TYPE_CHECKING:
    from pathlib import Path


def shown(status: Status, *, width: int = 80, per_minute: float | None = None) -> str:
    screen = io.StringIO()
    Console(file=screen, width=width, color_system=None).print(table(status, per_minute))
    return screen.getvalue()


def busy(scale: int) -> Status:
    account = SourceAccount(
        received=scale, delivered=scale, readings=8 * scale, entities=2 * scale, dead=7, pending=3
    )
    return Status(
        sources={
            "mqtt": SourceStatus(account=account, connected=True),
            "registry": SourceStatus(account=SourceAccount(received=50, delivered=50, entities=100)),
        },
        pending=3,
        lag=0.25,
        devices=50,
    )


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000, 20_000_000])
def test_every_figure_is_whole_in_80_columns(scale: int) -> None:
    screen = shown(busy(scale))
    assert max(map(len, screen.splitlines())) <= 80
    for figure in (scale, 8 * scale, 2 * scale, scale + 50, 2 * scale + 100):
        assert f" {figure:,} " in screen
    assert "…" not in screen
    assert "lag 0.2 s · 50 devices · all is well" in screen


def test_the_totals_stand_below_several_sources_only() -> None:
    assert "\n all " in shown(busy(10))
    alone = Status(sources={"mqtt": SourceStatus(connected=True)})
    assert "\n all " not in shown(alone)


@pytest.mark.parametrize(
    ("source", "state"),
    [
        (SourceStatus(connected=True), "connected"),
        (SourceStatus(connected=False), "connecting"),
        (SourceStatus(connected=False, error="refused"), "not connected"),
    ],
)
def test_a_source_says_whether_it_is_connected(source: SourceStatus, state: str) -> None:
    row = next(line for line in shown(Status(sources={"ttn": source})).splitlines() if "ttn" in line)
    assert row.strip().endswith(f"0  {state}")


def test_what_is_wrong_is_said_instead_of_all_is_well() -> None:
    screen = shown(
        Status(
            sources={"ttn": SourceStatus(connected=False, error="Connection refused")},
            broker_error="HTTP 503",
            dead_letters={"codec": 1200, "late": 0},
        )
    )
    assert "all is well" not in screen
    assert "NGSI-LD broker: HTTP 503" in screen
    assert "Source ttn: Connection refused" in screen
    assert "1,200 codec (`volme dead-letters list`)" in " ".join(screen.split())
    assert "late" not in screen


def test_names_from_outside_do_not_move_the_cursor_nor_are_they_markup() -> None:
    status = Status(
        sources={"[red]a\x1b[2J": SourceStatus(connected=False, error="\x1b[31m[bold]x")},
        broker_error="\x9b2J",
    )
    for text in (shown(status), one_line(status)):
        assert "\x1b" not in text
        assert "\x9b" not in text
    assert "[bold]x" in shown(status)


def test_one_line_has_the_totals_and_the_problems() -> None:
    status = Status(sources=busy(1000).sources, pending=3, lag=1.26, store_error="away")
    assert one_line(status) == (
        "received 1,050  readings 8,000  entities 2,100  dead 7  pending 3  lag 1.3 s  ! PostgreSQL: away"
    )


def test_the_rate_is_that_of_the_last_minute() -> None:
    rate = Rate()
    assert rate.per_minute(busy(0), now=0) is None
    assert rate.per_minute(busy(100), now=2) is None
    assert rate.per_minute(busy(100), now=10) == 600
    for second in range(11, 80):
        last = rate.per_minute(busy(100), now=second)
    assert last == 0


def test_it_says_which_part_is_being_started(tmp_path: Path) -> None:
    settings = load_settings(None, data=tmp_path)
    folder = tmp_path / "postgres"
    assert starting_part(settings) == "PostgreSQL (the first time, its database is made)"
    folder.mkdir()
    (folder / "postmaster.opts").touch()
    assert starting_part(settings) == "PostgreSQL"
    (folder / "postmaster.pid").write_text("1\n/x\n1\n5432\n/x\n\n1 2\nstarting\n")
    assert starting_part(settings) == "PostgreSQL"
    (folder / "postmaster.pid").write_text("1\n/x\n1\n5432\n/x\n\n1 2\nready   \n")
    assert starting_part(settings) == "MQTT broker, NGSI-LD broker, bridge and sources"


def test_an_operators_own_postgresql_is_not_started(tmp_path: Path) -> None:
    settings = load_settings(None, data=tmp_path, postgres__url="postgresql://volme@db/volme")
    assert starting_part(settings) == "MQTT broker, NGSI-LD broker, bridge and sources"
