# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What operators write of devices, on the command line and in files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from adapters.profiles import load_profiles
from compose.commands.device_files import read_records
from compose.commands.device_input import DeviceInputError, advice, device_id, read_device
from compose.commands.options import read_moment
from models.uplink import Position

if TYPE_CHECKING:
    from pathlib import Path

    from models.device import Device

PROFILES = load_profiles()
LEVEL = {"id": "70b3d57ed0000001", "profile": "decentlab-dl-mbx"}


def read(**given: Any) -> Device:
    return read_device({**LEVEL, **given}, PROFILES)


def reasons(**given: Any) -> list[str]:
    with pytest.raises(DeviceInputError) as caught:
        read(**given)
    return caught.value.reasons


@pytest.mark.parametrize("text", ["70B3D57ED0A1B2C3", "70:b3:d5:7e:d0:a1:b2:c3", " 70-B3-D5-7E-D0-A1-B2-C3 "])
def test_a_dev_eui_is_read_as_network_servers_write_it(text: str) -> None:
    assert device_id(text) == "70b3d57ed0a1b2c3"


def test_another_id_is_left_as_it_is() -> None:
    assert device_id("Wald-7:a") == "Wald-7:a"


@pytest.mark.parametrize("text", ["", "Müll 1", "7.0E+15", "a/b", "<x>", "x" * 129])
def test_an_id_that_no_entity_can_have_is_refused(text: str) -> None:
    with pytest.raises(DeviceInputError):
        device_id(text)


def test_everything_that_was_written_is_in_the_device() -> None:
    device = read(
        name=" Pegel Brücke ",
        latitude="51,3585",
        longitude=7.4717,
        altitude="107",
        type="FloodMonitoring",
        place="volme-sued",
        owner="Umweltamt",
        installed="1.3.2026",
        parameters={"reference_level": "4,25"},
        attributes={"areaServed": "Mitte"},
    )
    assert device.name == "Pegel Brücke"
    assert device.position == Position(longitude=7.4717, latitude=51.3585, altitude=107)
    assert (device.entity_type, device.place, device.owner) == ("FloodMonitoring", "volme-sued", "Umweltamt")
    assert device.installed_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert device.parameters == {"reference_level": 4.25}
    assert device.attributes == {"areaServed": "Mitte"}
    assert device.simulated is False


def test_empty_texts_are_as_if_absent() -> None:
    assert read(name="", owner=" ", type="", latitude="", installed="", place=None) == read()


def test_all_reasons_come_at_once() -> None:
    found = reasons(
        id="a b",
        profile="decentlab-dl-mbxx",
        type="floodmonitoring",
        latitude=151,
        longitude=7,
        place="a b",
        installed="soon",
        simulated="perhaps",
        parameters={"reference_levle": 1, "period": "nan"},
    )
    assert len(found) == 9
    text = "\n".join(found)
    assert "did you mean decentlab-dl-mbx" in text
    assert "did you mean FloodMonitoring" in text
    assert "did you mean reference_level?" in text
    assert "latitude 151 is not on earth" in text
    assert "period must be a number, not “nan”" in text


@pytest.mark.parametrize("given", [{"latitude": 51}, {"longitude": 7}, {"altitude": 100}])
def test_half_a_position_is_none(given: dict[str, float]) -> None:
    assert reasons(**given) == ["a position needs latitude and longitude"]


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\x00", "\udcfc", "a\nb"])
def test_names_that_cannot_be_shown_or_stored_are_refused(name: str) -> None:
    assert reasons(name=name) == ["name has characters that cannot be shown"]


def test_a_profile_follows_from_what_the_network_server_calls_the_model() -> None:
    given = {"id": "70b3d57ed0000001"}
    found = read_device(given, PROFILES, {"70b3d57ed0000001": ("decentlab", "dl-atm41")})
    assert found.profile == "decentlab-dl-atm41"
    with pytest.raises(DeviceInputError, match="a profile must be named"):
        read_device(given, PROFILES, {"70b3d57ed0000001": ("nobody", "knows")})


def test_attributes_are_json_or_text_as_the_type_wants() -> None:
    spot = {"profile": "bosch-tps110", "type": "ParkingSpot"}
    assert read(**spot, attributes={"category": '["onStreet"]'}).attributes == {"category": ["onStreet"]}
    # The schema wants the class of a sonometer as a text.
    noise = read(profile="decentlab-dl-atm41", type="NoiseLevelObserved", attributes={"sonometerClass": "1"})
    assert noise.attributes == {"sonometerClass": "1"}


def test_attributes_that_the_type_does_not_have_or_hold_are_refused() -> None:
    found = reasons(attributes={"areaServd": "Mitte", "location": "here"})
    assert found[0] == "FloodMonitoring has no attribute “areaServd”; did you mean areaServed?"
    assert found[1].startswith("FloodMonitoring's location: ")


def test_advice_says_what_will_be_missing() -> None:
    profile = PROFILES["decentlab-dl-mbx"]
    assert list(advice(read(), profile)) == [
        "It has no position (--at): its entities need one from the network server.",
        "It measures level.distance; water.level follows from it with --parameter reference_level=….",
    ]
    assert next(advice(read(id="70B3D57EDO000001"), profile)) == (
        "Its id would be a DevEUI but for “o”, which is no hex digit."
    )
    whole = read(latitude=51, longitude=7, parameters={"reference_level": 4})
    assert list(advice(whole, profile)) == []
    (nothing,) = advice(read(latitude=51, longitude=7, type="CrowdFlowObserved"), profile)
    assert nothing == "Nothing that its profile measures has an attribute in CrowdFlowObserved."


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:00:00+01:00", datetime(2026, 3, 1, 11, tzinfo=UTC)),
        ("2026-03-01 12:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("01.03.2026", datetime(2026, 3, 1, tzinfo=UTC)),
        (date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_moments_are_read_as_people_write_them(value: Any, moment: datetime) -> None:
    assert read_moment(value) == moment


@pytest.mark.parametrize("value", ["yesterday", "", "31.2.2026", "2026-13-01", None])
def test_what_is_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is no date or time"):
        read_moment(value)


ROWS = (
    "id;profile;name;lat;lon;reference_level;attribute.areaServed\r\n"
    '70-B3-D5-7E-D0-00-00-01;decentlab-dl-mbx;"Pegel; Süd";51,3585;7,4717;4,25;Mitte\r\n'
    ";;;;;;\r\n"
    "70B3D57ED0000002;elsys-ers-co2;Höhe;;;;\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_spreadsheet_in_german_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "devices.csv"
    path.write_bytes(ROWS.encode(encoding))
    first, second = read_records(path)
    assert (first.where, second.where) == ("devices.csv, line 2", "devices.csv, line 4")
    device = read_device(first.given, PROFILES)
    assert (device.id, device.name) == ("70b3d57ed0000001", "Pegel; Süd")
    assert device.position == Position(longitude=7.4717, latitude=51.3585)
    assert (device.parameters, device.attributes) == ({"reference_level": 4.25}, {"areaServed": "Mitte"})
    assert read_device(second.given, PROFILES).name == "Höhe"


def test_commas_and_tabs_separate_too(tmp_path: Path) -> None:
    for sign in ",\t":
        path = tmp_path / "devices.csv"
        path.write_text(f"ID{sign}Profile\nx1{sign}elsys-ers-co2\n")
        assert [record.given for record in read_records(path)] == [{"id": "x1", "profile": "elsys-ers-co2"}]


def test_toml_and_json_lines_say_the_same(tmp_path: Path) -> None:
    toml = tmp_path / "devices.toml"
    toml.write_text(
        '[[device]]\nid = "x1"\nprofile = "elsys-ers-co2"\nlatitude = 51.3\nlongitude = 7.4\n'
        'installed = 2026-03-01\nattributes = { areaServed = "Mitte" }\n'
    )
    listed = {
        "id": "x1",
        "profile": "elsys-ers-co2",
        "entity_type": None,
        "position": {"longitude": 7.4, "latitude": 51.3, "altitude": None},
        "installed_at": "2026-03-01T00:00:00Z",
        "attributes": {"areaServed": "Mitte"},
        "parameters": {},
        "last_seen": None,
    }
    lines = tmp_path / "devices.jsonl"
    lines.write_text(f"\n{json.dumps(listed)}\n")
    (from_toml,), (from_lines,) = read_records(toml), read_records(lines)
    assert from_lines.where == "devices.jsonl, line 2"
    assert read_device(from_toml.given, PROFILES) == read_device(from_lines.given, PROFILES)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("e.csv", "", "e.csv: there is no device in it"),
        ("h.csv", "id,profile\n", "h.csv: there is no device in it"),
        ("i.csv", "name,profile\na,b\n", "h.csv, line 1: the first line names the columns"),
        ("t.csv", "id,lat,latitude\na,1,1\n", "t.csv, line 1: two columns are called “latitude”"),
        ("q.csv", 'id,name\nx1,"a" b\n', "q.csv, line 2: "),
        ("k.csv", "id,profil\nx1,a\n", "k.csv, line 1: nothing of a device is called “profil”; did you mean"),
        ("s.toml", "x = \n", "s.toml: "),
        ("d.toml", 'id = "x1"\n', "d.toml: devices are tables called [[device]]"),
        ("x.xlsx", "PK", "x.xlsx: a file of devices ends in .csv, .toml or .jsonl"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path: Path, name: str, text: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DeviceInputError) as caught:
        read_records(path)
    assert str(caught.value).startswith(reason.replace("h.csv, line 1", f"{name}, line 1"))
