# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The command line as operators use it: the real program against a real platform in a folder."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import click
import pytest
import requests
import zmqtt
from click.testing import CliRunner

from compose.cli import volme
from tests.cli_runs import COMMAND, Program
from tests.conftest import free_port
from tests.uplinks import DEV_EUI, chirpstack, the_things_stack
from tests.waiting import PATIENCE, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A published frame of a Decentlab DL-ATM41: 26.4 °C.
WEATHER = bytes.fromhex("02035a0003800a8000800080008009812b8014810880b4a57c820c810980027fe88056800880040bf5")
KNOWN_MODEL = {"version_ids": {"brand_id": "decentlab", "model_id": "dl-atm41"}}


class Reader:
    """Collects what a process writes, while it runs."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._parts: list[bytes] = []
        self._read = read
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        return b"".join(self._parts).decode(errors="replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        watch = Patience(f"“{pattern}”")
        while (found := re.search(pattern, self.text)) is None:
            watch.look(self.text)
            time.sleep(0.05)
        return found

    def end(self) -> None:
        """Wait until the program at the other end is gone and all was read."""
        self._thread.join(PATIENCE)

    def _collect(self) -> None:
        while True:
            try:
                part = self._read()
            except OSError:  # what a terminal says when the program at its other end is gone
                return
            if not part:
                return
            self._parts.append(part)


class Running(Program):
    """A platform that `volme up` runs, and commands about it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.process: subprocess.Popen[bytes] | None = None
        self.screen: Reader | None = None

    def up(self) -> None:
        ports = ("--web-port", "0", "--broker-port", "0", "--mqtt-port", "0")
        self.process = self.start(
            "up", *ports, "--speed", "4", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = self.process.stdout
        assert output is not None
        self.screen = Reader(lambda: os.read(output.fileno(), 65536))
        self.screen.wait_for("Ctrl-C stops")
        self.broker = self.screen.wait_for(r"NGSI-LD +(http://\S+:\d+)/ngsi-ld/v1/")[1]
        self.web = self.screen.wait_for(r"Web +(http://\S+:\d+)/")[1]
        self.mqtt_port = int(self.screen.wait_for(r"MQTT +mqtt://127\.0\.0\.1:(\d+)")[1])

    def stop(self) -> int:
        assert self.process is not None
        assert self.screen is not None
        self.process.send_signal(signal.SIGINT)
        with self.process:
            self.process.wait(PATIENCE)
            self.screen.end()
        return self.process.returncode

    def publish_what_dies(self, *messages: tuple[str, bytes]) -> None:
        async def all_of_them() -> None:
            async with zmqtt.create_client("127.0.0.1", self.mqtt_port, version="3.1.1") as mqtt:
                for topic, payload in messages:
                    await mqtt.publish(topic, payload, qos=zmqtt.QoS.AT_LEAST_ONCE)

        asyncio.run(all_of_them())
        missing = {topic for topic, _ in messages}
        watch = Patience("dead letters of all of them")
        while missing := missing - {letter["topic"] for letter in self.json("dead-letters", "list")}:
            watch.look(missing)

    def entity(self, entity: str) -> dict[str, Any]:
        watch = Patience(entity)
        while True:
            url = f"{self.broker}/ngsi-ld/v1/entities/{entity}"
            answer = requests.get(url, params={"options": "keyValues"}, timeout=30)
            if answer.status_code == 200:
                found: dict[str, Any] = answer.json()
                return found
            watch.look(answer.status_code)
            time.sleep(0.05)

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = self(*arguments, "--json")
        assert done.code == code, done.err
        return json.loads(done.out)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A platform in ./data of an empty folder, as a new user has it."""
    running = Running(tmp_path_factory.mktemp("cli"))
    running.up()
    try:
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Run in an empty folder, where no platform is."""
    return Program(tmp_path)


# ---- without a platform ----------------------------------------------------------------------


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


@pytest.mark.parametrize("path", list(commands(volme)), ids=" ".join)
def test_every_command_explains_itself_in_80_columns(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(volme, [*path, "--help"], terminal_width=80)
    assert done.exit_code == 0
    assert done.output.startswith("Usage: volme ")
    described = [line for line in done.output.splitlines() if line.startswith("  -")]
    assert all(len(line) <= 100 for line in described)
    # Every option says what it is for, on its own line or on the next.
    assert "INTEGER RANGE" not in done.output
    assert "%Y" not in done.output


def test_the_program_shows_its_version_its_commands_and_its_exit_codes(program: Program) -> None:
    assert program.fresh("--version").out.startswith("volme ")
    text = program.fresh("--help").out
    assert [name for name in ("up", "translate", "dead-letters") if f"\n  {name} " not in text] == []
    assert re.search(r"Exit codes:\n +0 +done", text)
    assert re.search(r"^  [a-z-]+ .+\.\.\.$", text, re.MULTILINE) is None
    unknown = program("foo")
    assert (unknown.code, unknown.out) == (2, "")
    assert "No such command 'foo'" in unknown.err


def test_translate_needs_nothing_and_leaves_nothing(program: Program, tmp_path: Path) -> None:
    _, body = the_things_stack(WEATHER, **KNOWN_MODEL)
    for arguments in ((), ("-",), ("-", "--profile", "decentlab-dl-atm41")):
        done = program("translate", *arguments, given=body)
        assert (done.code, done.err) == (0, "")
        steps = re.findall(r"^\d  (\w+)", done.out, re.MULTILINE)
        assert steps == ["message", "uplink", "device", "decoded", "readings", "entities"]
        assert "air_temperature              26.4   → air.temperature" in done.out
        assert re.search(r"^   air\.temperature +26\.4 °C$", done.out, re.MULTILINE)
        assert f"urn:ngsi-ld:WeatherObserved:hagen:{DEV_EUI}\n" in done.out
    assert list(tmp_path.iterdir()) == []


def test_translate_gives_scripts_every_step(program: Program, tmp_path: Path) -> None:
    (tmp_path / "uplink.json").write_bytes(chirpstack(WEATHER)[1])
    arguments = ("translate", "uplink.json", "--profile", "decentlab-dl-atm41", "--json")
    done = program(*arguments, "--type", "AirQualityObserved")
    assert done.code == 0
    steps = json.loads(done.out)
    assert steps["ok"] is True
    assert steps["uplink"]["payload"] == WEATHER.hex()
    assert steps["fields"]["air_temperature"] == 26.4
    assert {"quantity": "air.temperature", "value": 26.4, "unit": "CEL"}.items() <= steps["readings"][
        0
    ].items()
    assert steps["entities"][0]["type"] == "AirQualityObserved"
    assert steps["entities"][0]["temperature"]["unitCode"] == "CEL"
    assert steps["unmapped"] == []
    alone = {entity["measurementType"]["value"]: entity for entity in steps["entities"][2:]}
    assert alone["solar.irradiance"]["numValue"]["unitCode"] == "D54"


@pytest.mark.parametrize(
    ("given", "kind", "step"),
    [
        (b"", "malformed-payload", "1  message"),
        (b"\xff\xfe", "malformed-payload", "1  message"),
        (b'{"topic": "a/b", "payload": {"t": 1}}', "unknown-envelope", "1  message"),
        (chirpstack(WEATHER)[1], "unknown-device", "2  uplink"),
        (the_things_stack(b"\x01", **KNOWN_MODEL)[1], "codec", "3  device"),
    ],
)
def test_translate_says_where_it_stops_and_why(program: Program, given: bytes, kind: str, step: str) -> None:
    done = program("translate", given=given)
    assert done.code == 1
    lines = done.out.splitlines()
    assert [line for line in lines if line[:1].isdigit()][-1] == step
    assert re.search(rf"^✗  it stops here: .+ \({kind}\)$", done.out, re.MULTILINE)


def test_translate_takes_topic_and_payload_as_mosquitto_sub_writes_them(program: Program) -> None:
    topic, body = the_things_stack(WEATHER, **KNOWN_MODEL)
    for given in (
        f"{topic} ".encode() + body,
        json.dumps({"topic": topic, "payload": body.decode()}),
        json.dumps({"topic": topic, "payload_hex": body.hex(), "source": "ttn"}),
    ):
        done = program("translate", "-", given=given)
        assert done.code == 0, done.out
        assert f"topic {topic}" in done.out
    plain = program("translate", given='hagen/wald-1/measures {"time": "2026-03-01T12:00:00Z", "t": 1}')
    assert "plain, device wald-1, observed at 2026-03-01 12:00:00 UTC" in plain.out
    several = program("translate", given=body + b"\n" + body)
    assert several.code == 2
    assert "these are several messages" in several.err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("devices", "list"), 3, "volme: there is no platform in {folder}/data: start one with `volme up`"),
        (("status",), 3, "volme: there is no platform in {folder}/data"),
        (("dead-letters", "list", "--data", "x"), 3, "volme: there is no platform in {folder}/x"),
        (("status", "--config", "none.toml"), 3, "volme: there is no configuration none.toml"),
        (("run",), 2, "volme run needs --config FILE (to try Volme without one: volme up)"),
        (("up", "--speed", "0"), 2, "'--speed': 0.0 is not in the range"),
        (("up", "--data", "/dev/null/x"), 3, "volme: the data folder /dev/null/x cannot be written"),
        (("translate", "none.json"), 2, "'none.json': No such file or directory"),
        (("translate", "-", "--profile", "decentlab-dl-atm14"), 2, "did you mean decentlab-dl-atm41"),
        (("translate", "-", "--type", "weatherobserved"), 2, "did you mean WeatherObserved"),
        (("profiles", "dragino-ldds57"), 1, "did you mean dragino-ldds75"),
        (("dead-letters", "replay"), 2, "name ids or a filter, or say --everything"),
        (("dead-letters", "list", "--kind", "codek"), 2, "did you mean codec?"),
        (("dead-letters", "list", "--since", "gestern"), 2, "“gestern” is no date or time"),
        (("devices", "remove", "Müll 1"), 2, "“Müll 1” is no DevEUI"),
        (("devices", "add"), 2, "name a DEVICE, or a file of them: --file devices.csv"),
        (("devices", "add", "x1", "--at", "51"), 2, "“51” is not LAT,LON or LAT,LON,ALT"),
        (("devices", "add", "x1", "--parameter", "a"), 2, "“a” is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    program: Program, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = program(*arguments, given=b"{}")
    assert done.out == ""
    assert sentence.format(folder=program.folder) in " ".join(done.err.split())
    assert done.code == code


def test_where_postgresql_is_away_its_address_is_named(program: Program, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "city.toml").write_text(
        f'[web]\nport = 0\n[postgres]\nurl = "postgresql://volme@127.0.0.1:{port}/city"\n'
    )
    for arguments in (("devices", "list"), ("run",)):
        done = program(*arguments, "--config", "city.toml")
        assert done.code == 4
        assert "PostgreSQL cannot be reached: " in done.err
        assert f"(postgres.url: 127.0.0.1:{port}/city)" in done.err
    status = program("status", "--config", "city.toml", "--json")
    assert status.code == 1
    first, second = json.loads(status.out)["problems"]
    assert first == "Volme is not running."
    assert second.startswith("PostgreSQL cannot be reached: ")


def test_check_reads_all_that_the_configuration_leads_to(program: Program, tmp_path: Path) -> None:
    config = tmp_path / "city.toml"
    checks = {
        "": (0, ""),
        '[profiles.p]\nvendor = "a"\nmodel = "b"\ncodec = "javascript:p"\nentity_type = "Device"\n'
        "fields = {}": (3, "profile p wants the codec javascript:p, which [javascript] does not name"),
        '[javascript]\np = "none.js"': (3, "none.js cannot be read"),
        '[web]\ntls = { certificate = "none.pem", key = "none.key" }': (3, "there is no file"),
        '[postgres]\nurl = "postgresql://a/b"\npassword = { env = "NONE" }': (3, "variable NONE"),
    }
    for text, (code, sentence) in checks.items():
        config.write_text(text)
        done = program("run", "--config", "city.toml", "--check")
        assert (done.code, sentence in done.err) == (code, True), done.err
    assert program("profiles", "--config", str(tmp_path / "none.toml")).code == 3


def test_profiles_are_listed_and_shown(program: Program) -> None:
    assert re.search(r"^elsys-ers-co2 +Elsys ERS", program("profiles").out, re.MULTILINE)
    one = program("profiles", "dragino-ldds75").out
    assert re.search(r"^Distance +level\.distance +FloodMonitoring\.measuredDistance$", one, re.MULTILINE)


def test_a_terminal_without_a_sign_shows_a_question_mark(program: Program) -> None:
    done = program.fresh("profiles", "dragino-ldds57", PYTHONIOENCODING="latin-1")
    assert done.err == "Error: there is no profile ?dragino-ldds57?; did you mean dragino-ldds75?\n"


# ---- with a platform -------------------------------------------------------------------------


def test_the_lines_that_up_prints_work_when_pasted(platform: Running) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    assert platform.screen is not None
    text = platform.screen.text
    assert text.index("Starting PostgreSQL (the first time, its database is made)") < text.index("is running")
    by_type, one, subscribe = re.findall(r"^  (curl .+)$", text, re.MULTILINE)
    entity = re.search(r"urn:ngsi-ld:[^?]+", one)
    assert entity is not None
    platform.entity(entity[0])  # is there

    def paste(line: str) -> str:
        done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=60, check=True)  # noqa: S603, S607 - what a user does
        return done.stdout.decode()

    assert {found["type"] for found in json.loads(paste(by_type))} == {"WeatherObserved"}
    assert json.loads(paste(one))["name"].endswith("(simuliert)")
    port = free_port()
    listener = platform.start("listen", "--port", str(port), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with listener:
        assert listener.stdout is not None
        output = listener.stdout
        heard = Reader(lambda: os.read(output.fileno(), 65536))
        try:
            heard.wait_for("Waiting for notifications at http://.+\n")
            assert "201 Created" in paste(subscribe.replace(":9000/", f":{port}/"))
            line = heard.wait_for(r"({.+})\n")[1]
            assert json.loads(line)["data"][0]["type"] == "WeatherObserved"
        finally:
            listener.send_signal(signal.SIGINT)
            assert listener.wait(PATIENCE) == 130
            heard.end()


def test_a_second_platform_on_the_same_folder_says_who_has_it(platform: Running) -> None:
    assert platform.process is not None
    done = platform("up")
    assert done.code == 3
    assert f"Volme already runs on {platform.folder}/data (process {platform.process.pid})" in done.err


def test_an_unknown_device_waits_and_is_delivered_when_it_is_added(platform: Running) -> None:
    name = "Wetter „Märkischer Ring“ \x1b[31m"
    known, unknown = "70b3d57ed0aaaa01", "70b3d57ed0aaaa02"
    topic, body = chirpstack(WEATHER, dev_eui=unknown)
    platform.publish_what_dies(
        the_things_stack(WEATHER, dev_eui=known, **KNOWN_MODEL),
        (topic, body.replace(b'"Sensor"', json.dumps(name).encode())),
    )
    waiting = {device["device_id"]: device for device in platform.json("devices", "pending")}
    assert waiting[known]["profile"] == "decentlab-dl-atm41"
    assert waiting[known]["by"] == "model"
    assert waiting[unknown]["profile"] is None  # two models send such bytes
    text = platform("devices", "pending").out
    assert "Wetter „Märkischer Ring“ \\x1b[31m" in text
    assert "\x1b" not in text
    assert f"Next: volme devices approve {known}" in text
    shown = platform("devices", "show", known)
    assert shown.code == 1
    assert f"device {known} is not registered, but 1 message from it waits" in shown.err

    refused = platform("devices", "add", unknown)
    assert (refused.code, "a profile must be named" in refused.err) == (2, True)
    assert platform("devices", "add", known.upper(), "--name", "Höhe", "--at", "51.36,7.47").out == (
        f"Device {known} (decentlab-dl-atm41) is registered;"
        f" it feeds urn:ngsi-ld:WeatherObserved:hagen:{known}.\n"
        "1 message that waited is being delivered.\n"
    )
    entity = platform.entity(f"urn:ngsi-ld:WeatherObserved:hagen:{known}")
    assert (entity["name"], entity["temperature"]) == ("Höhe", 26.4)

    again = platform("devices", "add", known)
    assert (again.code, "; --replace overwrites it" in again.err) == (2, False)
    again = platform("devices", "add", known, "--profile", "decentlab-dl-atm41")
    assert (again.code, "registered already; --replace overwrites it" in again.err) == (1, True)
    assert platform("devices", "add", known, "--profile", "elsys-ers-co2", "--replace").code == 0
    device = platform.json("devices", "show", known)
    assert (device["profile"], device["name"]) == ("elsys-ers-co2", None)
    assert device["entities"][0] == f"urn:ngsi-ld:IndoorEnvironmentObserved:hagen:{known}"
    assert {"id": known, "profile": "elsys-ers-co2"}.items() <= next(
        found for found in platform.json("devices", "list") if found["id"] == known
    ).items()

    removed = platform("devices", "remove", known, "nobody")
    assert (removed.code, removed.out) == (1, f"Device {known} is forgotten.\n")
    assert removed.err == "Not registered: nobody\n"


def test_a_file_of_devices_is_registered_as_a_whole_or_not_at_all(platform: Running) -> None:
    path = platform.folder / "geräte.csv"
    before = len(platform.json("devices", "list"))
    head = "id;profile;name;latitude;longitude;reference_level\r\n"
    good = "70B3D57ED0BBBB01;decentlab-dl-mbx;Pegel Süd;51,3585;7,4717;4,25\r\n"
    path.write_bytes(f"{head}{good}Pegel 2;decentlab-dl-mbxx;;;;\r\n{good}".encode("cp1252"))
    done = platform("devices", "add", "--file", "geräte.csv")
    assert done.code == 1
    assert done.err.splitlines() == [
        (
            "Error: geräte.csv, line 3: “Pegel 2” is no DevEUI (16 hex digits), and no id either"
            " (letters, digits, . _ : ~ -)"
        ),
        "geräte.csv, line 3: there is no profile “decentlab-dl-mbxx”; did you mean decentlab-dl-mbx?",
        "geräte.csv, line 4: device 70b3d57ed0bbbb01 is there twice (also geräte.csv, line 2)",
        "Nothing was registered.",
    ]
    assert len(platform.json("devices", "list")) == before

    path.write_bytes(f"{head}{good}{good.replace('01', '02', 1)}".encode("cp1252"))
    done = platform("devices", "add", "--file", "geräte.csv")
    assert (done.code, done.out, done.err) == (0, "2 devices are registered.\n", "")
    shown = platform("devices", "show", "70B3D57ED0BBBB02").out
    assert re.search(r"^name +Pegel Süd$", shown, re.MULTILINE)
    assert re.search(r"^position +51\.3585, 7\.4717$", shown, re.MULTILINE)
    entity = platform.entity("urn:ngsi-ld:Device:hagen:70b3d57ed0bbbb02")
    assert entity is not None
    assert entity["name"] == "Pegel Süd"


def test_dead_letters_are_listed_shown_tried_and_replayed(platform: Running) -> None:
    platform.publish_what_dies(("kaputt/ä", b'{"a": NaN}'), ("kaputt/bytes", b"\xff\xfe"))
    letters = {letter["topic"]: letter for letter in platform.json("dead-letters", "list", "--since", "1h")}
    number = str(letters["kaputt/ä"]["id"])
    assert letters["kaputt/ä"]["kind"] == "malformed-payload"
    assert "payload" not in letters["kaputt/ä"]

    shown = platform("dead-letters", "show", number).out
    assert re.search(r"^topic +kaputt/ä$", shown, re.MULTILINE)
    assert '{"a": NaN}' in shown
    assert platform("dead-letters", "show", number, "--raw").out == '{"a": NaN}'
    for topic in ("kaputt/ä", "kaputt/bytes"):
        whole = platform("dead-letters", "show", str(letters[topic]["id"]), "--json").out
        tried = platform("translate", "-", given=whole)
        assert (tried.code, f"topic {topic}" in tried.out) == (1, True)
    missing = platform("dead-letters", "show", "99999")
    assert (missing.code, "there is no dead letter 99999" in missing.err) == (1, True)

    dry = platform("dead-letters", "replay", number, "99999", "--dry-run")
    assert dry.code == 1
    assert "1 message would be tried again. Nothing was done." in dry.out
    assert dry.err == "not 99999: there is no such dead letter\n"
    would = platform.json("dead-letters", "replay", "--kind", "malformed-payload", "--dry-run")
    assert would["messages"] == 2
    assert {letter["state"] for letter in would["letters"]} == {"waiting"}

    done = platform("dead-letters", "replay", number)
    assert done.out.startswith("1 message is tried again.\n")
    again = platform("dead-letters", "replay", number)
    assert again.code == 1
    assert again.err.startswith(f"not {number}: it was replayed at ")
    assert platform.json("dead-letters", "replay", "--device", "nobody")["messages"] == 0


def test_captured_messages_are_replayed_and_bad_lines_named(platform: Running) -> None:
    topic, body = the_things_stack(WEATHER, f_cnt=5)
    line = json.dumps({"topic": topic, "payload": body.decode()})
    (platform.folder / "captured.jsonl").write_text(f"{line}\n{{}}\n")
    done = platform("replay", "captured.jsonl")
    assert (done.code, done.out) == (1, "1 message is in the journal.\n")
    assert "not replayed: captured.jsonl:2: The line has no topic." in done.err


def test_status_says_whether_all_is_well(platform: Running) -> None:
    done = platform("status")
    assert done.code == 0
    assert f"NGSI-LD  {platform.broker}\n" in done.out
    assert done.out.endswith("All is well.\n")
    found = platform.json("status")
    assert (found["ok"], found["running"], found["problems"]) == (True, True, [])
    assert found["sources"]["mqtt"]["received"] > 0
    assert found["addresses"]["web"] == platform.web


def test_output_survives_a_pipe_that_closes(platform: Running) -> None:
    process = platform.start("devices", "list", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert errors == b""


def test_ctrl_c_stops_and_the_next_start_goes_on_on_a_terminal(platform: Running) -> None:
    """The last one: it stops the platform, and starts it again in a terminal of 80 columns."""
    assert platform.screen is not None
    before = platform.json("status")["sources"]["mqtt"]["received"]
    assert platform.stop() == 0
    platform.screen.wait_for("Volme has stopped.")
    down = platform("status", "--json")
    assert down.code == 1
    found = json.loads(down.out)
    assert (found["running"], found["problems"]) == (False, ["Volme is not running."])
    kept = found["sources"]["mqtt"]["received"]
    assert kept >= before

    ours, theirs = os.openpty()
    environment = {**platform.environment, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "50"}
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND, "up", "--web-port", "0", "--broker-port", "0", "--mqtt-port", "0"],
        cwd=platform.folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: _take_terminal(theirs),  # noqa: PLW1509 - nothing else runs in this child
    )
    os.close(theirs)
    try:
        screen = Reader(lambda: os.read(ours, 65536))
        screen.wait_for("all is well")
        os.write(ours, b"\x03")  # what a terminal makes of Ctrl-C
        assert process.wait(PATIENCE) == 0
        screen.wait_for("Volme has stopped.")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.text)
    assert "Starting PostgreSQL … " in plain
    assert "the first time" not in plain
    tables = [line.rstrip("\r") for line in plain.split("\n") if re.match(r" (mqtt|all) ", line)]
    assert tables
    assert max(map(len, tables)) <= 80
    received = re.search(r"^ mqtt +([\d,]+) ", plain, re.MULTILINE)
    assert received is not None
    assert int(received[1].replace(",", "")) >= kept


def _take_terminal(terminal: int) -> None:
    """Make the pseudo-terminal the child's own, so that its Ctrl-C reaches it."""
    import fcntl  # noqa: PLC0415 - used in the child alone
    import termios  # noqa: PLC0415 - likewise

    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
