# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The files for production, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> Any:
    return YAML(typ="safe").load((ROOT / "compose/compose.yaml").read_text(encoding="utf-8"))


def test_compose_yaml_is_valid_by_the_compose_specification() -> None:
    subprocess.run(  # noqa: S603 - our own interpreter
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            str(ROOT / "compose/compose.yaml"),
        ],
        check=True,
        capture_output=True,
    )


def test_every_image_has_a_pinned_tag_and_every_server_a_health_check(compose: Any) -> None:
    for name, service in compose["services"].items():
        assert re.search(r":\d+\.\d+", service["image"]), name
        if name != "volme":  # its health check is in the Dockerfile
            assert service["healthcheck"]["test"], name


def test_only_volme_reaches_the_broker_and_the_databases(compose: Any) -> None:
    services = compose["services"]
    for name in ("orion-ld", "mongo", "postgres"):
        assert services[name]["networks"] == ["inside"]
        assert "ports" not in services[name]
    assert compose["networks"]["inside"]["internal"] is True


def test_what_is_published_is_published_on_loopback(compose: Any) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_password_stands_in_any_file(compose: Any) -> None:
    environment = [service.get("environment", {}) for service in compose["services"].values()]
    assert all(key.endswith("_FILE") for entry in environment for key in entry if "PASSWORD" in key)
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())


def test_the_image_installs_from_the_lock_file_with_hashes() -> None:
    assert "--require-hashes -r requirements.lock" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
