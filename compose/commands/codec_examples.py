# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Folders of JavaScript codecs with examples, in the layouts in which vendors publish them.

Read are the public LoRaWAN device repository's `vendor/<vendor>/<codec>.yaml`, whose `uplinkDecoder`
names a script and has `examples`; and JSON (with comments, as ChirpStack's device profiles have it)
beside a script `<name>.js`: `test_decode_<name>.json`, `<name>.json`, `examples.json`,
`tests/<name>.json`, or, where a folder has one script, any `tests/*.json`. An example is
{description or name, input: {bytes, fPort, recvTime?}, output or expected: {data, errors, warnings},
normalizedOutput?}; those of a `type` other than `uplink` are left out.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from adapters.codecs.decoding import Decoded

    #: Reads JSON with comments and hexadecimal numbers.
    ReadLoose = Callable[[str], Awaitable[Any]]

_LARGEST_FILE = 4 << 20
_LARGEST_PORT = 255
_DEEPEST = 64
_BRACKET = re.compile(r"[\[\]{}]")
_SHOWN = 60
_NEAR = 1e-9
#: Where the clock of an example stands that names no time.
_RECEIVED = datetime(2023, 1, 1, tzinfo=UTC)


class UnreadableError(ValueError):
    """A file or an example is not as it must be; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One uplink, and what its codec is to make of it.

    Attributes:
        description: what the vendor calls it.
        payload: what the device sends.
        f_port: LoRaWAN port.
        received_at: where the codec's clock stands.
        output: {data, errors, warnings}, as far as the vendor states them.
        normalized: measurements in the normalised vocabulary; None: the vendor states none.
    """

    description: str
    payload: bytes
    f_port: int | None
    received_at: datetime
    output: dict[str, Any]
    normalized: list[Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec:
    """One script with its examples.

    Attributes:
        vendor: name of its folder.
        name: path of the script within the folder that was asked for.
        source: JavaScript; None: there is none.
        examples: what to try.
        problems: what cannot be tried, and why.
    """

    vendor: str
    name: str
    source: str | None
    examples: tuple[Example, ...]
    problems: tuple[str, ...]


def find(root: Path) -> Iterator[tuple[Path, Path | None]]:
    """Yield (script, file of its examples) of a folder, or of one YAML file or script.

    The script of a YAML file is named within it: then both are the YAML file.
    """
    paths = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
    scripts_in: dict[Path, int] = {}
    for path in paths:
        if path.suffix == ".js":
            scripts_in[path.parent] = scripts_in.get(path.parent, 0) + 1
    named: set[Path] = set()
    for path in paths:
        if path.suffix in {".yaml", ".yml"} and (script := _script_of(path)):
            named.add(script)
            yield path, path
    for path in paths:
        if path.suffix == ".js" and path.resolve() not in named:
            tests: list[Path | None] = [*_beside(path, alone=scripts_in[path.parent] == 1)]
            yield from ((path, test) for test in tests or [None])


def _script_of(path: Path) -> Path | None:
    """Return the script that a YAML file names, without reading it as YAML: most are no codecs."""
    if path.stat().st_size > _LARGEST_FILE:
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    inside = False
    for line in lines:
        if line.startswith("uplinkDecoder:"):
            inside = True
        elif inside and line.strip().startswith("fileName:"):
            name = line.partition(":")[2].partition("#")[0].strip().strip("'\"")
            return (path.parent / name).resolve()
    return None


def _beside(script: Path, *, alone: bool) -> list[Path]:
    folder, stem = script.parent, script.stem
    tests = folder / "tests"
    candidates = [
        folder / f"test_decode_{stem}.json",
        folder / f"{stem}.json",
        *([folder / "examples.json"] if alone else []),
        *(sorted(tests.glob("*.json")) if alone else [tests / f"{stem}.json"]),
    ]
    return [path for path in candidates if path.is_file()]


async def read(root: Path, script: Path, examples: Path | None, loose: ReadLoose) -> Codec:
    """Read one of those that `find` found; whatever is wrong with it is in its `problems`."""
    vendor = _vendor(root, script)
    raw: list[Any] = []
    problems: list[str] = []
    source = None
    try:
        if examples is not None and examples.suffix != ".json":
            name, raw = _read_yaml(examples)
            script = examples.parent / name
            if script.suffix != ".js":
                problems.append(f"{examples.name} names {_shown(name)}, which is no *.js")
                raw = []
        elif examples is not None:
            raw = await _read_json(examples, loose)
        source = _text(script) if script.suffix == ".js" else None
    except UnreadableError as error:
        problems.append(str(error))
    tried: list[Example] = []
    for place, each in enumerate(raw, start=1):
        try:
            if isinstance(each, dict) and each.get("type", "uplink") != "uplink":
                continue
            tried.append(_example(each, place))
        except (UnreadableError, RecursionError) as error:
            problems.append(f"example {place}: {error}")
    return Codec(
        vendor=vendor,
        name=_within(root, script),
        source=source,
        examples=tuple(tried),
        problems=tuple(problems),
    )


def _vendor(root: Path, place: Path) -> str:
    """Return the folder below `vendor` or `vendors`, or else the first one below what was asked for."""
    parts = place.absolute().parts[:-1]
    for at in range(len(parts) - 1, 0, -1):
        if parts[at - 1] in {"vendor", "vendors"}:
            return parts[at]
    below = place.absolute().parent.relative_to(root.absolute() if root.is_dir() else root.absolute().parent)
    return below.parts[0] if below.parts else parts[-1]


def _within(root: Path, script: Path) -> str:
    base = root if root.is_dir() else root.parent
    try:
        return str(script.absolute().relative_to(base.absolute()))
    except ValueError:
        return str(script)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            msg = f"{path.name} has more than {_LARGEST_FILE >> 20} MB"
            raise UnreadableError(msg)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        msg = f"{path.name} cannot be read: {reason}"
        raise UnreadableError(msg) from error


class _Words(SafeConstructor):
    """YAML 1.2, with moments as the texts that they are for codecs."""


_Words.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _read_yaml(path: Path) -> tuple[str, list[Any]]:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Words
    text = _text(path)
    if _depth(text) > _DEEPEST:
        msg = f"{path.name} is nested too deep"
        raise UnreadableError(msg)
    try:
        table = yaml.load(text)
    except (YAMLError, ValueError, RecursionError, AttributeError, TypeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        msg = f"{path.name} is no YAML that can be read: {reason}"
        raise UnreadableError(msg) from error
    decoder = table.get("uplinkDecoder") if isinstance(table, dict) else None
    if not isinstance(decoder, dict) or not isinstance(decoder.get("fileName"), str):
        msg = f"{path.name} names no uplinkDecoder.fileName"
        raise UnreadableError(msg)
    examples = decoder.get("examples") or []
    if not isinstance(examples, list):
        msg = f"{path.name}: uplinkDecoder.examples is no list"
        raise UnreadableError(msg)
    return decoder["fileName"], examples


def _depth(text: str) -> int:
    """Return about how deep brackets are nested: the parser's time grows with the square of it."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


async def _read_json(path: Path, loose: ReadLoose) -> list[Any]:
    text = _text(path)
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            found = await loose(text)
        except CodecError as error:
            msg = f"{path.name} is no JSON: {error.sentence.rpartition('failed: ')[2]}"
            raise UnreadableError(msg) from error
    if not isinstance(found, list):
        msg = f"{path.name} is no list of examples"
        raise UnreadableError(msg)
    return found


def _example(raw: Any, place: int) -> Example:
    if not isinstance(raw, dict) or not isinstance(raw.get("input"), dict):
        msg = "it has no input"
        raise UnreadableError(msg)
    given = raw["input"]
    output = raw.get("output", raw.get("expected"))
    if not isinstance(output, dict):
        msg = "it has no output"
        raise UnreadableError(msg)
    f_port = given.get("fPort")
    if f_port is not None and not (type(f_port) is int and 0 <= f_port <= _LARGEST_PORT):
        msg = f"its fPort is {_shown(f_port)}"
        raise UnreadableError(msg)
    return Example(
        description=str(raw.get("description") or raw.get("name") or f"example {place}"),
        payload=_payload(given.get("bytes")),
        f_port=f_port,
        received_at=_moment(given.get("recvTime")),
        output=output,
        normalized=_measurements(raw.get("normalizedOutput")),
    )


def _payload(raw: Any) -> bytes:
    try:
        if isinstance(raw, str):
            return bytes.fromhex(raw)
        if isinstance(raw, list):
            return bytes(raw)
    except (TypeError, ValueError):
        pass
    msg = "its bytes are neither a list of numbers from 0 to 255 nor hexadecimal"
    raise UnreadableError(msg)


def _moment(raw: Any) -> datetime:
    if raw is None:
        return _RECEIVED
    try:
        moment = datetime.fromisoformat(str(raw).upper())
    except ValueError as error:
        msg = f"its recvTime is {_shown(raw)}"
        raise UnreadableError(msg) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _measurements(raw: Any) -> list[Any] | None:
    data = raw.get("data") if isinstance(raw, dict) else None
    if data is None:
        return None
    return data if isinstance(data, list) else [data]


def verdict(example: Example, result: Decoded | CodecError) -> str | None:
    """Return why a codec's result is not what the example states; None: it is."""
    try:
        return _verdict(example, result)
    except RecursionError:
        return "its result is nested too deep to compare"


def _verdict(example: Example, result: Decoded | CodecError) -> str | None:
    wanted = "; ".join(str(error) for error in example.output.get("errors") or [])
    if isinstance(result, CodecError):
        if wanted and result.sentence.partition(" failed: ")[2] == wanted:
            return None
        return result.sentence + (f" Expected is “{_cut(wanted)}”." if wanted else "")
    if wanted:
        return f"it decodes, but the error “{_cut(wanted)}” is expected"
    found = None
    if "data" in example.output:
        found = difference(example.output["data"], dict(result.fields), "data")
    if found is None and example.normalized is not None:
        found = difference(example.normalized, list(result.normalized), "normalized")
    for warning in example.output.get("warnings") or []:
        if found is None and str(warning) not in result.warnings:
            found = f"it does not warn “{_cut(str(warning))}”"
    return found


def difference(wanted: Any, found: Any, path: str) -> str | None:
    """Return the first place where two JSON values differ, in words; None: they are the same."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return _difference_of_tables(wanted, found, path)
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return f"{path} has {len(found)} members, expected are {len(wanted)}"
        for at, (one, other) in enumerate(zip(wanted, found, strict=True)):
            if (text := difference(one, other, f"{path}.{at}")) is not None:
                return text
        return None
    return None if _equal(wanted, found) else f"{path} is {_shown(found)}, expected is {_shown(wanted)}"


def _difference_of_tables(wanted: dict[Any, Any], found: dict[str, Any], path: str) -> str | None:
    expected = {str(name): value for name, value in wanted.items()}
    for name, value in expected.items():
        if name not in found:
            return f"{path}.{_cut(name)} is missing"
        if (text := difference(value, found[name], f"{path}.{_cut(name)}")) is not None:
            return text
    for name in found:
        if name not in expected:
            return f"{path}.{_cut(name)} is not expected"
    return None


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or math.isclose(one, other, rel_tol=_NEAR)
    return type(one) is type(other) and bool(one == other)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return _cut("nothing" if value is None else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
