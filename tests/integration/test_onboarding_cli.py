# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices` for whoever has many: files, network servers, QR codes, and what comes after."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.cli_runs import Done, Program
from tests.device_office import Office, open_office
from tests.network_servers import TOKEN, NetworkServer
from tests.uplinks import chirpstack, the_things_stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

A, B, C = "70b3d57ed0aa0001", "70b3d57ed0aa0002", "70b3d57ed0aa0003"
WEATHER = {"version_ids": {"brand_id": "decentlab", "model_id": "dl-atm41"}}


class Desk:
    """Runs `volme devices …` in a folder, about a platform whose PostgreSQL is the test's."""

    def __init__(self, program: Program, office: Office) -> None:
        self.program = program
        self.office = office

    async def __call__(self, *arguments: str, given: str = "") -> Done:
        command = ("devices", *arguments, "--config", "city.toml")
        return await asyncio.to_thread(self.program, *command, given=given)

    async def json(self, *arguments: str, code: int = 0) -> Any:
        done = await self(*arguments, "--json")
        assert done.code == code, done.err
        return json.loads(done.out)

    def file(self, name: str, text: str, encoding: str = "utf-8") -> str:
        (self.program.folder / name).write_bytes(text.encode(encoding))
        return name


@pytest_asyncio.fixture
async def volme(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    (tmp_path / "city.toml").write_text(
        f'[postgres]\nurl = "{database}"\n'
        '[profiles.mine]\nlike = "elsys-ers"\nmodel = "QR"\nmodels = ["tr005/aabb1122"]\n'
    )
    async with open_office(database, data=tmp_path) as office:
        yield Desk(Program(tmp_path), office)


async def test_a_file_is_previewed_applied_exported_and_unchanged(volme: Desk) -> None:
    path = volme.file(
        "geräte.csv",
        "DevEUI;Profile;Name;lat;lon;reference_level\r\n"
        "70-B3-D5-7E-D0-AA-00-01;decentlab-dl-mbx;Pegel Süd;51,36;7,47;4,2\r\n"
        "70:b3:d5:7e:d0:aa:00:02;elsys-ers;Raum 1;;;\r\n",
        "cp1252",
    )
    preview = await volme("import", path)
    assert preview.code == 0
    assert "\n2 new, 0 changed, 0 unchanged.\n" in preview.out
    assert preview.err == "Nothing was changed yet: --apply does it.\n"
    assert await volme.json("list") == []
    assert (await volme("import", path, "--apply")).out.endswith("2 new, 0 changed, 0 unchanged; done.\n")
    assert [device["id"] for device in await volme.json("list")] == [A, B]
    for arguments in (("export", "out.csv"), ("export", "out.csv", "--excel"), ("export", "out.jsonl")):
        assert (await volme(*arguments)).out == f"2 devices are in {arguments[1]}.\n"
        again = await volme.json("import", arguments[1])
        assert (again["new"], again["changed"], again["unchanged"], again["errors"]) == ([], [], 2, [])
    assert (await volme("export")).out.startswith("id,profile,name,latitude,longitude,reference_level\r\n")
    changed = await volme("import", volme.file("c.csv", f"id,name\n{A},Pegel Nord\n"), "--apply")
    assert "name: Pegel Süd → Pegel Nord" in changed.out
    assert (await volme.json("show", A))["parameters"] == {"reference_level": 4.2}


async def test_a_file_with_wrong_rows_is_refused_with_their_lines(volme: Desk) -> None:
    path = volme.file("d.csv", f"id,profile,latitude,longitude\n{A},elsys-ers,51,7\n{B},elsys-erz,151,7\n")
    done = await volme("import", path, "--apply")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0].split() == ["line", "device", "why", "it", "cannot", "be", "used"]
    assert [line.split()[:2] for line in lines[1:3]] == [["3", B], ["3", B]]
    assert lines[-1] == "Nothing was changed: there are 2 reasons against it."
    found = await volme.json("import", path, code=1)
    assert [error["row"] for error in found["errors"]] == [3, 3]
    assert await volme.json("list") == []


async def test_a_thousand_rows_are_refused_row_by_row_and_then_taken(volme: Desk) -> None:
    rows = [f"70b3d57ed1{number:06x},elsys-ers,51.{number:04d},7.47" for number in range(1000)]
    wrong = [*rows]
    wrong[9] = "70b3d57ed1,,51,7"
    wrong[499] = rows[498]
    wrong[999] = rows[999].replace("elsys-ers", "elsys-erz")
    head = "id,profile,latitude,longitude\n"
    found = await volme.json("import", volme.file("w.csv", head + "\n".join(wrong)), code=1)
    assert [error["row"] for error in found["errors"]] == [11, 501, 1001]
    refused = await volme("import", "w.csv", "--apply")
    assert refused.code == 1
    assert "did you mean elsys-ers" in refused.out
    assert await volme.json("list") == []
    done = await volme.json("import", volme.file("r.csv", head + "\n".join(rows)), "--apply")
    assert (len(done["new"]), done["errors"]) == (1000, [])
    assert len(await volme.json("list")) == 1000


async def test_a_qr_code_registers_a_device(volme: Desk) -> None:
    code = "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR:CAF2C"
    done = await volme("add", "--qr", "-", "--at", "51.36,7.47", given=f"{code}\n")
    assert done.out.startswith("Device aabbccddeeff0011 (mine) is registered;")
    assert (await volme("add", "--qr", code)).code == 1  # it is registered
    wrong = await volme("add", "--qr", code.replace("SYY", "SYX"))
    assert (wrong.code, "does not fit the rest" in wrong.err) == (2, True)
    unknown = await volme("add", "--qr", "LW:D0:1122334455667788:AABBCCDDEEFF0012:AABB1123")
    assert (unknown.code, "a profile must be named" in unknown.err) == (2, True)
    assert (await volme("add", A, "--qr", code)).code == 2


async def test_what_waits_is_approved_as_proposed(volme: Desk) -> None:
    await volme.office.settle(
        (A, *the_things_stack(b"\x01", dev_eui=A, **WEATHER)),
        (B, *the_things_stack(b"\x01", dev_eui=B, **WEATHER)),
        (C, *chirpstack(b"\x01", dev_eui=C)),
    )
    assert "its network server says so" in (await volme("pending")).out
    assert (await volme("approve")).code == 2
    assert (await volme("approve", A, B, "--at", "51.36,7.47")).code == 2
    absent = await volme("approve", A, "nobody")
    assert (absent.code, "nobody does not wait; nothing was registered" in absent.err) == (1, True)
    unfit = await volme("approve", A, C)
    assert (unfit.code, f"no profile fits device {C}" in unfit.err) == (1, True)
    dry = await volme.json("approve", "--all", "--dry-run")
    assert ([each["id"] for each in dry["registered"]], dry["left"], dry["messages"]) == ([A, B], [C], 0)
    assert await volme.json("list") == []
    done = await volme("approve", A, "--at", "51.36,7.47", "--name", "Wetter")
    assert done.out == (
        f"Device {A} (decentlab-dl-atm41) is registered.\n"
        "1 message that waited is delivered as soon as Volme runs.\n"
    )
    rest = await volme("approve", "--all")
    assert f"Left waiting, since no profile fits: 1 device ({C})." in rest.err
    assert (await volme("approve", C, "--profile", "elsys-ers")).code == 0
    assert await volme.json("pending") == []


async def test_devices_move_are_replaced_and_retire(volme: Desk) -> None:
    await volme("add", A, "--profile", "decentlab-dl-mbx", "--at", "51.36,7.47", "--name", "Pegel")
    moved = await volme("move", A, "--at", "51.37,7.48,110")
    entity = f"urn:ngsi-ld:FloodMonitoring:hagen:{A}"
    assert moved.out == f"Device {A} hangs at 51.37, 7.48 now: it feeds {entity}.\n"
    assert (await volme("move", A, "--at", "north")).code == 2
    assert (await volme("move", B, "--at", "51,7")).code == 1
    replaced = await volme("replace", A, B.upper())
    assert replaced.out == (
        f"Device {B} (decentlab-dl-mbx) hangs in the place of {A}: it feeds {entity}.\n"
        f"Device {A} is retired.\n"
    )
    shown = await volme("show", A)
    assert f"replaced by  {B}" in shown.out
    assert [each["id"] for each in await volme.json("list", "--retired")] == [A]
    retired = await volme("retire", B)
    assert retired.out == f"Device {B} is retired; nothing is expected of it any more.\n"
    await volme.office.settle((B, *the_things_stack(b"\x01", dev_eui=B, **WEATHER)))
    assert "retired 20" in (await volme("pending")).out
    assert (await volme.json("approve", "--all"))["registered"] == []
    again = await volme("retire", B)
    assert (again.code, "was retired on" in again.err) == (1, True)
    assert await volme.json("list") == []
    assert (await volme("add", A, "--profile", "decentlab-dl-mbx")).code == 0  # it is taken back
    assert (await volme.json("show", A))["retired_at"] is None


@pytest.mark.parametrize("kind", ["tts", "chirpstack"])
async def test_a_network_servers_list_is_followed(volme: Desk, kind: str) -> None:
    application = {"tts": "hagen-pegel", "chirpstack": "8f3a7c52-6d1e-4b90-a2c4-0e5d9b7f1a33"}[kind]
    server = NetworkServer(
        devices={
            A: {
                "name": "Süd",
                "model": "decentlab/dl-mbx",
                "tags": {"latitude": "51.36", "longitude": "7.47"},
            },
            B: {"name": "Nord", "model": "", "tags": {"profile": "elsys-ers"}},
            C: {"name": "?", "model": "nobody/knows", "tags": {}},
        }
    )
    (volme.program.folder / "token").write_text(f"{TOKEN}\n")
    async with server.serve() as url:
        command = ("sync", kind, "--url", url, "--application", application, "--token-file", "token")
        missing = await volme("sync", kind, "--url", url, "--application", application)
        assert (missing.code, "which should hold a secret, is not set" in missing.err) == (3, True)
        preview = await volme(*command)
        assert "\n2 new, 0 changed, 0 gone, 1 left, 0 unchanged.\n" in preview.out
        assert await volme.json("list") == []
        done = await volme.json(*command, "--apply")
        assert ([each["id"] for each in done["new"]], [each["id"] for each in done["left"]]) == ([A, B], [C])
        assert {each["id"]: each["profile"] for each in await volme.json("list")} == {
            A: "decentlab-dl-mbx",
            B: "elsys-ers",
        }
        del server.devices[B]
        server.devices[A]["name"] = "West"
        done = await volme.json(*command, "--apply", "--retire-gone")
        assert done["changed"] == [{"id": A, "changes": {"name": {"old": "Süd", "new": "West"}}}]
        assert (done["gone"], [each["id"] for each in await volme.json("list")]) == ([B], [A])
        (volme.program.folder / "token").write_text("wrong")
        refused = await volme(*command)
        assert (refused.code, "does not accept the token" in refused.err) == (1, True)
    away = await volme(*command)
    assert (away.code, "cannot be reached" in away.err) == (1, True)


@pytest.mark.parametrize("url", ["http://volme.example", "ftp://x", "https://user:word@x", "x"])
async def test_a_token_goes_to_nobody_by_accident(volme: Desk, url: str) -> None:
    done = await volme("sync", "tts", "--url", url, "--application", "a")
    assert done.code == 2
