# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The MQTT source against real brokers: nothing is acknowledged before it is stored, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import subprocess
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
import pytest_asyncio
import zmqtt
from iotcore import Broker

from adapters.networks.envelope import read_uplink
from adapters.sources import mqtt_wire
from adapters.sources.mqtt import MqttSettings, MqttSource
from models.errors import ConfigurationError, StoreError, TooLargeError
from tests.conftest import free_port
from tests.waiting import Patience, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from models.message import Message

_ids = itertools.count(1)
needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto") is None, reason="mosquitto is not installed (apt install mosquitto)"
)
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@dataclass
class Shelf:
    """A journal that can be told to fail or to wait, and notes in which order it is called."""

    messages: list[Message] = field(default_factory=list)
    calls: list[list[Message]] = field(default_factory=list)
    broken: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def append(self, message: Message) -> int:
        await self.extend((message,))
        return len(self.messages)

    async def extend(self, messages: Sequence[Message]) -> None:
        self.calls.append(list(messages))
        await asyncio.sleep(0)
        await self.open.wait()
        if self.broken:
            sentence = "PostgreSQL is away"
            raise StoreError(sentence)
        self.messages.extend(messages)

    def payloads(self) -> list[bytes]:
        return [each.payload for each in self.messages]


@dataclass
class Mosquitto:
    """Debian's broker as a process that can be stopped and started with what it keeps."""

    folder: Path
    port: int
    options: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        listener = "" if "listener" in self.options else f"listener {self.port} 127.0.0.1\n"
        anonymous = "" if "allow_anonymous" in self.options else "allow_anonymous true\n"
        keep = f"persistence true\npersistence_location {self.folder}/\nmax_queued_messages 0\n"
        config.write_text(f"user {_user()}\n{keep}{listener}{anonymous}{self.options}\n")
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [str(shutil.which("mosquitto")), "-c", str(config)], stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


def _user() -> str:
    return subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()  # noqa: S607 - POSIX


async def listening(port: int) -> None:
    watch = Patience("an MQTT broker that listens")
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            watch.look("nothing listens")
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


@dataclass
class Scene:
    """A broker and how to speak to it."""

    port: int
    version: Literal["3.1.1", "5"]
    mosquitto: Mosquitto | None = None

    def settings(self, **changes: Any) -> MqttSettings:
        return replace(
            MqttSettings(
                name=f"test-{next(_ids)}",
                host="127.0.0.1",
                port=self.port,
                topics=("city/#", "v3/+/devices/+/up"),
                version=self.version,
                retry_delay=0.05,
                retry_delay_limit=0.2,
            ),
            **changes,
        )

    async def publish(self, *payloads: bytes, topic: str = "city/a", qos: int = 1) -> None:
        client = zmqtt.create_client("127.0.0.1", self.port, client_id=f"publisher-{next(_ids)}")
        async with client:
            for payload in payloads:
                await client.publish(topic, payload, qos=zmqtt.QoS(qos))
            await client.ping()


@asynccontextmanager
async def running(settings: MqttSettings, shelf: Shelf) -> AsyncIterator[MqttSource]:
    source = MqttSource(settings, shelf)
    task = asyncio.create_task(source.run())
    try:
        await until(lambda: source.state.connected)
        yield source
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest_asyncio.fixture(params=["iotcore 3.1.1", "mosquitto 3.1.1", "mosquitto 5"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """Every broker that is at hand, with every version of MQTT that it speaks."""
    name, version = request.param.split()
    if name == "iotcore":
        yield Scene(port=request.getfixturevalue("mqtt_port"), version=version)
        return
    if shutil.which("mosquitto") is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    mosquitto = Mosquitto(tmp_path, free_port())
    mosquitto.start()
    await listening(mosquitto.port)
    yield Scene(port=mosquitto.port, version=version, mosquitto=mosquitto)
    mosquitto.stop()


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last)]


async def test_messages_arrive_as_they_are(scene: Scene) -> None:
    shelf = Shelf()
    async with running(scene.settings(), shelf) as source:
        await scene.publish(b'{"t": 1}', b"", b"\x00\xff")
        await scene.publish(b"no copy kept", topic="v3/hagen@ttn/devices/d/up", qos=0)
        await until(lambda: source.state.acknowledged == 4)
    assert [(each.topic, each.payload) for each in shelf.messages] == [
        ("city/a", b'{"t": 1}'),
        ("city/a", b""),
        ("city/a", b"\x00\xff"),
        ("v3/hagen@ttn/devices/d/up", b"no copy kept"),
    ]
    assert {each.source for each in shelf.messages} == {source.state.name}
    assert not any(each.redelivered for each in shelf.messages)
    assert source.state.received == 4
    assert source.state.last_message_at == shelf.messages[-1].received_at
    assert not source.state.connected


async def test_nothing_is_acknowledged_before_it_is_stored(scene: Scene) -> None:
    settings = scene.settings(stop_timeout=0.1)
    shelf = Shelf()
    shelf.open.clear()
    async with running(settings, shelf) as source:
        await scene.publish(*numbered(0, 5))
        await until(lambda: source.state.received == 5 and shelf.calls)
        assert (source.state.acknowledged, source.state.in_flight) == (0, 5)
    # Stopped with nothing stored: the broker delivers all of it again, and says so.
    again = Shelf()
    async with running(settings, again):
        await until(lambda: len(again.messages) == 5)
    assert again.payloads() == numbered(0, 5)
    # iotcore does not set DUP.
    assert all(each.redelivered for each in again.messages) or scene.mosquitto is None
    # Acknowledged now: nothing comes a third time.
    third = Shelf()
    async with running(settings, third):
        await scene.publish(b"new")
        await until(lambda: third.messages)
    assert third.payloads() == [b"new"]


async def test_stopping_stores_and_acknowledges_what_was_taken(scene: Scene) -> None:
    settings = scene.settings()
    shelf = Shelf()
    shelf.open.clear()
    async with running(settings, shelf) as source:
        await scene.publish(*numbered(0, 20))
        await until(lambda: source.state.received == 20)
        asyncio.get_running_loop().call_later(0.1, shelf.open.set)
    assert shelf.payloads() == numbered(0, 20)
    assert (source.state.acknowledged, source.state.in_flight) == (20, 0)
    again = Shelf()
    async with running(settings, again):
        await scene.publish(b"new")
        await until(lambda: again.messages)
    assert again.payloads() == [b"new"]


@pytest.mark.parametrize("qos", [0, 1])
async def test_what_could_not_be_stored_is_stored_later_in_order(scene: Scene, qos: int) -> None:
    shelf = Shelf(broken=True)
    async with running(scene.settings(), shelf) as source:
        # Fewer than the 20 that mosquitto lets be unacknowledged.
        await scene.publish(*numbered(0, 15), qos=qos)
        await until(lambda: source.state.received == 15 and source.state.refused > 3)
        assert source.state.acknowledged == 0
        assert source.state.error == "Messages wait, for they cannot be stored: PostgreSQL is away"
        shelf.broken = False
        await until(lambda: source.state.acknowledged == 15)
        assert (source.state.error, source.state.in_flight) == (None, 0)
        await scene.publish(*numbered(15, 40), qos=qos)
        await until(lambda: source.state.acknowledged == 40)
    assert shelf.payloads() == numbered(0, 40)


@dataclass
class Halfway(Shelf):
    """A journal that writes a part of a batch and then fails, or refuses every batch with one message."""

    refused: bytes | None = None

    async def extend(self, messages: Sequence[Message]) -> None:
        self.calls.append(list(messages))
        await asyncio.sleep(0)
        if self.broken:
            self.messages.extend(messages[: len(messages) // 2])
        if self.broken or self.refused in [each.payload for each in messages]:
            sentence = "the disk is full"
            raise StoreError(sentence)
        self.messages.extend(messages)


async def test_a_batch_that_fails_halfway_is_tried_again_as_a_whole(scene: Scene) -> None:
    settings = scene.settings(stop_timeout=0.1)
    shelf = Halfway(broken=True)
    async with running(settings, shelf) as source:
        await scene.publish(*numbered(0, 15))
        await until(lambda: source.state.received == 15 and len(shelf.calls) > 2)
        assert (source.state.acknowledged, source.state.in_flight) == (0, 15)
        shelf.broken = False
        await until(lambda: source.state.acknowledged == 15)
    assert list(dict.fromkeys(shelf.payloads())) == numbered(0, 15)
    assert shelf.payloads()[-15:] == numbered(0, 15)
    # Acknowledged once stored: the broker has nothing left.
    again = Shelf()
    async with running(settings, again):
        await scene.publish(b"new")
        await until(lambda: again.messages)
    assert again.payloads() == [b"new"]


async def test_a_message_that_can_never_be_stored_is_found_and_holds_up_none_before_it(scene: Scene) -> None:
    shelf = Halfway(broken=True, refused=b"11")
    async with running(scene.settings(), shelf) as source:
        await scene.publish(*numbered(0, 15))
        await until(lambda: source.state.received == 15 and shelf.calls)
        shelf.broken = False
        shelf.messages.clear()
        await until(lambda: shelf.calls[-1][0].payload == b"11" and len(shelf.calls[-1]) == 1)
        assert (source.state.acknowledged, source.state.in_flight) == (11, 4)
        assert source.state.error == "Messages wait, for they cannot be stored: the disk is full"
        shelf.refused = None
        await until(lambda: source.state.acknowledged == 15)
        assert source.state.error is None
    assert shelf.payloads() == numbered(0, 15)


async def test_appends_are_called_in_the_order_of_arrival(scene: Scene) -> None:
    shelf = Shelf()
    async with running(scene.settings(max_in_flight=50), shelf) as source:
        await asyncio.gather(
            *(scene.publish(*numbered(0, 150), topic=f"city/{name}", qos=1) for name in "abc")
        )
        await until(lambda: source.state.acknowledged == 450)
    by_topic = defaultdict(list)
    for message in itertools.chain.from_iterable(shelf.calls):
        by_topic[message.topic].append(message.payload)
    assert max(len(call) for call in shelf.calls) > 1
    assert by_topic == {f"city/{name}": numbered(0, 150) for name in "abc"}


@pytest.mark.parametrize("qos", [0, 1])
async def test_what_waits_is_bounded_and_nothing_is_lost(scene: Scene, qos: int) -> None:
    shelf = Shelf()
    shelf.open.clear()
    async with running(scene.settings(max_in_flight=10), shelf) as source:
        await scene.publish(*numbered(0, 200), qos=qos)
        await until(lambda: source.state.in_flight == 10)
        await scene.publish(*numbered(200, 300), qos=qos)
        assert (source.state.in_flight, source.state.received) == (10, 10)
        shelf.open.set()
        await until(lambda: source.state.acknowledged == 300)
    assert shelf.payloads() == numbered(0, 300)


async def test_what_waits_is_bounded_in_bytes_too(scene: Scene) -> None:
    shelf = Shelf()
    shelf.open.clear()
    payloads = [bytes([number]) * 100_000 for number in range(20)]
    async with running(scene.settings(max_in_flight_bytes=250_000), shelf) as source:
        publishing = asyncio.create_task(scene.publish(*payloads))
        await until(lambda: source.state.in_flight == 3)
        await asyncio.sleep(0.2)
        assert (source.state.in_flight, source.state.received) == (3, 3)
        shelf.open.set()
        await publishing
        await until(lambda: source.state.acknowledged == 20)
    assert shelf.payloads() == payloads


async def test_an_oversized_payload_becomes_a_message(scene: Scene) -> None:
    shelf = Shelf()
    async with running(scene.settings(), shelf):
        await scene.publish(b"x" * 10_000_000, b"next")
        await until(lambda: len(shelf.messages) == 2)
    assert [len(each.payload) for each in shelf.messages] == [10_000_000, 4]
    with pytest.raises(TooLargeError):
        read_uplink(shelf.messages[0])


async def test_what_no_memory_should_hold_is_cut_off(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_wire, "LARGEST", 300_000)
    shelf = Shelf()
    async with running(scene.settings(), shelf) as source:
        await scene.publish(b"before", b"x" * 5_000_000, b"after")
        await until(lambda: source.state.acknowledged == 3)
        await scene.publish(b"y" * 300_050, b"last")
        await until(lambda: source.state.acknowledged == 5)
    sizes = [len(each.payload) for each in shelf.messages]
    assert sizes[0::2] == [6, 5, 4]
    assert all(290_000 < size <= 300_000 for size in sizes[1::2])
    assert source.state.reconnects == 0


async def test_a_broker_that_restarts_is_found_again() -> None:
    """This broker keeps no sessions over a restart: the source must subscribe anew."""
    scene = Scene(port=free_port(), version="3.1.1")
    shelf = Shelf()
    broker = Broker(port=scene.port, listen="127.0.0.1").start()
    try:
        async with running(scene.settings(), shelf) as source:
            await scene.publish(b"before")
            await until(lambda: shelf.messages)
            broker.stop()
            await until(lambda: not source.state.connected)
            await until(lambda: source.state.error)
            assert f"Not connected to 127.0.0.1:{scene.port}: " in str(source.state.error)
            broker = Broker(port=scene.port, listen="127.0.0.1").start()
            await until(lambda: source.state.connected)
            assert (source.state.error, source.state.reconnects) == (None, 1)
            await scene.publish(b"after")
            await until(lambda: len(shelf.messages) == 2)
    finally:
        broker.stop()
    assert shelf.payloads() == [b"before", b"after"]


@needs_mosquitto
@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_neither_broker_nor_journal_away_loses_anything(
    tmp_path: Path, version: Literal["3.1.1", "5"]
) -> None:
    mosquitto = Mosquitto(tmp_path, free_port())
    scene = Scene(port=mosquitto.port, version=version)
    shelf = Shelf(broken=True)
    mosquitto.start()
    try:
        await listening(mosquitto.port)
        async with running(scene.settings(max_in_flight=10, keepalive=1), shelf) as source:
            await scene.publish(*numbered(0, 50))
            await until(lambda: source.state.refused > 3)
            mosquitto.stop()
            await until(lambda: not source.state.connected)
            mosquitto.start()
            await until(lambda: source.state.connected)
            await scene.publish(*numbered(50, 60))
            await until(lambda: source.state.in_flight == 10)
            shelf.broken = False
            await until(lambda: source.state.acknowledged == 60)
    finally:
        mosquitto.stop()
    assert shelf.payloads() == numbered(0, 60)


@needs_mosquitto
async def test_an_acknowledgement_that_comes_after_the_connection_went_is_no_harm(tmp_path: Path) -> None:
    mosquitto = Mosquitto(tmp_path, free_port())
    scene = Scene(port=mosquitto.port, version="5")
    shelf = Shelf()
    shelf.open.clear()
    mosquitto.start()
    try:
        await listening(mosquitto.port)
        async with running(scene.settings(), shelf) as source:
            await scene.publish(*numbered(0, 5))
            await until(lambda: source.state.received == 5)
            mosquitto.stop()
            await until(lambda: not source.state.connected)
            mosquitto.start()
            await until(lambda: source.state.received == 10)
            shelf.open.set()
            await until(lambda: source.state.in_flight == 0)
            await scene.publish(b"5")
            await until(lambda: len(shelf.messages) == 11)
            assert source.state.connected
    finally:
        mosquitto.stop()
    assert shelf.payloads() == [*numbered(0, 5), *numbered(0, 5), b"5"]
    assert [each.redelivered for each in shelf.messages] == [False] * 5 + [True] * 5 + [False]


@needs_mosquitto
@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_wrong_password_is_said_and_the_right_one_works(
    tmp_path: Path, version: Literal["3.1.1", "5"]
) -> None:
    passwords = tmp_path / "passwords"
    tool = str(shutil.which("mosquitto_passwd"))
    subprocess.run([tool, "-b", "-c", passwords, "volme", "right"], check=True)  # noqa: S603, ASYNC221 - our own command, in no time
    options = f"allow_anonymous false\npassword_file {passwords}"
    mosquitto = Mosquitto(tmp_path, free_port(), options)
    settings = Scene(port=mosquitto.port, version=version).settings(username="volme", password="wrong")
    mosquitto.start()
    try:
        await listening(mosquitto.port)
        source = MqttSource(settings, Shelf())
        task = asyncio.create_task(source.run())
        await until(lambda: source.state.error)
        assert "the broker does not accept the user name and password" in str(source.state.error)
        assert "wrong" not in str(source.state.error) + repr(settings)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with running(replace(settings, password="right"), Shelf()) as source:
            assert source.state.error is None
    finally:
        mosquitto.stop()


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([str(shutil.which("openssl")), *arguments], check=True, capture_output=True)  # noqa: S603 - our own command


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate authority of our own, with a certificate for 127.0.0.1 and one for the source."""
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority"),
        *("-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.crt"),
    )
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("broker", "volme"):
        _openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.csr"),
        )
        _openssl(
            *(
                "x509",
                "-req",
                "-days",
                "2",
                "-in",
                tmp_path / f"{name}.csr",
                "-out",
                tmp_path / f"{name}.crt",
            ),
            *("-CA", tmp_path / "ca.crt", "-CAkey", tmp_path / "ca.key", "-CAcreateserial"),
            *("-extfile", tmp_path / "names"),
        )
    return tmp_path


@needs_mosquitto
@needs_openssl
async def test_tls_with_an_authority_and_a_certificate_of_our_own(authority: Path) -> None:
    port, plain = free_port(), free_port()
    mosquitto = Mosquitto(
        authority,
        port,
        f"per_listener_settings false\nlistener {plain} 127.0.0.1\nlistener {port} 127.0.0.1\n"
        f"cafile {authority}/ca.crt\ncertfile {authority}/broker.crt\nkeyfile {authority}/broker.key\n"
        "require_certificate true",
    )
    settings = Scene(port=port, version="5").settings(
        tls=True,
        ca_file=authority / "ca.crt",
        cert_file=authority / "volme.crt",
        key_file=authority / "volme.key",
    )
    mosquitto.start()
    try:
        await listening(plain)
        shelf = Shelf()
        async with running(settings, shelf) as source:
            await Scene(port=plain, version="5").publish(b"x" * 500_000)
            await until(lambda: source.state.acknowledged == 1)
        for changes, words in (
            ({"ca_file": None}, "the broker's certificate is not trusted (self-signed certificate in"),
            ({"host": "localhost"}, "the broker's certificate is not trusted (Hostname mismatch"),
            ({"cert_file": None, "key_file": None}, "Not connected to 127.0.0.1"),
        ):
            source = MqttSource(replace(settings, **changes), shelf)  # type: ignore[arg-type]
            task = asyncio.create_task(source.run())
            await until(lambda: source.state.error)  # noqa: B023 - awaited within the loop
            assert words in str(source.state.error)
            assert not source.state.connected
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    finally:
        mosquitto.stop()
    assert len(shelf.messages) == 1


def test_settings_that_cannot_work_are_refused_at_the_start(tmp_path: Path) -> None:
    scene = Scene(port=1, version="5")
    for changes, words in (
        ({"topics": ()}, "subscribes to no topic"),
        ({"ca_file": tmp_path / "ca.crt"}, "its tls is off"),
        ({"tls": True, "ca_file": tmp_path / "none.crt"}, "cannot use its certificates"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            MqttSource(scene.settings(**changes), Shelf())
