# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme codecs`: does a vendor's JavaScript do here what the vendor says of it?"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.codecs.breaker import Breaker
from adapters.codecs.decoding import Request
from adapters.codecs.javascript import PREFIX, JavaScriptPool
from compose.commands.codec_examples import Codec, Example, find, read, verdict
from compose.commands.common import run_async
from compose.commands.printing import json_option, note, print_json, print_table
from compose.commands.words import clean, counted, examples, verb
from compose.telemetry import configure_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE = 32
_MOST_CHILDREN = 8
_NOW = datetime(2023, 1, 1, tzinfo=UTC)


@click.group(short_help="Try vendors' JavaScript codecs.")
def codecs() -> None:
    """Try vendors' JavaScript codecs before devices depend on them."""


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
    reader = JavaScriptPool(_Loose(), workers=1, breaker=_patient())
    try:
        places = list(find(path))
        found = []
        with click.progressbar(places, label="Reading", file=sys.stderr) as bar:
            for script, tests in bar:
                found.append(await read(path, script, tests, lambda text: _read_loose(reader, text)))
    finally:
        await reader.close()
    return found, await _run(found)


def _patient() -> Breaker:
    """Return a breaker that stops nobody: what is asked about is every example."""
    return Breaker(first_pause=0, longest_pause=0)


class _Loose(dict[str, str]):
    """Texts as scripts that return them, by themselves."""

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str)

    def __missing__(self, key: str) -> str:
        return f"function Decoder() {{ return {{ read: (\n{key}\n) }}; }}"


async def _read_loose(reader: JavaScriptPool, text: str) -> Any:
    """Read JSON with comments: it is JavaScript, and belongs into the sandbox."""
    request = Request(codec=PREFIX + text, payload=b"", f_port=None, received_at=_NOW)
    return (await reader.decode(request)).fields["read"]


async def _run(found: list[Codec]) -> list[_Result]:
    sources = {str(place): codec.source for place, codec in enumerate(found) if codec.source is not None}
    tasks = list(_tasks(found))
    results = [_problem(codec, problem) for codec in found for problem in codec.problems]
    children = min(_MOST_CHILDREN, os.cpu_count() or 1)
    pool = JavaScriptPool(sources, workers=children, reserved=0, breaker=_patient())
    try:
        with click.progressbar(length=len(tasks), label="Running", file=sys.stderr) as bar:
            for start in range(0, len(tasks), _AT_ONCE):
                some = tasks[start : start + _AT_ONCE]
                decoded = await pool.decode_many([request for _, _, request in some])
                for (codec, example, _), result in zip(some, decoded, strict=True):
                    results.append(_judged(codec, example, verdict(example, result)))
                bar.update(len(some))
    finally:
        await pool.close()
    return results


def _tasks(found: list[Codec]) -> Iterator[tuple[Codec, Example, Request]]:
    for place, codec in enumerate(found):
        for example in codec.examples if codec.source is not None else ():
            request = Request(
                codec=f"{PREFIX}{place}",
                payload=example.payload,
                f_port=example.f_port,
                received_at=example.received_at,
            )
            yield codec, example, request


def _problem(codec: Codec, problem: str) -> _Result:
    return _Result(vendor=codec.vendor, codec=codec.name, example=None, ok=False, why=problem)


def _judged(codec: Codec, example: Example, why: str | None) -> _Result:
    return _Result(
        vendor=codec.vendor, codec=codec.name, example=example.description, ok=why is None, why=why
    )


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
