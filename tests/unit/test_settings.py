# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
from __future__ import annotations

from pathlib import Path

import pytest

from compose.settings import Settings, load_settings
from models.errors import ConfigurationError, UnsafeExposureError

COMPOSE = Path(__file__).parents[2] / "compose"


def write(folder: Path, text: str) -> Path:
    path = folder / "city.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_listens_on_loopback_by_default() -> None:
    settings = load_settings(None)
    assert {settings.web.host, settings.broker.embedded.host} == {"127.0.0.1"}
    assert (settings.web.port, settings.broker.embedded.port, settings.embedded_mqtt_port) == (
        8080,
        1026,
        1883,
    )


@pytest.mark.parametrize(
    "text",
    [
        '[web]\nhost = "0.0.0.0"\npublic_url = "http://x"',
        '[web]\nhost = "192.168.1.5"',
        '[broker.embedded]\nhost = "::"\nwrite_keys = [{ env = "KEY" }]',
    ],
)
def test_listening_elsewhere_without_encryption_is_refused_with_the_way_out(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(UnsafeExposureError, match=r"without encryption.*behind-proxy"):
        load_settings(write(tmp_path, text))


def test_a_proxy_in_front_is_said_explicitly(tmp_path: Path) -> None:
    path = write(tmp_path, '[web]\nhost = "0.0.0.0"\npublic_url = "http://volme:8080"')
    assert load_settings(path, web__behind_proxy=True).web.behind_proxy


@pytest.mark.parametrize(
    "text",
    ["[broker.embedded]\nbehind_proxy = true", '[broker.embedded]\nhost = "10.0.0.1"\nbehind_proxy = true'],
)
def test_a_broker_that_others_reach_needs_a_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnsafeExposureError, match="without a key"):
        load_settings(write(tmp_path, text))


def test_a_wildcard_address_does_not_say_where_the_contexts_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="public_url"):
        load_settings(write(tmp_path, '[web]\nhost = "0.0.0.0"\nbehind_proxy = true'))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("city = ", "cannot be read"),
        ('citty = "hagen"', "citty: Extra inputs"),
        ("[web]\nport = 99999", "web.port"),
        ('[[mqtt]]\nname = "a"\nurl = "tcp://x"\ntopics = ["#"]', "mqtt “a”.url"),
        ('[[mqtt]]\nname = "a"\nurl = "mqtt://u:p@x"\ntopics = ["#"]', "mqtt “a”.url"),
        (
            '[[mqtt]]\nname = "a"\nurl = "mqtt://x"\ntopics = ["#"]\n' * 2,
            "two sources are called",
        ),
        ('[[mqtt]]\nname = "a"\nurl = "mqtt://x:99999"\ntopics = ["#"]', "mqtt “a”.url"),
        ('[[mqtt]]\nname = "registry"\nurl = "mqtt://x"\ntopics = ["#"]', "Volme's own"),
        ('[[webhook]]\nname = "mqtt"\ntoken = { env = "T" }', "Volme's own"),
        (
            (
                '[[mqtt]]\nname = "a"\nurl = "mqtt://x"\ntopics = ["#"]\n'
                '[[webhook]]\nname = "a"\ntoken = { env = "T" }'
            ),
            "two sources are called",
        ),
        ('[broker]\nurl = "http://volme:secret@orion:1026"', "broker.url"),
        ('[postgres]\nurl = "postgresql://volme:secret@db/volme"', "postgres.url"),
        ('[broker]\nurl = "http://orion-ld:1026"', "cannot reach Volme's contexts"),
        ('[broker]\ntenant = "Public"\n[portal]\ndatasets = "x.toml"', "the city's own tenant"),
        ('[[webhook]]\nname = "a"\ntoken = "secret"', "webhook “a”.token"),
        ('[[webhook]]\nname = "a"\ntoken = {}', "either"),
        ('[[plain]]\nsource = "nowhere"\ntopic = "a/{device}"', "nowhere"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_settings(write(tmp_path, text))


def test_secrets_come_from_files_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("TTN", "from-environment")
    settings = load_settings(
        write(
            tmp_path,
            '[[webhook]]\nname = "a"\ntoken = { file = "token" }\n'
            '[[webhook]]\nname = "b"\ntoken = { env = "TTN" }\n'
            '[[webhook]]\nname = "c"\ntoken = { env = "NOT_SET" }\n',
        )
    )
    assert [source.token.read() for source in settings.webhook[:2]] == ["from-file", "from-environment"]
    with pytest.raises(ConfigurationError, match="NOT_SET"):
        settings.check_secrets()


def test_the_example_for_hagen_can_be_used() -> None:
    settings = load_settings(COMPOSE / "hagen.toml", web__behind_proxy=True, portal__behind_proxy=True)
    assert settings.city == "hagen"
    assert settings.broker.kind == "orion-ld"
    assert settings != Settings()
