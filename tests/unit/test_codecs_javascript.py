# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Vendor JavaScript in real child processes: what it finds, what it returns, how it fails."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio

from adapters.codecs import javascript_child
from adapters.codecs.breaker import Breaker
from adapters.codecs.decoding import Codecs, Request
from models.errors import CodecError, CodecMemoryError, CodecPausedError, CodecTimeoutError
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(javascript_child.__file__)
RECEIVED = datetime(2026, 3, 1, 12, 0, 5, 250000, tzinfo=UTC)

GOOD = {
    "uplink": """
        function decodeUplink(input) {
          return { data: { first: input.bytes[0], plain: Array.isArray(input.bytes), port: input.fPort,
                           at: input.recvTime, none: Object.keys(input.variables).length },
                   warnings: ["low battery", 7] };
        }""",
    "arrow": "const decodeUplink = ({ bytes }) => ({ data: { n: bytes.length } });",
    "decode": "function Decode(fPort, bytes, variables) { return { fPort, bytes, variables }; }",
    "decoder": "function Decoder(bytes, port) { return { port, bytes }; }",
    "both": """
        function Decoder(bytes, port) { return { old: true }; }
        function decodeUplink(input) { return { data: { ...Decoder(input.bytes), port: input.fPort } }; }""",
    "clock": """
        const loaded = Date.now();
        class Stamp extends Date {}
        function decodeUplink(input) {
          const a = new Date(); for (let i = 0; i < 1e5; i++); const b = new Date();
          return { data: { loaded, iso: a.toISOString(), same: +a === +b, text: Date().slice(0, 24),
            local: a.getHours(), offset: a.getTimezoneOffset(), given: new Date(2020, 0, 31).toISOString(),
            parsed: Date.parse("2020-01-31T00:00:00Z"), utc: Date.UTC(2020, 0, 31), is: a instanceof Date,
            made: new a.constructor().getTime(), own: new Stamp().getTime(), tick: performance.now() } };
        }""",
    "console": """
        function Decoder() {
          console.log("noise"); console.error("x".repeat(1e5)); console.table([1]); console.assert(false);
          return { ok: 1 };
        }""",
    "buffer": """
        function Decoder(bytes) {
          const b = Buffer.from(bytes), f = Buffer.alloc(8), big = Buffer.from("000000000000002a", "hex");
          f.writeFloatLE(-1.5, 0); f.writeUInt16BE(258, 4);
          return {
            hex: b.toString("hex"), base64: b.toString("base64"), from64: Buffer.from("/w==", "base64")[0],
            u8: b.readUInt8(0), i8: b.readInt8(0), u16: b.readUInt16LE(1), i16: b.readInt16BE(0),
            u32: b.readUInt32BE(0), i32: b.readInt32LE(0), lower: b.readUint16BE(2), u24: b.readUIntBE(1, 3),
            i24: b.readIntLE(0, 3), float: f.readFloatLE(0), wrote: [...f.slice(4, 6)],
            big: Number(big.readBigUInt64BE(0)),
            utf8: Buffer.from("grün", "utf8").toString(), length: Buffer.byteLength("grün"),
            concat: Buffer.concat([b, Buffer.from("!")]).length, is: Buffer.isBuffer(b), equal: b.equals(b),
            ascii: Buffer.from([72, 105]).toString("ascii"), slice: b.slice(1, 3).toString("hex"), json: f,
          };
        }""",
    "nul": "var text = 'a\0b'; function Decoder() { return { text, length: text.length }; }",
    "sticky": "globalThis.count = (globalThis.count || 0) + 1; function Decoder() { return { count }; }",
    "normal": """
        function decodeUplink(input) { return { data: { t: input.bytes[0], h: 40 } }; }
        function normalizeUplink(input) {
          return { data: { air: { temperature: input.data.t } }, warnings: ["cold"] };
        }""",
    "normal_list": """
        function decodeUplink(input) { return { data: { t: 1 } }; }
        function normalizeUplink() { return { data: [{ air: { temperature: 1 } }, { battery: 3.1 }] }; }""",
    "normal_broken": """
        function decodeUplink(input) { return { data: { t: 1 } }; }
        function normalizeUplink(input) { return input.data.missing.value; }""",
    "normal_errors": """
        function decodeUplink(input) { return { data: { t: 1 } }; }
        function normalizeUplink(input) { return { errors: ["no"] }; }""",
}

# codec → the sentence after "The codec '…' failed: "
FAILS = {
    "throws": ("function Decoder() { throw new Error('port 7?'); }", "Error: port 7?"),
    "throws_text": ("function Decoder() { throw 'port 7?'; }", "port 7?"),
    "syntax": ("function Decoder() { return {", "SyntaxError: invalid property name"),
    "nothing": ("var a = 1;", "ReferenceError: it has neither decodeUplink nor Decode nor Decoder"),
    "errors": ("function decodeUplink() { return { errors: ['no', 'way'] }; }", "no; way"),
    "nan": (
        "function decodeUplink() { return { data: { t: 0 / 0 } }; }",
        "RangeError: the field t is NaN, which is no number",
    ),
    "infinite": (
        "function Decoder() { return { deep: [{ t: -1 / 0 }] }; }",
        "RangeError: the field t is -Infinity, which is no number",
    ),
    "undefined": ("function Decoder() {}", "it returned no object"),
    "null": ("function decodeUplink() { return null; }", "TypeError: it returned no object"),
    "number": ("function Decoder() { return 7; }", "it returned no object"),
    "list": ("function decodeUplink() { return { data: [1] }; }", "it returned no object"),
    "promise": ("async function decodeUplink() { return { data: {} }; }", "it returned no object"),
    "circular": ("function Decoder() { const a = {}; a.a = a; return a; }", "TypeError: circular reference"),
    "bigint": (
        "function Decoder() { return { a: 10n }; }",
        "TypeError: BigInt are forbidden in JSON.stringify",
    ),
    "surrogate": ("function Decoder() { return { a: '\\ud800' }; }", "its result is not JSON"),
    "nested": (
        "function Decoder() { let a = {}, r = a; for (let i = 0; i < 3000; i++) a = a.a = {}; return r; }",
        "its result is not JSON",
    ),
    "huge": ("function Decoder() { return { a: 'x'.repeat(1e6) }; }", "its result has 1000059 characters"),
    "recursion": (
        "function Decoder() { const f = () => f() + 1; return f(); }",
        "RangeError: Maximum call stack size exceeded",
    ),
    "escape": ("function Decoder() { throw new Error('\\u001b[31mred\\n'); }", "Error:  [31mred"),
    "tampers": (
        "JSON.stringify = () => '{}'; Object.prototype.toJSON = () => {}; function Decoder() { return {}; }",
        "its result is not JSON",
    ),
}

LOOPS = {
    "loop": "function Decoder() { for (;;); }",
    "loop_while_loading": "for (;;);",
    "regex": "function Decoder() { return { a: /^(a+)+$/.test('a'.repeat(40) + 'b') }; }",
    "catching": "function Decoder() { for (;;) { try { for (;;); } catch (error) {} } }",
}
HOARDS = {
    "array": "function Decoder() { const a = []; for (;;) a.push(new Array(1000).fill(1)); }",
    "text": "function Decoder() { return { a: 'x'.repeat(1e9) }; }",
}
# Catches its own memory errors within native code: only the death of the process ends it.
BOMB = "function Decoder() { for (;;) { try { new Array(1e6).fill(new Array(1e3)); } catch (error) {} } }"

SOURCES = {
    **GOOD,
    **{name: source for name, (source, _) in FAILS.items()},
    **LOOPS,
    **HOARDS,
    "bomb": BOMB,
}


@pytest_asyncio.fixture
async def codecs() -> AsyncIterator[Codecs]:
    codecs = Codecs(SOURCES, workers=2)
    yield codecs
    await codecs.close()


async def run(codecs: Codecs, name: str, payload: bytes = b"\x80\xfe\x03\x04") -> dict[str, Any]:
    decoded = await codecs.decode(f"javascript:{name}", payload=payload, f_port=2, received_at=RECEIVED)
    return dict(decoded.fields)


def children() -> set[int]:
    """Ids of this process' codec children that run."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == os.getpid() and str(CHILD).encode() in command and fields[0] != "Z":
            found.add(int(status.parent.name))
    return found


def runs(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def until_gone(pid: int) -> None:
    """Wait until a process has ended."""
    await until(lambda: not runs(pid))


async def test_decode_uplink(codecs: Codecs) -> None:
    decoded = await codecs.decode("javascript:uplink", payload=b"\xff", f_port=2, received_at=RECEIVED)
    assert decoded.fields == {
        "first": 255,
        "plain": True,
        "port": 2,
        "at": "2026-03-01T12:00:05.250Z",
        "none": 0,
    }
    assert decoded.warnings == ("low battery", "7")
    assert decoded.normalized == ()


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("arrow", {"n": 2}),
        ("decode", {"fPort": 2, "bytes": [1, 2], "variables": {}}),
        ("decoder", {"port": 2, "bytes": [1, 2]}),
        ("both", {"old": True, "port": 2}),
        ("console", {"ok": 1}),
        ("nul", {"text": "a\0b", "length": 3}),
    ],
)
async def test_entry_points_and_surroundings(codecs: Codecs, name: str, fields: dict[str, Any]) -> None:
    assert await run(codecs, name, b"\x01\x02") == fields


async def test_a_device_without_ports_has_none(codecs: Codecs) -> None:
    decoded = await codecs.decode("javascript:decoder", payload=b"", f_port=None, received_at=RECEIVED)
    assert decoded.fields == {"port": None, "bytes": []}


async def test_the_clock_stands_at_the_receive_time(codecs: Codecs) -> None:
    now = round(RECEIVED.timestamp() * 1000)
    assert await run(codecs, "clock") == {
        "loaded": now,
        "iso": "2026-03-01T12:00:05.250Z",
        "same": True,
        "text": "Sun Mar 01 2026 12:00:05",
        "local": 12,
        "offset": 0,
        "given": "2020-01-31T00:00:00.000Z",
        "parsed": 1580428800000,
        "utc": 1580428800000,
        "is": True,
        "made": now,
        "own": now,
        "tick": 0,
    }


async def test_buffer(codecs: Codecs) -> None:
    assert await run(codecs, "buffer") == {
        "hex": "80fe0304",
        "base64": "gP4DBA==",
        "from64": 255,
        "u8": 0x80,
        "i8": -128,
        "u16": 0x03FE,
        "i16": -32514,
        "u32": 0x80FE0304,
        "i32": 0x0403FE80,
        "lower": 0x0304,
        "u24": 0xFE0304,
        "i24": 0x03FE80,
        "float": -1.5,
        "wrote": [1, 2],
        "big": 42,
        "utf8": "grün",
        "length": 5,
        "concat": 5,
        "is": True,
        "equal": True,
        "ascii": "Hi",
        "slice": "fe03",
        "json": {"type": "Buffer", "data": [0, 0, 192, 191, 1, 2, 0, 0]},
    }


async def test_no_uplink_sees_what_another_left_behind(codecs: Codecs) -> None:
    assert [await run(codecs, "sticky") for _ in range(4)] == [{"count": 1}] * 4


# Where a codec can count its uplinks, if nobody takes the count away.
COUNTERS = {
    "variable": "var n = 0; function Decoder() { n += 1; return { n }; }",
    "lexical": "let n = 0; const Decoder = () => ({ n: ++n });",
    "object": "const state = { n: 0 }; function Decoder() { return { n: ++state.n }; }",
    "assigned": "n = 0; Decoder = function () { n = n + 1; return { n }; };",
    "implicit": "function Decoder() { k = typeof k === 'undefined' ? 1 : k + 1; return { n: k }; }",
    "this": "function Decoder() { this.n = (this.n || 0) + 1; return { n: this.n }; }",
    "this_variable": "var n = 0; function Decoder() { this.n = this.n + 1; return { n }; }",
    "window": "var w = this; w.n = w.n || 0; function Decoder() { return { n: ++w.n }; }",
    "function": "function Decoder() { Decoder.n = (Decoder.n || 0) + 1; return { n: Decoder.n }; }",
    "array": "function Decoder() { const p = Array.prototype; p.n = (p.n || 0) + 1; return { n: p.n }; }",
    "unnamed": "function Decoder(b) { const p = b.constructor; p.n = (p.n || 0) + 1; return { n: p.n }; }",
    "root": "function Decoder(b) { const p = b.__proto__.__proto__; return { n: p.n = (p.n || 0) + 1 }; }",
    "method": "function Decoder(b) { const p = b.push; p.n = (p.n || 0) + 1; return { n: p.n }; }",
    "call": "function Decoder() { const p = Decoder.__proto__; return { n: p.n = (p.n || 0) + 1 }; }",
    "math": "function Decoder() { Math.n = (Math.n || 0) + 1; return { n: Math.n }; }",
    "json": "function Decoder() { JSON.n = (JSON.n || 0) + 1; return { n: JSON.n }; }",
    "console": "function Decoder() { console.n = (console.n || 0) + 1; return { n: console.n }; }",
    "date": "function Decoder() { const p = new Date().constructor; return { n: p.n = (p.n || 0) + 1 }; }",
    "buffer": "function Decoder() { const p = Buffer.prototype; return { n: p.n = (p.n || 0) + 1 }; }",
    "iterator": """
        function Decoder(b) {
          const p = Object.getPrototypeOf(b.values()); p.n = (p.n || 0) + 1; return { n: p.n };
        }""",
    "regex": "const r = /a/g; function Decoder() { r.test('aaaa'); return { n: r.lastIndex }; }",
    "symbol": """
        const s = Symbol.for("n");
        function Decoder() { const p = Object.prototype; p[s] = (p[s] || 0) + 1; return { n: p[s] }; }""",
    "hidden": """
        function Decoder() {
          const n = (Number.n || 0) + 1;
          Object.defineProperty(Number, "n", { value: n, configurable: true }); return { n };
        }""",
    "replaced": """
        function Decoder() {
          const old = parseInt, n = (old.n || 0) + 1; parseInt = () => 0; parseInt.n = n; return { n };
        }""",
    "shadow": """
        var console = console || {};
        function Decoder(b) { return { n: b[0] > 5 && !console.log ? 2 : 1 }; }""",
    "lexical_eval": "function Decoder(b) { if (b[0] > 5) (0, eval)('let z = 1'); return { n: 1 }; }",
    "eval": "(0, eval)('var n = 0'); function Decoder() { return { n: (0, eval)('++n') }; }",
    "generated": "var n = 0; function Decoder() { return { n: Function('return ++this.n')() || ++n }; }",
    "polyfill": """
        var console = console || {};
        if (!Array.prototype.n) Array.prototype.n = 0;
        function Decoder(b) { Array.prototype.n += 1; return { n: b.n }; }""",
    "sometimes": """
        function Decoder(b) {
          const n = 1 + ("".n || 0); if (b[0] % 3 === 2) String.prototype.n = 1; return { n };
        }""",
    "promise": "let n = 0; Promise.resolve().then(() => n++); function Decoder() { return { n: n + 1 }; }",
    "weak": "var w = new WeakMap(); function Decoder(b) { w.set(b, 1); return { n: w.has(b) ? 1 : 2 }; }",
    "frozen": """
        function Decoder() {
          const n = Object.isFrozen(Object.prototype) ? 2 : 1; Object.freeze(Object.prototype); return { n };
        }""",
    "heir": """
        function Decoder(b) {
          const n = Object.getPrototypeOf(Array.prototype) === Object.prototype ? 1 : 2;
          Object.setPrototypeOf(Array.prototype, { foreign: 1 }); return { n };
        }""",
}


@pytest.mark.parametrize("name", COUNTERS)
async def test_a_codec_cannot_count_its_uplinks(name: str) -> None:
    """One after the other, all at once, and all at once again: the answer of a fresh interpreter."""
    codecs = Codecs(COUNTERS, workers=1)
    for start in range(3):
        assert await run(codecs, name, bytes([start])) == {"n": 1}
    for _ in range(2):
        assert await asyncio.gather(*(run(codecs, name, bytes([at])) for at in range(20))) == [{"n": 1}] * 20
    await codecs.close()


TAMPERING = """
    Object.prototype.n = 666; Array.prototype.map = () => ["tampered"]; Array.prototype[0] = 5;
    JSON.stringify = () => "{}"; JSON.parse = () => ({}); Reflect.ownKeys = () => [];
    Object.keys = () => []; Array.isArray = () => false; String.prototype.toString = null;
    Object.defineProperty(Object.prototype, "toJSON", { get() { throw new Error("boo"); } });
    Object.defineProperty(globalThis, "stuck", { value: 1 });
    Function.prototype.call = Function.prototype.apply = () => 0; Date = undefined; undefined = 1;
    function Decoder() { return {}; }"""


@pytest.mark.parametrize("whose", ["globalThis", "this", "(function () { return this; })()"])
async def test_tampering_harms_nobody_else(whose: str) -> None:
    sources = {**GOOD, "tampers": TAMPERING.replace("globalThis", whose)}
    codecs = Codecs(sources, workers=1)
    good = [await run(codecs, name) for name in ("uplink", "clock", "buffer", "both")]
    for _ in range(3):
        results = await asyncio.gather(
            *(
                run(codecs, name)
                for _ in range(5)
                for name in ("uplink", "tampers", "clock", "buffer", "both")
            ),
            return_exceptions=True,
        )
        assert [result for at, result in enumerate(results) if at % 5 != 1] == good * 5
        assert all(isinstance(result, CodecError) for result in results[1::5])
    await codecs.close()


async def test_a_kept_interpreter_says_the_same_as_a_fresh_one(codecs: Codecs) -> None:
    """Every way to succeed and to fail, again and again in one batch."""
    names = [*GOOD, *FAILS]
    first = [await answer(codecs, name) for name in names]
    for _ in range(3):
        assert await asyncio.gather(*(answer(codecs, name) for name in names)) == first


async def answer(codecs: Codecs, name: str) -> Any:
    try:
        return await run(codecs, name)
    except CodecError as error:
        return error.kind, error.sentence


async def test_decode_many_answers_each_in_its_place(codecs: Codecs) -> None:
    def request(codec: str, payload: bytes) -> Request:
        return Request(codec=codec, payload=payload, f_port=5, received_at=RECEIVED)

    wanted = [
        ("javascript:decoder", b"\x01", {"port": 5, "bytes": [1]}),
        ("javascript:throws", b"\x01", "The codec 'throws' failed: Error: port 7?"),
        ("elsys", b"\x02\x29", {"humidity": 41}),
        ("elsys", b"\xff", None),
        ("javascript:loop", b"\x01", "The codec 'loop' took more CPU time than a codec may and was stopped."),
        ("javascript:nobody", b"\x01", "There is no JavaScript codec 'nobody'."),
        ("javascript:surrogate", b"\x01", "The codec 'surrogate' failed: its result is not JSON"),
        ("javascript:decoder", b"\x02", {"port": 5, "bytes": [2]}),
        ("nothing", b"\x01", "There is no codec 'nothing'."),
    ]
    for _ in range(3):
        results = await codecs.decode_many([request(codec, payload) for codec, payload, _ in wanted])
        for (codec, _, expected), result in zip(wanted, results, strict=True):
            if isinstance(result, CodecError):
                assert expected in {None, result.sentence} or codec == "javascript:loop"
            else:
                assert result.fields == expected
    assert await codecs.decode_many([]) == []


def loops_for(first: int, more: str = "for (;;);") -> str:
    """A codec that is well-behaved for every payload but one."""
    return f"function Decoder(b) {{ if (b[0] === {first}) {{ {more} }} return {{ first: b[0] }}; }}"


@pytest.mark.parametrize("more", ["for (;;);", BOMB.partition("{")[2].rpartition("}")[0]])
async def test_one_payload_of_a_batch_spoils_no_other(more: str) -> None:
    codecs = Codecs({"treacherous": loops_for(7, more), **GOOD}, workers=1)
    for name in ("treacherous", "decoder", "arrow"):
        await run(codecs, name, b"\x00")
    names = [("treacherous", "decoder", "arrow")[at % 3] for at in range(30)]
    payloads = [bytes([7 if at == 9 else 1]) for at in range(30)]
    results = await asyncio.gather(
        *(run(codecs, name, payload) for name, payload in zip(names, payloads, strict=True)),
        return_exceptions=True,
    )
    failed = [at for at, result in enumerate(results) if isinstance(result, BaseException)]
    assert failed == [9]
    assert isinstance(results[9], CodecTimeoutError)
    assert results[10:12] == [{"port": 2, "bytes": [1]}, {"n": 1}]
    await codecs.close()


async def test_good_codecs_do_not_wait_for_one_that_loops() -> None:
    """All good results come before the first of the looping codec's, which never has both children."""
    codecs = Codecs(SOURCES, workers=2)
    await run(codecs, "decoder")
    order: list[str] = []

    async def note(name: str) -> None:
        await answer(codecs, name)
        order.append(name)

    looping = [asyncio.create_task(note("bomb")) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.gather(*(note("decoder") for _ in range(500)))
    assert order == ["decoder"] * 500
    await asyncio.gather(*looping)
    assert order.count("bomb") == 10
    await codecs.close()


async def test_a_looping_codec_has_one_child_however_many_there_are() -> None:
    """The other suspects come first, though it was asked for before them."""
    codecs = Codecs(SOURCES, workers=3)
    order: list[str] = []

    async def note(name: str) -> None:
        await answer(codecs, name)
        order.append(name)

    names = ["bomb", "bomb", "bomb", "throws", "nothing", "errors", "nan"]
    await asyncio.gather(*(note(name) for name in names))
    assert order == ["throws", "nothing", "errors", "nan", "bomb", "bomb", "bomb"]
    await codecs.close()


async def test_a_codec_that_loops_again_and_again_is_stopped_for_a_while() -> None:
    codecs = Codecs(SOURCES, workers=2)
    results = await asyncio.gather(*(answer(codecs, "loop") for _ in range(12)))
    assert [kind for kind, _ in results] == ["codec-timeout"] * 3 + ["codec-paused"] * 9
    sentence = results[-1][1]
    assert re.fullmatch(
        r"The codec 'loop' is stopped from [-0-9]{10} [:0-9]{8} until [-0-9]{10} [:0-9]{8} UTC, because it"
        r" took too much time or memory 3 times: mend it, and replay its messages\.",
        sentence,
    )
    with pytest.raises(CodecPausedError) as caught:
        await run(codecs, "loop")
    assert caught.value.detail["codec"] == "loop"
    assert isinstance(caught.value, CodecError)
    assert await run(codecs, "sticky") == {"count": 1}
    await codecs.close()


async def test_a_stopped_codec_is_tried_once_after_its_pause() -> None:
    """It has looped for a while, and then does not any more."""
    now = 0.0
    codecs = Codecs({"moody": loops_for(7)}, workers=2)
    codecs._pool.breaker = Breaker(first_pause=10, clock=lambda: now)
    assert await run(codecs, "moody") == {"first": 128}

    async def many(payload: bytes, times: int) -> list[Any]:
        async def one() -> Any:
            try:
                return await run(codecs, "moody", payload)
            except CodecError as error:
                return error.kind

        return await asyncio.gather(*(one() for _ in range(times)))

    # Trusted before, it has the first ones in a batch of its own.
    assert await many(b"\x07", 3) == ["codec-timeout"] * 3
    assert await many(b"\x01", 2) == ["codec-paused"] * 2
    now = 11.0
    assert await many(b"\x07", 5) == ["codec-timeout"] + ["codec-paused"] * 4
    now = 22.0
    assert await many(b"\x01", 2) == ["codec-paused"] * 2  # the second pause is twice as long
    now = 32.0
    assert await many(b"\x01", 40) == [{"first": 1}] * 40
    assert await many(b"\x07", 1) == ["codec-timeout"]
    assert await many(b"\x01", 1) == [{"first": 1}]  # all was forgiven
    await codecs.close()


async def test_normalize_uplink(codecs: Codecs) -> None:
    async def normalized(name: str) -> tuple[Any, ...]:
        decoded = await codecs.decode(f"javascript:{name}", payload=b"\x05", f_port=1, received_at=RECEIVED)
        assert decoded.fields["t"]
        return decoded.normalized, decoded.warnings

    assert await normalized("normal") == (({"air": {"temperature": 5}},), ("cold",))
    assert await normalized("normal_list") == (({"air": {"temperature": 1}}, {"battery": 3.1}), ())
    assert await normalized("normal_errors") == ((), ("no",))
    nothing, (warning,) = await normalized("normal_broken")
    assert nothing == ()
    assert warning.startswith("normalizeUplink failed: TypeError")


@pytest.mark.parametrize("name", FAILS)
async def test_a_codec_that_fails_says_why(codecs: Codecs, name: str) -> None:
    with pytest.raises(CodecError) as caught:
        await run(codecs, name)
    assert type(caught.value) is CodecError
    assert caught.value.sentence == f"The codec {name!r} failed: {FAILS[name][1]}"


@pytest.mark.parametrize("name", LOOPS)
async def test_a_codec_that_loops_is_stopped(codecs: Codecs, name: str) -> None:
    with pytest.raises(CodecTimeoutError, match=f"^The codec '{name}' .* was stopped.$"):
        await run(codecs, name)
    assert await run(codecs, "sticky") == {"count": 1}


@pytest.mark.parametrize("name", HOARDS)
async def test_a_codec_that_eats_memory_is_stopped(codecs: Codecs, name: str) -> None:
    with pytest.raises(CodecMemoryError, match=f"^The codec '{name}' .* was stopped.$"):
        await run(codecs, name)
    assert await run(codecs, "sticky") == {"count": 1}


async def test_other_devices_go_on_while_one_codec_hangs(codecs: Codecs) -> None:
    await run(codecs, "sticky")  # from now on it may be on both children
    await asyncio.gather(run(codecs, "sticky"), run(codecs, "sticky"))
    before = children()
    codecs._pool.deadline = 2.5  # below the child's own alarm: much longer than all that follows
    bomb = asyncio.create_task(run(codecs, "bomb"))
    await asyncio.sleep(0)
    for _ in range(20):
        assert await run(codecs, "sticky") == {"count": 1}
    assert not bomb.done()
    with pytest.raises(CodecTimeoutError, match=r"'bomb' did not end within 2\.5 s and was stopped"):
        await bomb
    assert len(before) == 2
    assert len(children() & before) == 1  # the bomb's is dead, and the place is filled when it is needed
    results = await asyncio.gather(*(run(codecs, "sticky") for _ in range(6)))
    assert results == [{"count": 1}] * 6
    assert len(children()) == 2


async def test_the_event_loop_never_waits(codecs: Codecs) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    with pytest.raises(CodecTimeoutError):
        await run(codecs, "loop")
    ticking.cancel()
    assert ticks > 100


async def test_a_cancelled_uplink_does_not_answer_the_next() -> None:
    alone = Codecs(SOURCES, workers=1)
    assert await run(alone, "decoder", b"\x01") == {"port": 2, "bytes": [1]}
    task = asyncio.create_task(run(alone, "bomb"))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await run(alone, "decoder", b"\x02") == {"port": 2, "bytes": [2]}
    await alone.close()


async def test_a_child_ended_from_outside_is_replaced() -> None:
    codecs = Codecs(SOURCES, workers=1)
    assert await run(codecs, "sticky") == {"count": 1}
    (idle,) = children()
    os.kill(idle, signal.SIGKILL)
    await until_gone(idle)
    await asyncio.sleep(0.05)
    assert await run(codecs, "sticky") == {"count": 1}

    busy = asyncio.create_task(run(codecs, "bomb"))
    (child,) = await until(lambda: children() - {idle})
    os.kill(child, signal.SIGKILL)
    with pytest.raises(CodecError, match=r"^The codec 'bomb' brought its process down\.$"):
        await busy
    assert await run(codecs, "sticky") == {"count": 1}
    await codecs.close()
    await until_gone(child)


async def test_children_start_late_ignore_ctrl_c_and_know_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLME_TEST_PASSWORD", "not for vendors")
    codecs = Codecs(SOURCES, workers=2)
    assert children() == set()
    await codecs.decode("elsys", payload=b"\x02\x29", f_port=5, received_at=RECEIVED)
    assert children() == set()
    await run(codecs, "sticky")
    (child,) = children()
    os.kill(child, signal.SIGINT)
    await run(codecs, "sticky")
    assert children() == {child}
    assert os.getsid(child) == child  # nor does the terminal's Ctrl-C reach it
    assert b"not for vendors" not in environment_of(child)
    await codecs.close()
    assert children() == set()


@pytest.mark.parametrize("codec", ["decoder", "bomb"])
async def test_children_end_when_their_parent_is_killed(codec: str) -> None:
    """Idle ones as stdin closes; one in the middle of a bomb by its own alarm."""
    program = f"""
import asyncio, datetime
from adapters.codecs.decoding import Codecs
async def main():
    codecs = Codecs({SOURCES!r}, workers=1)
    codecs._pool.deadline = 60
    now = datetime.datetime.now(datetime.UTC)
    await codecs.decode("javascript:decoder", payload=b"", f_port=1, received_at=now)
    print(codecs._pool._children[0]._process.pid, flush=True)
    await codecs.decode("javascript:{codec}", payload=b"", f_port=1, received_at=now)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    await asyncio.sleep(0.1)
    parent.kill()
    await parent.wait()
    await until_gone(child)


async def test_noise_does_not_break_the_protocol() -> None:
    """Whatever the interpreter or a library prints goes nowhere; answers have a pipe of their own."""
    noisy = f"""
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("child", {str(CHILD)!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
quiet = child._run_fresh
def loud(*arguments):
    print("noise", flush=True); os.write(1, b"noise"); os.write(2, b"noise")
    return quiet(*arguments)
child._run_fresh = loud
child.main()
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        noisy,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    group = {"codec": "x", "items": [["0102", 1, 0]]}
    first = orjson.dumps([{**group, "source": "function Decoder(b) { return { b }; }"}])
    again = orjson.dumps([group])
    out, err = await process.communicate(
        b"".join(len(frame).to_bytes(4, "big") + frame for frame in (first, again, again))
    )
    frames = []
    while out:
        size = int.from_bytes(out[:4], "big")
        frames.append(out[4 : 4 + size])
        out = out[4 + size :]
    assert frames[0] == b"."
    assert [orjson.loads(frame.removeprefix(b"="))["data"] for frame in frames[1:]] == [{"b": [1, 2]}] * 3
    assert err == b""
    assert process.returncode == 0


async def test_a_child_that_does_not_start_is_a_codec_error(monkeypatch: pytest.MonkeyPatch) -> None:
    codecs = Codecs(SOURCES)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CodecError, match=r"^The process for JavaScript codecs does not start"):
        await run(codecs, "sticky")
    errors = await asyncio.gather(*(run(codecs, "arrow") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(error, CodecError) for error in errors)
    assert len({id(error) for error in errors}) == 3  # callers write into them
    monkeypatch.undo()
    assert await run(codecs, "sticky") == {"count": 1}
    await codecs.close()


async def test_an_unknown_codec(codecs: Codecs) -> None:
    with pytest.raises(CodecError, match=r"^There is no JavaScript codec 'nobody'\.$"):
        await run(codecs, "nobody")
