# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme codecs add`, `list` and `remove`: a vendor's script, and what decodes from then on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli_runs import Program
from tests.uplinks import the_things_stack

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "function decodeUplink({ bytes }) { return { data: { temperature: bytes[0] / 10 } }; }"
ELSYS = {"version_ids": {"brand_id": "elsys", "model_id": "ers"}}


@pytest.fixture
def volme(tmp_path: Path) -> Program:
    (tmp_path / "Vendor ERS.js").write_text(SCRIPT)
    return Program(tmp_path)


def codec_of(volme: Program) -> set[str]:
    _, body = the_things_stack(bytes.fromhex("0100e2"), f_port=5, **ELSYS)
    done = volme("translate", "--profile", "elsys-ers", "--json", given=body)
    assert done.code == 0, done.out
    return {reading["codec"] for reading in json.loads(done.out)["readings"]} - {"network"}


def test_a_vendors_codec_decodes_from_then_on_until_it_is_removed(volme: Program) -> None:
    assert codec_of(volme) == {"elsys"}
    done = volme("codecs", "add", "Vendor ERS.js", "--profile", "elsys-ers", "--try", "e1:5")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "The codec vendor-ers is in data/codecs/vendor-ers.js.",
        "Profile elsys-ers is decoded by javascript:vendor-ers from now on (before: elsys).",
        "  temperature  22.5",
        "  → temperature is read as air.temperature = 22.5",
    ]
    assert codec_of(volme) == {"javascript:vendor-ers"}
    assert "javascript:vendor-ers  elsys-ers" in volme("codecs", "list").out
    (listed,) = json.loads(volme("codecs", "list", "--json").out)
    assert listed["profiles"] == ["elsys-ers"]
    assert volme("codecs", "add", "Vendor ERS.js", "--profile", "elsys-ers").code == 0  # the same again
    removed = volme("codecs", "remove", "vendor-ers")
    assert removed.out == "The codec vendor-ers is gone; 1 profile used it.\n"
    assert codec_of(volme) == {"elsys"}
    assert volme("codecs", "list").out.startswith("There are none")
    assert list((volme.folder / "data" / "profiles").iterdir()) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("function x( {", "SyntaxError"),
        ("const a = 1;", "it has neither decodeUplink nor Decode nor Decoder"),
        ("for (;;);", "was stopped"),
    ],
)
def test_a_script_that_is_no_codec_is_refused(volme: Program, script: str, reason: str) -> None:
    (volme.folder / "bad.js").write_text(script)
    done = volme("codecs", "add", "bad.js", "--profile", "elsys-ers")
    assert (done.code, reason in done.err, "nothing was changed" in done.err) == (1, True, True)
    assert not (volme.folder / "data").exists()


def test_what_cannot_be_meant_is_refused(volme: Program) -> None:
    add = ("codecs", "add", "Vendor ERS.js", "--profile")
    misspelt = volme(*add, "elsys-erz")
    assert (misspelt.code, "did you mean elsys-ers" in misspelt.err) == (2, True)
    assert volme(*add, "elsys-ers", "--name", "../x").code == 2
    assert volme(*add, "elsys-ers", "--try", "xyz").code == 2
    assert volme("codecs", "remove", "nothing").code == 1
    assert volme(*add, "elsys-ers").code == 0
    (volme.folder / "Vendor ERS.js").write_text(SCRIPT.replace("10", "100"))
    differs = volme(*add, "elsys-ers")
    assert (differs.code, "--replace overwrites it" in differs.err) == (1, True)
    assert volme(*add, "elsys-ers", "--replace").code == 0


def test_fields_that_the_profile_does_not_read_are_named(volme: Program) -> None:
    (volme.folder / "other.js").write_text("function Decoder(bytes, port) { return { grad: port }; }")
    done = volme("codecs", "add", "other.js", "--profile", "elsys-ers", "--try", "00:7")
    assert done.code == 0
    assert "Profile elsys-ers reads none of these fields (grad)" in done.err


def test_the_operators_own_profile_is_not_overwritten(volme: Program) -> None:
    own = volme.folder / "data" / "profiles" / "hagen.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[pegel]\nlike = "elsys-ers"\nmodel = "Pegel"\n[pegel.fields]\ngrad = "air.temperature"\n')
    assert "Elsys Pegel" in volme("profiles").out
    refused = volme("codecs", "add", "Vendor ERS.js", "--profile", "pegel")
    assert (refused.code, "hagen.toml has the profile pegel" in refused.err) == (1, True)
    own.write_text(own.read_text().replace('model = "Pegel"', 'codec = "javascript:vendor-ers"'))
    assert volme("codecs", "add", "Vendor ERS.js", "--profile", "elsys-ers").code == 0
    kept = volme("codecs", "remove", "vendor-ers")
    assert (kept.code, "pegel would be without a codec" in kept.err) == (1, True)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"profiles/a.toml": "x ="}, "a.toml cannot be read"),
        ({"profiles/a.toml": '[x]\nlike = "nothing"\n'}, "Profile 'x', like: there is no profile 'nothing'."),
        (
            {"profiles/a.toml": '[x]\nlike = "elsys-ers"\n', "profiles/b.toml": "[x]\n"},
            "one of them is too many",
        ),
        ({"profiles/a.toml": "x = 1\n"}, "Profile 'x'"),
    ],
)
def test_files_of_the_data_folder_that_cannot_be_used_are_named(
    volme: Program, files: dict[str, str], sentence: str
) -> None:
    for name, text in files.items():
        path = volme.folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = volme("profiles")
    assert (done.code, sentence in done.err) == (3, True), done.err


def test_a_codec_of_the_data_folder_must_not_be_called_as_one_of_the_configuration(volme: Program) -> None:
    volme("codecs", "add", "Vendor ERS.js", "--profile", "elsys-ers")
    (volme.folder / "city.toml").write_text('data = "data"\n[javascript]\nvendor-ers = "Vendor ERS.js"\n')
    done = volme("codecs", "list", "--config", "city.toml")
    assert (done.code, "two codecs are called “vendor-ers”" in done.err) == (3, True)
