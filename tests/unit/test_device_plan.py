# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files of devices against what is registered: what changes, what is wrong, and there and back again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from adapters.profiles import load_profiles
from compose.commands.device_files import read_records, read_text, write_csv
from compose.commands.device_input import device_id, read_device, written
from compose.device_json import as_dict
from compose.device_plan import make_plan
from models.device import Device
from models.uplink import Position

if TYPE_CHECKING:
    from pathlib import Path

    from compose.device_plan import Plan

PROFILES = load_profiles()
GAUGE = Device(
    id="70b3d57ed0000001",
    profile="decentlab-dl-mbx",
    name="Pegel; „Süd“",
    position=Position(longitude=7.4717, latitude=51.3585, altitude=107.25),
    place="volme-sued",
    owner="=cmd|'/c calc'!A1",
    installed_at=datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
    parameters={"reference_level": 4.25, "period": 600.0},
    attributes={"areaServed": "58095", "description": "", "source": "-1", "alternateName": "null"},
)
SPOT = Device(
    id="1234567e00000001",
    profile="bosch-tps110",
    position=Position(longitude=-0.1, latitude=-33.9),
    simulated=True,
    attributes={"category": ["onStreet"]},
)
PLAIN = Device(id="kiosk-1", profile="elsys-ers-co2", entity_type="AirQualityObserved")
DEVICES = {device.id: device for device in (GAUGE, SPOT, PLAIN)}


def plan(text: str, registered: dict[str, Device] | None = None, kind: str = ".csv") -> Plan:
    return make_plan(
        read_text(text.encode(), f"devices{kind}", kind),
        DEVICES if registered is None else registered,
        PROFILES,
    )


@pytest.mark.parametrize("excel", [False, True])
def test_what_was_exported_is_read_back_unchanged(tmp_path: Path, *, excel: bool) -> None:
    path = tmp_path / "devices.csv"
    path.write_bytes(write_csv(DEVICES.values(), excel=excel).encode())
    anew = make_plan(read_records(path), {}, PROFILES)
    assert anew.errors == ()
    assert anew.new == tuple(DEVICES.values())
    again = make_plan(read_records(path), DEVICES, PROFILES)
    assert (again.new, again.changed, again.unchanged) == ((), (), 3)


def test_json_lines_are_read_back_unchanged() -> None:
    lines = "\n".join(json.dumps(written(device)) for device in DEVICES.values())
    found = plan(lines, {}, ".jsonl")
    assert (found.errors, found.new) == ((), tuple(DEVICES.values()))


def test_what_a_listing_says_is_read_back() -> None:
    lines = "\n".join(json.dumps(as_dict(device), default=str) for device in (SPOT, PLAIN))
    found = plan(lines, {}, ".jsonl")
    assert (found.errors, found.new) == ((), (SPOT, PLAIN))


def test_a_german_excel_opens_the_export_without_asking() -> None:
    text = write_csv(DEVICES.values(), excel=True)
    assert text.startswith("\ufeffid;profile;")
    assert "12-34-56-7E-00-00-00-01;" in text  # 1234567e00000001 would be a number
    assert ";51,3585;" in text


def test_no_cell_is_a_formula() -> None:
    for excel in (False, True):
        cells = write_csv(DEVICES.values(), excel=excel).replace("\r\n", ";").replace(",", ";").split(";")
        texts = [cell for cell in cells if not cell.lstrip("-").replace(".", "").isdigit()]
        assert not any(cell.startswith(("=", "+", "@", "-")) for cell in texts)


@pytest.mark.parametrize("device", DEVICES.values(), ids=lambda device: device.id)
def test_what_is_written_of_a_device_makes_the_same_device(device: Device) -> None:
    assert read_device(written(device), PROFILES) == device


def test_columns_that_are_not_there_stay_and_empty_cells_clear() -> None:
    found = plan("id;name;reference_level;attribute.areaServed\n70-B3-D5-7E-D0-00-00-01;Neu;4,5;\n")
    assert found.errors == ()
    (change,) = found.changed
    assert change.changes == {
        "name": ("Pegel; „Süd“", "Neu"),
        "parameter.reference_level": (4.25, 4.5),
        "attribute.areaServed": ('"58095"', None),
    }
    assert change.device.parameters == {"reference_level": 4.5, "period": 600.0}
    assert change.device.position == GAUGE.position
    cleared = plan("id,latitude,longitude,altitude,place\n70b3d57ed0000001,,,,\n").changed[0].device
    assert (cleared.position, cleared.place, cleared.name) == (None, None, GAUGE.name)


def test_json_null_clears_and_parameters_as_a_whole_are_replaced() -> None:
    line = '{"id": "70b3d57ed0000001", "owner": null, "parameters": {"period": 60}, "attributes": {}}'
    device = plan(line, kind=".jsonl").changed[0].device
    assert (device.owner, device.parameters, device.attributes) == (None, {"period": 60.0}, {})
    assert device.position == GAUGE.position


def test_every_row_says_what_is_wrong_with_it() -> None:
    found = plan(
        "id;profile;latitude;longitude\n"
        "70b3d57ed0000009;decentlab-dl-mbxx;51,3;7,4\n"
        "70b3d57ed000000a;elsys-ers;151;7,4\n"
        "Pegel 2;elsys-ers;;\n"
        "70b3d57ed000000b;elsys-ers;51;7;8\n"
        "70b3d57ed000000c;elsys-ers;;\n"
        "70:B3:D5:7E:D0:00:00:0C;elsys-ers;;\n"
    )
    assert [(error.row, error.device) for error in found.errors] == [
        (2, "70b3d57ed0000009"),
        (3, "70b3d57ed000000a"),
        (4, "Pegel 2"),
        (5, "70b3d57ed000000b"),
        (7, "70:B3:D5:7E:D0:00:00:0C"),
    ]
    reasons = [error.reason for error in found.errors]
    assert "did you mean decentlab-dl-mbx" in reasons[0]
    assert "is not on earth" in reasons[1]
    assert reasons[3] == "it has 5 cells, and the header has 4"
    assert reasons[4] == "device 70b3d57ed000000c is there twice (also devices.csv, line 6)"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{bad", "it is not JSON"), ("[]", "a device is an object"), ('{"id": "a", "position": 7}', "position")],
)
def test_lines_of_json_that_cannot_be_used_say_so(text: str, reason: str) -> None:
    found = plan(f'{{"id": "x1", "profile": "elsys-ers"}}\n{text}\n', {}, ".jsonl")
    assert len(found.new) == 1
    assert [error.row for error in found.errors] == [2]
    assert reason in found.errors[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "70B3D57ED0A1B2C3", "70-b3-d5-7e-d0-a1-b2-c3", "70:B3:D5:7E:D0:A1:B2:C3", "0x70B3D57ED0A1B2C3",
        "70b3.d57e.d0a1.b2c3", "eui-70b3d57ed0a1b2c3", "70 B3 D5 7E D0 A1 B2 C3", "70B3D57ED0A1B2C3\u00a0",
    ],
)  # fmt: skip
def test_dev_euis_are_read_in_any_common_writing(text: str) -> None:
    assert device_id(text) == "70b3d57ed0a1b2c3"


def test_a_thousand_rows_are_told_while_they_are_looked_at() -> None:
    rows = "".join(f"70b3d57ed1{number:06x},elsys-ers\n" for number in range(1000))
    told: list[int] = []
    records = read_text(f"id,profile\n{rows}".encode(), "many.csv", ".csv")
    found = make_plan(records, {}, PROFILES, progress=told.append)
    assert (len(found.new), told[-1]) == (1000, 1000)


def test_origin_survives_a_change() -> None:
    taken: dict[str, Any] = {"kiosk-1": Device(id="kiosk-1", profile="elsys-ers-co2", origin="tts x y")}
    assert plan("id,name\nkiosk-1,Kiosk\n", taken).changed[0].device.origin == "tts x y"
