# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Golden vectors: our own in tests/vectors, and the vendors' published ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.codecs.decoding import TABLES, decode_table, encode
from models.errors import CodecError

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
OURS: list[dict[str, Any]] = [
    vector for path in sorted(FOLDER.glob("*.json")) for vector in json.loads(path.read_text())
]

# The vendor computes it from the same word as the water content; nothing here needs it.
NOT_DECODED = {"dielectric_permittivity"}

# Vendors' examples whose expected output contradicts the vendor's own manual: 4 bytes are battery
# and distance of an early firmware, and their decoder says "No Sensor" to them.
STALE = {("dragino.ldds75", "0e1c0b05"), ("dragino.ldds20", "0e1c0b05")}


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
    assert decoded.fields == close(vector["fields"])
    assert list(decoded.warnings) == vector.get("warnings", [])
    if not vector.get("one_way"):
        assert encode(vector["codec"], vector["fields"]) == (vector["f_port"], payload)


def test_every_kind_of_codec_has_vectors_of_its_own() -> None:
    assert {codec.partition(".")[0] for codec in TABLES} == {
        vector["codec"].partition(".")[0] for vector in OURS
    }


def test_vendors_vectors(shared: Path) -> None:
    """Every published example of a device that one of our tables covers gives the vendor's values."""
    checked = 0
    for line in (shared / "data/uplink-vectors/vectors.jsonl").read_text().splitlines():
        vector = json.loads(line)
        codec = table_for(vector)
        if codec not in TABLES or (codec, vector["bytes"]) in STALE:
            continue
        decoded = decode_table(codec, bytes.fromhex(vector["bytes"]), vector["fPort"])
        expected = {
            field: number(value)
            for field, value in vector["expected"]["data"].items()
            if field not in NOT_DECODED
        }
        assert decoded.fields == close(expected), (codec, vector["bytes"])
        assert decoded.warnings == ()
        assert encode(codec, expected)[1] == bytes.fromhex(vector["bytes"]) or repeats_a_type(vector)
        checked += 1
    assert checked >= 65


def table_for(vector: dict[str, Any]) -> str:
    """Vendors' files are named by model and, for some, by its range or firmware."""
    if vector["vendor"] == "elsys":
        return "elsys"
    model = Path(vector["codec_file"]).stem.replace("-", "_")
    variants = {"dl_tbrg_01": "dl_tbrg", "dl_pr26_0_1": "dl_pr26", "dl_pr36_8192": "dl_pr36"}
    return f"{vector['vendor']}.{variants.get(model, model.removesuffix('_114'))}"


def repeats_a_type(vector: dict[str, Any]) -> bool:
    """One Elsys example sends a pulse count twice; a table writes each type once."""
    return vector["vendor"] == "elsys" and vector["bytes"].count("0a") > 1


def number(value: Any) -> Any:
    """Vendors nest {displayName, unit, value}, and write numbers as text, with or without a unit."""
    if isinstance(value, dict):
        value = value["value"]
    return float(value.split()[0]) if isinstance(value, str) else value


def close(value: Any) -> Any:
    """The value, its numbers up to the noise of floating point."""
    if isinstance(value, dict):
        return {key: close(each) for key, each in value.items()}
    if isinstance(value, list):
        return [close(each) for each in value]
    return value if isinstance(value, str) else pytest.approx(value, rel=1e-9, abs=1e-9)
