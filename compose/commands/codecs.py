# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme codecs`: vendors' JavaScript; does it do here what the vendor says of it?"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from adapters.codecs.breaker import Breaker
from adapters.codecs.decoding import Request
from adapters.codecs.javascript import PREFIX, JavaScriptPool
from compose.commands.codec_adding import add, list_codecs, remove
from compose.commands.codec_examples import Codec, Example, find, read, verdict
from compose.commands.common import run_async
from compose.commands.printing import json_option, note, print_json, print_table
from compose.commands.words import clean, counted, examples, verb
from compose.telemetry import configure_logs

_MOST_CHILDREN = 8


@click.group(short_help="Try and use vendors' JavaScript codecs.")
def codecs() -> None:
    """Try vendors' JavaScript codecs, and let them decode devices."""


for command in (add, list_codecs, remove):
    codecs.add_command(command)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    vendor: str
    codec: str
    example: str | None
    ok: bool
    why: str | None


@codecs.command(
    short_help="Run codecs on their own examples.",
    epilog=examples(
        "volme codecs test lorawan-devices/vendor",
        "volme codecs test vendor/milesight-iot/em300-th-codec.yaml",
        "volme codecs test --json chirpstack-device-profiles > report.json",
    ),
)
@click.argument("path", type=click.Path(path_type=Path, exists=True), metavar="FILE|FOLDER")
@json_option
def test(*, path: Path, as_json: bool) -> None:
    """Run codecs on the examples that came with them, in the sandbox that devices' messages go through.

    Read are the public LoRaWAN device repository's folders (YAML) and ChirpStack's device profiles
    (JSON beside the script).
    """
    configure_logs("console", "error")
    found, results = run_async(_test(path))
    if not found:
        msg = f"there is no codec in {path}: wanted are *.yaml with an uplinkDecoder, or *.js"
        raise click.ClickException(msg)
    failed = [result for result in results if not result.ok]
    untried = [codec for codec in found if not codec.examples and not codec.problems]
    if as_json:
        print_json(_as_json(found, results, untried))
    else:
        _print(found, results, untried)
    if failed:
        raise click.exceptions.Exit(1)


async def _test(path: Path) -> tuple[list[Codec], list[_Result]]:
    """Read everything, then run it: whoever reads does not look at the clock of those who run."""
    texts: dict[str, str] = {}
    reader = JavaScriptPool(texts, workers=1, breaker=_patient())
    try:
        places = list(find(path))
        found = []
        with click.progressbar(places, label="Reading", file=sys.stderr) as bar:
            for script, tests in bar:
                found.append(await read(path, script, tests, partial(_read_loose, reader, texts)))
    finally:
        await reader.close()
    return found, await _run(found)


def _patient() -> Breaker:
    """Return a breaker that stops nobody: what is asked about is every example."""
    return Breaker(first_pause=0, longest_pause=0)


async def _read_loose(reader: JavaScriptPool, texts: dict[str, str], text: str) -> Any:
    """Read JSON with comments: it is JavaScript, and belongs into the sandbox."""
    name = f"examples {len(texts)}"
    texts[name] = f"function Decoder() {{ return {{ read: (\n{text}\n) }}; }}"
    request = Request(codec=PREFIX + name, payload=b"", f_port=None, received_at=datetime.now(UTC))
    return (await reader.decode(request)).fields["read"]


async def _run(found: list[Codec]) -> list[_Result]:
    sources = {codec.name: codec.source for codec in found if codec.source is not None}
    pool = JavaScriptPool(
        sources, workers=min(_MOST_CHILDREN, os.cpu_count() or 1), reserved=0, breaker=_patient()
    )
    try:
        total = sum(len(codec.examples) for codec in found if codec.source is not None)
        with click.progressbar(length=total, label="Running", file=sys.stderr) as bar:

            async def run(codec: Codec) -> list[_Result]:
                results = [_problem(codec, problem) for problem in codec.problems]
                for example in codec.examples if codec.source is not None else ():
                    results.append(await _tried(pool, codec, example))
                    bar.update(1)
                return results

            done = await asyncio.gather(*(run(codec) for codec in found))
    finally:
        await pool.close()
    return [result for results in done for result in results]


async def _tried(pool: JavaScriptPool, codec: Codec, example: Example) -> _Result:
    request = Request(
        codec=PREFIX + codec.name,
        payload=example.payload,
        f_port=example.f_port,
        received_at=example.received_at,
    )
    (decoded,) = await pool.decode_many((request,))
    why = verdict(example, decoded)
    return _Result(
        vendor=codec.vendor, codec=codec.name, example=example.description, ok=why is None, why=why
    )


def _problem(codec: Codec, problem: str) -> _Result:
    return _Result(vendor=codec.vendor, codec=codec.name, example=None, ok=False, why=problem)


def _as_json(found: list[Codec], results: list[_Result], untried: list[Codec]) -> dict[str, Any]:
    return {
        "codecs": len({codec.name for codec in found}),
        "examples": len(results),
        "passed": sum(result.ok for result in results),
        "failed": sum(not result.ok for result in results),
        "without_examples": [codec.name for codec in untried],
        "vendors": [
            dict(zip(("vendor", "codecs", "passed", "failed"), row, strict=True))
            for row in _by_vendor(found, results)
        ],
        "results": [asdict(result) for result in results],
    }


def _by_vendor(found: list[Codec], results: list[_Result]) -> list[tuple[str, int, int, int]]:
    rows = []
    for vendor in sorted({codec.vendor for codec in found}):
        own = [result for result in results if result.vendor == vendor]
        passed = sum(result.ok for result in own)
        scripts = {codec.name for codec in found if codec.vendor == vendor}
        rows.append((vendor, len(scripts), passed, len(own) - passed))
    return rows


def _print(found: list[Codec], results: list[_Result], untried: list[Codec]) -> None:
    print_table(("vendor", "codecs", "passed", "failed"), [*_by_vendor(found, results)], "There are none.")
    failed = [result for result in results if not result.ok]
    for result in failed:
        named = f", {clean(result.example)}" if result.example else ""
        click.secho(f"✗ {clean(result.codec)}{named}: {clean(result.why)}", fg="red")
    click.echo()
    if untried:
        names = {codec.name for codec in untried}
        note(f"{counted(len(names), 'codec')} {verb(len(names), 'has', 'have')} no examples.")
    vendors = len({codec.vendor for codec in found})
    click.echo(
        f"{len(results) - len(failed):,} of {counted(len(results), 'example')} pass"
        f" ({counted(len({codec.name for codec in found}), 'codec')} of {counted(vendors, 'vendor')})."
    )
