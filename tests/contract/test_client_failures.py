# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The client against brokers that are away, break off, hang, or answer nonsense."""

from __future__ import annotations

import asyncio
import gzip
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

import broker.transport
from broker.client import (
    BadRequestDataError,
    BrokerFailureError,
    BrokerRefusalError,
    BrokerUnavailableError,
    MalformedAnswerError,
    NgsiLdClient,
    NgsiLdError,
    NotFoundError,
    NotSupportedError,
    UnauthorizedError,
    UnknownTenantError,
)
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ENTITY = {"id": "urn:ngsi-ld:X:1", "type": "X"}
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Wire:
    """A server that writes raw bytes: `script(number of the connection, number of the request on it)`.

    What the script returns is written; None closes the connection without a word.
    """

    def __init__(self, script: Callable[[int, int], bytes | None]) -> None:
        self.url = ""
        self.requests = 0
        self.connections = 0
        self._script = script

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection, number = self.connections, 0
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(_length(head))
                self.requests += 1
                number += 1
                answer = self._script(connection, number)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if b"close" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.transport.abort()


def _length(head: bytes) -> int:
    for line in head.decode().splitlines():
        if line.lower().startswith("content-length:"):
            return int(line.partition(":")[2])
    return 0


@asynccontextmanager
async def wire(script: Callable[[int, int], bytes | None]) -> AsyncIterator[Wire]:
    server = Wire(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield server


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def error_of(
    raw: bytes | None,
    call: Callable[[NgsiLdClient], Awaitable[object]] | None = None,
    *,
    patience: float = 10.0,
) -> NgsiLdError:
    """Return what the client raises when it is answered by these bytes."""
    async with wire(lambda _, __: raw) as server, NgsiLdClient(server.url, timeout=patience) as client:
        with pytest.raises(NgsiLdError) as caught:
            await (call or _upsert)(client)
    return caught.value


async def _upsert(client: NgsiLdClient) -> object:
    return await client.upsert([ENTITY], context=None)


async def test_refused_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        async with NgsiLdClient(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            with pytest.raises(BrokerUnavailableError, match="cannot be reached"):
                await _upsert(client)


async def test_unknown_host() -> None:
    async with NgsiLdClient("http://broker.invalid:1026") as client:
        with pytest.raises(BrokerUnavailableError, match="cannot be reached"):
            await client.ping()


async def test_closed_before_the_answer() -> None:
    assert isinstance(await error_of(None), BrokerUnavailableError)


async def test_broken_off_in_the_body() -> None:
    raw = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n[{"id"'
    error = await error_of(raw, lambda client: client.types())
    assert isinstance(error, BrokerUnavailableError)
    assert "broke off" in str(error)


async def test_no_answer_in_time() -> None:
    error = await error_of(b"", patience=0.2)
    assert isinstance(error, BrokerUnavailableError)
    assert "within 0.2 s" in str(error)


async def test_half_an_answer_in_time() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1"
    assert isinstance(
        await error_of(raw, lambda client: client.types(), patience=0.2), BrokerUnavailableError
    )


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
async def test_later(status: int) -> None:
    error = await error_of(answer(status, b"busy", "Retry-After: 7"))
    assert isinstance(error, BrokerUnavailableError)
    assert error.retry_after == 7.0
    assert error.problem.status == status
    assert error.problem.detail == "busy"
    assert error.problem.transient


async def test_retry_after_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    error = await error_of(answer(503, b"", f"Retry-After: {date}"))
    assert error.retry_after is not None
    assert 3500 < error.retry_after <= 3600


@pytest.mark.parametrize("text", ["soon", "-3", "", "٣"])
async def test_retry_after_that_means_nothing(text: str) -> None:
    error = await error_of(answer(503, b"", f"Retry-After: {text}"))
    assert error.retry_after in {None, 3.0}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, NotSupportedError),
        (401, UnauthorizedError),
        (403, UnauthorizedError),
        (405, NotSupportedError),
        (406, BadRequestDataError),
        (418, BadRequestDataError),
        (500, BrokerFailureError),
        (501, NotSupportedError),
        (507, BrokerFailureError),
    ],
)
async def test_other_statuses(status: int, kind: type[NgsiLdError]) -> None:
    error = await error_of(answer(status, b"<html>no</html>", "Location: http://elsewhere.invalid/"))
    assert type(error) is kind
    assert "<html>no</html>" in str(error)


async def test_404_of_something_that_is_no_broker() -> None:
    error = await error_of(answer(404, b"404: Not Found"), lambda client: client.ping())
    assert type(error) is NotSupportedError


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"404: Not Found", NotSupportedError),
        (b'{"type":"x/NonexistentTenant","title":"No such tenant"}', UnknownTenantError),
    ],
)
async def test_a_404_that_concerns_no_entity_fails_the_batch(body: bytes, kind: type[NgsiLdError]) -> None:
    async with wire(lambda _, __: answer(404, body)) as server, NgsiLdClient(server.url) as client:
        with pytest.raises(kind):
            await client.upsert([ENTITY, {"id": "urn:ngsi-ld:X:2", "type": "X"}], context=None)
    assert server.requests == 1


async def test_404_of_a_broker_is_an_answer() -> None:
    problem = b'{"type":"https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound","title":"Entity Not Found"}'
    async with wire(lambda _, __: answer(404, problem)) as server, NgsiLdClient(server.url) as client:
        await client.ping()
        with pytest.raises(NotFoundError):
            await client.retrieve_entity("urn:ngsi-ld:X:1")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff\xfe\x00", b"[{", b"null", b"7", b'{"typeList":3}', b"[]"]
)
async def test_nonsense_where_an_object_was_asked_for(body: bytes) -> None:
    error = await error_of(answer(200, body), lambda client: client.types())
    assert isinstance(error, MalformedAnswerError)
    assert "\n" not in str(error)


@pytest.mark.parametrize("body", [b"{}", b"[3]", b'"x"'])
async def test_nonsense_where_entities_were_asked_for(body: bytes) -> None:
    async def query(client: NgsiLdClient) -> object:
        return [entity async for entity in client.query(type="X")]

    assert isinstance(await error_of(answer(200, body), query), MalformedAnswerError)


async def test_a_count_that_is_none() -> None:
    error = await error_of(answer(200, b"[]"), lambda client: client.count(type="X"))
    assert isinstance(error, MalformedAnswerError)


async def test_not_http() -> None:
    error = await error_of(b"220 mail.example.org ESMTP\r\n\r\n")
    assert isinstance(error, MalformedAnswerError)
    assert "\n" not in str(error)


async def test_packed_answer() -> None:
    body = gzip.compress(b'{"typeList":["X"]}')
    script = answer(200, body, "Content-Encoding: gzip")
    async with wire(lambda _, __: script) as server, NgsiLdClient(server.url) as client:
        assert await client.types() == ("X",)


async def test_answer_that_cannot_be_unpacked() -> None:
    error = await error_of(
        answer(200, b"no gzip at all", "Content-Encoding: gzip"), lambda client: client.types()
    )
    assert isinstance(error, BrokerUnavailableError)


async def test_huge_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker.transport, "_MAX_ANSWER", 10_000)
    packed = gzip.compress(b"[" + b" " * 1_000_000 + b"]")
    assert len(packed) < 10_000
    for raw in (answer(200, b" " * 10_001), answer(200, packed, "Content-Encoding: gzip")):
        error = await error_of(raw, lambda client: client.type_details())
        assert isinstance(error, MalformedAnswerError)
        assert "larger than 10000 bytes" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":3,"errors":[]}',
        b'{"success":[],"errors":"all"}',
        b"[]",
        b"gone wrong",
    ],
)
async def test_a_batch_result_that_cannot_be_read(body: bytes) -> None:
    """Taking it for stored could lose it, taking it for refused too: it must be sent again."""
    assert isinstance(await error_of(answer(207, body)), BrokerFailureError)


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":[],"errors":[]}',
        b'{"success":["urn:ngsi-ld:Y:1"],"errors":[]}',
        b'{"errors":[{"entityId":"urn:ngsi-ld:X:1","error":{"type":"x/InternalError"}}]}',
        b"{}",
    ],
)
async def test_an_entity_of_which_nothing_is_said_may_be_taken_later(body: bytes) -> None:
    async with wire(lambda _, __: answer(207, body)) as server, NgsiLdClient(server.url) as client:
        result = await client.upsert([ENTITY], context=None)
    assert result.succeeded == ()
    assert result.failed["urn:ngsi-ld:X:1"].transient


@pytest.mark.parametrize(
    "error",
    [b'{"title":"bad"}', b'"bad"', b'["bad"]', b"null", b'{"type":7,"status":"400","title":["bad"]}'],
)
async def test_an_error_in_a_batch_result_in_another_form(error: bytes) -> None:
    body = b'{"success":[],"errors":[{"entityId":"urn:ngsi-ld:X:1","error":' + error + b"}]}"
    async with wire(lambda _, __: answer(207, body)) as server, NgsiLdClient(server.url) as client:
        result = await client.upsert([ENTITY], context=None)
    assert result.succeeded == ()
    assert result.failed["urn:ngsi-ld:X:1"].status == 400


async def test_batch_result_with_400() -> None:
    """An older edition of the standard answers 400 where every entity failed."""
    body = b'{"success":[],"errors":[{"entityId":"urn:ngsi-ld:X:1","error":{"title":"bad","status":400}}]}'
    async with wire(lambda _, __: answer(400, body)) as server, NgsiLdClient(server.url) as client:
        result = await client.upsert([ENTITY], context=None)
    assert result.failed["urn:ngsi-ld:X:1"].title == "bad"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_errors_of_a_gateway_are_no_batch_result(status: int) -> None:
    """They say nothing of any entity, and must not make one fail for good."""
    for body in (
        b'{"errors":[{"message":"busy"}]}',
        b'{"errors":[{"entityId":"urn:ngsi-ld:X:1"}]}',
        b'<"errors">',
    ):
        assert (await error_of(answer(status, body))).problem.transient


async def test_long_problems_are_cut() -> None:
    body = b'{"title":"' + b"x" * 100_000 + b'","detail":"a\\n\\tb"}'
    error = await error_of(answer(500, body))
    assert len(str(error)) < 1000
    assert error.problem.detail == "a b"


@pytest.mark.parametrize(
    "body",
    [b'{"notUpdated":[{"attributeName":"b","reason":"no"}]}', b'{"notUpdated":[{"attributes":["b"]}]}'],
)
async def test_attributes_that_were_not_updated(body: bytes) -> None:
    async with wire(lambda _, __: answer(207, body)) as server, NgsiLdClient(server.url) as client:
        result = await client.patch_attributes("urn:ngsi-ld:X:1", {"a": 1, "b": 2})
    assert result.updated == ("a",)
    assert result.failed.keys() == {"b"}


@pytest.mark.parametrize("body", [b"[]", b'{"notUpdated":3}', b'{"notUpdated":["b"]}'])
async def test_attributes_result_that_cannot_be_read(body: bytes) -> None:
    error = await error_of(
        answer(207, body), lambda client: client.append_attributes("urn:ngsi-ld:X:1", {"b": 2})
    )
    assert isinstance(error, MalformedAnswerError)


async def test_observed_takes_the_newest_instance_and_leaves_out_what_is_no_time() -> None:
    body = (
        b'[{"id":"urn:ngsi-ld:X:1","type":"X","a":[{"value":1,"observedAt":"2026-05-01T10:00:00.123456Z"},'
        b'{"value":2,"observedAt":"2026-05-01T11:00:00"},{"value":3,"observedAt":"2026-05-01T12:30:00+02:00"}],'
        b'"b":{"value":1,"observedAt":"yesterday"},"c":{"value":1,"observedAt":7},"d":3,"e":null}]'
    )
    async with wire(lambda _, __: answer(200, body)) as server, NgsiLdClient(server.url) as client:
        observed = await client.observed(["urn:ngsi-ld:X:1"], type="X")
    assert observed == {"urn:ngsi-ld:X:1": {"a": datetime(2026, 5, 1, 11, tzinfo=UTC)}}


@pytest.mark.parametrize(("status", "partial"), [(200, False), (206, True)])
async def test_a_part_of_the_history_is_said_to_be_one(status: int, *, partial: bool) -> None:
    raw = answer(status, b'{"id":"urn:ngsi-ld:X:1","type":"X","a":[]}')
    async with wire(lambda _, __: raw) as server, NgsiLdClient(server.url) as client:
        result = await client.retrieve_temporal("urn:ngsi-ld:X:1", lastN="5")
    assert result.entities[0]["id"] == "urn:ngsi-ld:X:1"
    assert result.partial is partial


# A kept-alive connection that the broker closes just when the next request comes.


def closing(connection: int, number: int) -> bytes | None:
    return NO_CONTENT if connection > 1 or number == 1 else None


async def test_upsert_is_repeated_once_where_a_kept_connection_was_closed() -> None:
    async with wire(closing) as server, NgsiLdClient(server.url, connections=1) as client:
        await _upsert(client)
        result = await client.upsert([ENTITY], context=None)
    assert result.succeeded == ("urn:ngsi-ld:X:1",)
    assert (server.connections, server.requests) == (2, 3)


async def test_create_is_not_repeated() -> None:
    async with wire(closing) as server, NgsiLdClient(server.url, connections=1) as client:
        await _upsert(client)
        with pytest.raises(BrokerUnavailableError):
            await client.create_entity(ENTITY)
    assert server.requests == 2


async def test_upsert_is_not_repeated_on_a_new_connection() -> None:
    async with wire(lambda _, __: None) as server, NgsiLdClient(server.url) as client:
        with pytest.raises(BrokerUnavailableError):
            await _upsert(client)
    assert server.requests == 1


async def test_upsert_is_repeated_only_once() -> None:
    def script(connection: int, number: int) -> bytes | None:
        return NO_CONTENT if connection == number == 1 else None

    async with wire(script) as server, NgsiLdClient(server.url, connections=1) as client:
        await _upsert(client)
        with pytest.raises(BrokerUnavailableError):
            await _upsert(client)
    assert server.requests == 3


async def test_no_more_connections_than_allowed() -> None:
    async with wire(lambda _, __: NO_CONTENT) as server, NgsiLdClient(server.url, connections=2) as client:
        await asyncio.gather(*(_upsert(client) for _ in range(20)))
    assert server.requests == 20
    assert server.connections <= 2


# What the client is given.


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1026", "ftp://x", "http://", "http://[::1", "orion", "http://h:x"]
)
async def test_addresses_that_cannot_be_used(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"broker's address"):
        async with NgsiLdClient(address) as client:
            await client.ping()


def test_unknown_kind() -> None:
    with pytest.raises(ConfigurationError, match="orion-ld"):
        NgsiLdClient("http://localhost:1026", kind="orion")


@pytest.mark.parametrize(("user", "token"), [("user:secret@", None), ("", "secret")])
async def test_secrets_stay_out_of_errors(user: str, token: str | None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://{user}127.0.0.1:{taken.getsockname()[1]}"
        async with NgsiLdClient(address, token=token) as client:
            with pytest.raises(BrokerUnavailableError) as caught:
                await client.ping()
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value.problem)


def test_two_ways_to_log_in() -> None:
    with pytest.raises(ConfigurationError, match="leave one of the two out") as caught:
        NgsiLdClient("http://user:secret@127.0.0.1", token="hidden")
    assert "secret" not in str(caught.value)


async def test_used_before_it_is_entered() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await NgsiLdClient("http://127.0.0.1:1").ping()


def test_every_refusal_says_that_repeating_is_of_no_use() -> None:
    assert issubclass(NotSupportedError, BrokerRefusalError)
    assert not issubclass(BrokerUnavailableError, BrokerRefusalError)
    assert not issubclass(BrokerFailureError, BrokerRefusalError)
