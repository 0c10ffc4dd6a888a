# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What browsers get that others wrote is what `vendor.toml` locks."""

from __future__ import annotations

import base64
import hashlib
import tomllib

import pytest

from portal.pages_assets import VENDOR

_PACKAGES = tomllib.loads((VENDOR / "vendor.toml").read_text(encoding="utf-8"))["package"]


@pytest.mark.parametrize("package", _PACKAGES, ids=lambda package: package["name"])
def test_files_are_what_is_locked(package: dict[str, object]) -> None:
    kind, _, digest = str(package["integrity"]).partition("-")
    assert kind == "sha512"
    assert len(base64.b64decode(digest, validate=True)) == 64
    files = package["file"]
    assert isinstance(files, list)
    assert any("LICEN" in file["path"] for file in files)
    for file in files:
        assert hashlib.sha256((VENDOR / file["path"]).read_bytes()).hexdigest() == file["sha256"], file[
            "path"
        ]


def test_nothing_is_there_that_is_not_locked() -> None:
    locked = {file["path"] for package in _PACKAGES for file in package["file"]}
    found = {
        path.relative_to(VENDOR).as_posix()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path.name != "vendor.toml"
    }
    assert found == locked
