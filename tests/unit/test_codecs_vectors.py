# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Golden vectors: our own in tests/vectors, and the vendors' published ones."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from adapters.codecs.decoding import TABLES, decode_table, encode
from models.errors import CodecError

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
OURS: list[dict[str, Any]] = [
    vector for path in sorted(FOLDER.glob("*.json")) for vector in json.loads(path.read_text())
]

# What a vendor's decoder says and our table does not, by the first part of the codec's name that fits.
NOT_DECODED = {
    # The vendor computes it from the same word as the water content; nothing here needs it.
    "decentlab": {"dielectric_permittivity"},
    # How to read the three flags differs from firmware to firmware.
    "dragino.lse01": {"Hardware_flag", "Interrupt_flag", "Sensor_flag"},
    "dragino.laq4": {"Alarm_status", "Work_mode"},
    "dragino.lds02": {"Node_type"},
    # Words for what our tables give as numbers.
    "bosch": {"type", "debugCodes", "firmwareVersion", "resetCause"},
    "nwave": {"type", "firmware_version", "reset_cause"},
    "dingtek": {"angle"},
    "browan.tbwl100": {"humidityChanged", "temperatureChanged"},
    "browan.tbhh100": {"status"},
}

# Vendors' examples whose expected output contradicts the vendor's own manual: 4 bytes are battery
# and distance of an early firmware, and their decoder says "No Sensor" to them; 7 bytes are no
# frame of a contact. And what no table reads: stored values, and answers to a change of settings.
STALE = {
    ("dragino.ldds75", "0e1c0b05"),
    ("dragino.ldds20", "0e1c0b05"),
    ("dragino.lds02", "0b880100250001"),
    ("dragino.lwl02", "0b880100250001"),
    ("milesight.em300_sld", "20ce00f15365ff007801"),
    ("dingtek.df702", "8000010319010418011e4b1e00000000000000000000000081"),
}

# Families of which every example is what our table sends, too.
BOTH_WAYS = ("decentlab.", "elsys", "dragino.ldds", "dragino.llds12", "milesight.")


def name_of(vector: dict[str, Any]) -> str:
    return f"{vector['codec']}: {vector['description']}"


@pytest.mark.parametrize("vector", OURS, ids=name_of)
def test_our_vectors_both_ways(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["payload"])
    if "error" in vector:
        with pytest.raises(CodecError) as caught:
            decode_table(vector["codec"], payload, vector["f_port"])
        assert caught.value.sentence == vector["error"]
        return
    decoded = decode_table(vector["codec"], payload, vector["f_port"])
    assert decoded.fields == close(vector["fields"], vector["codec"])
    assert list(decoded.warnings) == vector.get("warnings", [])
    if not vector.get("one_way"):
        assert encode(vector["codec"], vector["fields"]) == (vector["f_port"], payload)


def test_every_kind_of_codec_has_vectors_of_its_own() -> None:
    assert {codec.partition(".")[0] for codec in TABLES} == {
        vector["codec"].partition(".")[0] for vector in OURS
    }


def test_vendors_vectors(shared: Path) -> None:
    """Every published example of a device that one of our tables covers gives the vendor's values."""
    checked: Counter[str] = Counter()
    for line in (shared / "data/uplink-vectors/vectors.jsonl").read_text().splitlines():
        vector = json.loads(line)
        codec = table_for(vector)
        if codec not in TABLES or (codec, vector["bytes"]) in STALE:
            continue
        decoded = decode_table(codec, bytes.fromhex(vector["bytes"]), vector["fPort"])
        expected = {
            field: number(value) for field, value in stated(vector).items() if field not in not_decoded(codec)
        }
        found = {name: decoded.fields[name] for name in expected}
        assert found == close(expected, codec), (codec, vector["bytes"])
        assert decoded.warnings == ()
        if codec.startswith(BOTH_WAYS):
            assert decoded.fields == close(expected, codec)
            assert encode(codec, expected)[1] == bytes.fromhex(vector["bytes"]) or repeats_a_type(vector)
        checked[codec] += 1
    assert checked.total() >= 90
    assert len(checked) >= 55


def stated(vector: dict[str, Any]) -> dict[str, Any]:
    """The vendor's output; of the Klax, what our table says of it."""
    data: dict[str, Any] = vector["expected"]["data"]
    if vector["codec_file"].endswith("klax.js"):
        return {
            "version": data["header"]["version"],
            "device_type": data["header"]["deviceType"],
            "configured": data["header"]["configured"],
            "connection_test": data["header"]["connTest"],
            "battery": data["header"]["batteryPerc"],
            "message_index": data["msgInfo"]["msgIdx"],
            "message_number": data["msgInfo"]["msgNum"],
            "messages": data["msgInfo"]["msgCnt"],
            "server_id": data["payloads"][0]["id"],
            "register_0_Wh": data["payloads"][1]["registers"][0]["values"][0],
        }
    return data


def not_decoded(codec: str) -> set[str]:
    return next((names for prefix, names in NOT_DECODED.items() if codec.startswith(prefix)), set())


def table_for(vector: dict[str, Any]) -> str:
    """Vendors' files are named by model and, for some, by its range or firmware."""
    if vector["vendor"] == "elsys":
        return "elsys"
    model = Path(vector["codec_file"]).stem.replace("-", "_")
    vendor = vector["vendor"].removesuffix("-iot")
    variants = {
        "dl_tbrg_01": "dl_tbrg",
        "dl_pr26_0_1": "dl_pr26",
        "dl_pr36_8192": "dl_pr36",
        "lht65": "lht65n",
        "tpl110_0292": "tps110",
        "em300_sld_zld": "em300_sld",
    }
    if model == "klax":
        return "klax"
    return f"{vendor}.{variants.get(model, model.removesuffix('_114'))}"


def repeats_a_type(vector: dict[str, Any]) -> bool:
    """One Elsys example sends a pulse count twice; a table writes each type once."""
    return bool(vector["vendor"] == "elsys" and vector["bytes"].count("0a") > 1)


def number(value: Any) -> Any:
    """Vendors nest {displayName, unit, value}, and write numbers as text, with or without a unit."""
    if isinstance(value, dict):
        value = value["value"]
    if not isinstance(value, str):
        return value
    match = re.match(r"-?[0-9.]+(?= |$)", value)
    return float(match[0]) if match else value


def close(value: Any, codec: str = "") -> Any:
    """The value, its numbers up to noise; up to a tenth of a step, where steps are no decimal fractions."""
    if isinstance(value, dict):
        return {key: close(each, codec) for key, each in value.items()}
    if isinstance(value, list):
        return [close(each, codec) for each in value]
    noise = 5e-3 if codec.startswith(("decentlab.", "parametric.tcr")) else 1e-9
    return value if isinstance(value, str) else pytest.approx(value, rel=1e-9, abs=noise)
