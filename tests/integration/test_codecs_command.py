# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme codecs test`: folders of codecs, honest and hostile, as an operator runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compose.commands.codec_examples import difference
from tests.cli_runs import Program

SUM = """
    function decodeUplink({ bytes, fPort }) {
      return { data: { sum: bytes.reduce((a, b) => a + b, 0), port: fPort } };
    }"""
YAML = """
# Uplink decoder decodes binary data uplink into a JSON object (optional)
uplinkDecoder:
  fileName: {script} # beside this file
  examples:
    - description: A frame
      input: {{ fPort: 2, bytes: [1, 2, 0x10] }}
      output: {{ data: {{ sum: 19, port: 2 }} }}
    - description: Another frame
      input: {{ fPort: 3, bytes: [255], recvTime: '2020-08-02T20:00:00+05:00' }}
      output: {{ data: {{ sum: {wrong}, port: 3.0 }}, warnings: [] }}
downlinkEncoder:
  fileName: {script}
  examples: [{{ input: {{ data: {{}} }}, output: {{ bytes: [1] }} }}]
"""
HOSTILE = {
    "loop": ("for (;;);", "was stopped"),
    "catching": ("for (;;) { try { for (;;); } catch (error) {} }", "was stopped"),
    "bomb": (
        "for (;;) { try { new Array(1e6).fill(new Array(1e3)); } catch (error) {} }",
        "was stopped",
    ),
    "memory": ("const a = []; for (;;) a.push(new Array(1000).fill(1));", "was stopped"),
    "stack": ("const f = () => f() + 1; return f();", "Maximum call stack size exceeded"),
    "text": ("throw 'no error';", "failed: no error"),
    "null": ("throw null;", "was stopped"),  # as QuickJS throws where no memory is left for an error
    "symbol": ("throw Symbol('x');", "failed"),
    "giant": ("return { a: 'x'.repeat(1e6) };", "its result has 1000059 characters"),
    "deep": (
        "let a = {}, r = a; for (let i = 0; i < 900; i++) a = a.a = {}; return r;",
        "data.sum is missing",
    ),
    "escape": ("throw new Error('\\u001b[31mred');", "failed: Error:  [31mred"),
    "tamper": ("Object.prototype.data = 1; JSON.stringify = 1; return { data: 2 };", ""),
}


@pytest.fixture
def volme(tmp_path: Path) -> Program:
    return Program(tmp_path)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def report(volme: Program, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = volme("codecs", "test", "--json", *arguments)
    return done.code, json.loads(done.out)


def test_the_device_repositorys_layout(volme: Program, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "vendor/acme/meter.js": SUM,
            "vendor/acme/meter-codec.yaml": YAML.format(script="meter.js", wrong=255),
            "vendor/acme/meter.yaml": "name: Meter\nfirmwareVersions: []\n",
            "vendor/zebra/stripe.js": SUM,
            "vendor/zebra/stripe-codec.yaml": YAML.format(script="stripe.js", wrong=254),
        },
    )
    done = volme("codecs", "test", "vendor")
    assert done.code == 1
    lines = done.out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["vendor", "codecs", "passed", "failed"],
        ["acme", "1", "2", "0"],
        ["zebra", "1", "1", "1"],
    ]
    assert lines[3] == "✗ zebra/stripe.js, Another frame: data.sum is 255, expected is 254"
    assert lines[-1] == "3 of 4 examples pass (2 codecs of 2 vendors)."
    good = volme("codecs", "test", "vendor/acme/meter-codec.yaml")
    assert (good.code, good.out.splitlines()[-1]) == (0, "2 of 2 examples pass (1 codec of 1 vendor).")


def test_yaml_words_and_moments_are_what_codecs_see(volme: Program, tmp_path: Path) -> None:
    """As YAML 1.2 has it: on, off, yes and no are words."""
    script = """
        function decodeUplink(input) {
          return { data: { valve: "on", door: "no", day: "2020-01-31", at: input.recvTime.toISOString() },
                   warnings: ["low"] };
        }
        function normalizeUplink() { return { data: { air: { temperature: 1.5 } } }; }"""
    examples = """
uplinkDecoder:
  fileName: "words.js"
  examples:
    - input: { bytes: "0102ff", fPort: 1, recvTime: 2020-08-02T20:00:00+05:00 }
      output:
        data: { valve: on, door: no, day: 2020-01-31, at: 2020-08-02T15:00:00.000Z }
        warnings: [low]
      normalizedOutput: { data: [{ air: { temperature: 1.5 } }] }
"""
    write(tmp_path, {"v/words.js": script, "v/words.yaml": examples})
    code, found = report(volme, ".")
    assert (code, found["results"][0]["why"]) == (0, None)
    assert found["results"][0]["vendor"] == "v"


def test_chirpstacks_layout(volme: Program, tmp_path: Path) -> None:
    examples = """[
      { "name": "hex and comments", // as in its repository
        "input": { "fPort": 0x67, "bytes": [0x08, 0x0b] },
        "expected": { "data": { "sum": 19, "port": 103 } } },
    ]"""
    typed = [
        {
            "type": "uplink",
            "input": {"fPort": 1, "bytes": "0809"},
            "output": {"data": {"sum": 17, "port": 1}},
        },
        {"type": "downlink-encode", "input": {"data": {}}, "output": {"bytes": []}},
    ]
    write(
        tmp_path,
        {
            "vendors/acme/codecs/tabs.js": SUM,
            "vendors/acme/codecs/test_decode_tabs.json": examples,
            "vendors/acme/codecs/test_encode_tabs.json": "[{]",
            "vendors/acme/codecs/alone.js": SUM,
            "typed/codec.js": SUM,
            "typed/tests/some.json": json.dumps(typed),
            "broken/codec.js": SUM,
            "broken/examples.json": "[{ nonsense",
        },
    )
    code, found = report(volme, ".")
    assert code == 1
    assert found["without_examples"] == ["vendors/acme/codecs/alone.js"]
    assert [(row["vendor"], row["passed"], row["failed"]) for row in found["vendors"]] == [
        ("acme", 1, 0),
        ("broken", 0, 1),
        ("typed", 1, 0),
    ]
    (bad,) = [result for result in found["results"] if not result["ok"]]
    assert bad["why"].startswith("examples.json is no JSON: SyntaxError")


def test_errors_that_a_vendor_expects(volme: Program, tmp_path: Path) -> None:
    script = """
        function decodeUplink({ fPort }) {
          if (fPort === 1) return { errors: ["unknown FPort"] };
          if (fPort === 2) throw new Error("unknown FPort");
          return { data: {} };
        }"""
    examples = [
        {"name": str(port), "input": {"fPort": port, "bytes": []}, "output": {"errors": ["unknown FPort"]}}
        for port in (1, 2, 3)
    ]
    write(tmp_path, {"a/codec.js": script, "a/examples.json": json.dumps(examples)})
    _, found = report(volme, "a")
    assert [result["why"] for result in found["results"]] == [
        None,
        "The codec 'codec.js' failed: Error: unknown FPort Expected is “unknown FPort”.",
        "it decodes, but the error “unknown FPort” is expected",
    ]


BAD_EXAMPLES = {
    "none": (5, "it has no input"),
    "output": ({"input": {"bytes": []}}, "it has no output"),
    "port": ({"input": {"bytes": [], "fPort": 10**30}, "output": {}}, "its fPort is 1e+30"),
    "bytes": ({"input": {"bytes": 5_000_000_000}, "output": {}}, "its bytes are neither a list of numbers"),
    "range": ({"input": {"bytes": [256]}, "output": {}}, "its bytes are neither a list of numbers"),
    "time": ({"input": {"bytes": [], "recvTime": "soon"}, "output": {}}, "its recvTime is 'soon'"),
}


def test_what_cannot_be_read_is_said(volme: Program, tmp_path: Path) -> None:
    """One bad example, file or script fails alone, by its name."""
    deep = "[" * 200_000
    write(
        tmp_path,
        {
            "bad/codec.js": SUM,
            "bad/examples.json": json.dumps([example for example, _ in BAD_EXAMPLES.values()]),
            "gone/a.yaml": YAML.format(script="nowhere.js", wrong=255),
            "secret/a.yaml": YAML.format(script="/etc/passwd", wrong=255),
            "twice/a.js": SUM,
            "twice/a.yaml": "uplinkDecoder:\n  fileName: a.js\nuplinkDecoder:\n  fileName: a.js\n",
            "deep/a.js": SUM,
            "deep/a.yaml": f"uplinkDecoder:\n  fileName: a.js\n  examples: {deep}\n",
            "good/a.js": SUM,
            "good/a.yaml": YAML.format(script="a.js", wrong=255),
        },
    )
    (tmp_path / "latin").mkdir()
    (tmp_path / "latin/a.js").write_bytes(b"// \xff")
    code, found = report(volme, ".")
    assert code == 1
    why: dict[str, list[str]] = {}
    for result in found["results"]:
        why.setdefault(result["vendor"], []).append(result["why"])
    for said, (_, expected) in zip(why["bad"], BAD_EXAMPLES.values(), strict=True):
        assert expected in said
    assert why["gone"] == ["nowhere.js cannot be read: No such file or directory"]
    assert why["secret"] == ["a.yaml names '/etc/passwd', which is no *.js"]
    assert "is no YAML that can be read" in why["twice"][0]
    assert why["deep"] == ["a.yaml is nested too deep"]
    assert why["latin"] == ["a.js cannot be read: it is no UTF-8"]
    assert why["good"] == [None, None]


def test_hostile_codecs_fail_alone(volme: Program, tmp_path: Path) -> None:
    files = {}
    for name, (body, _) in HOSTILE.items():
        files[f"vendor/evil/{name}.js"] = f"function Decoder(bytes) {{ {body} }}"
        files[f"vendor/evil/{name}.yaml"] = YAML.format(script=f"{name}.js", wrong=255)
    for number in range(40):
        files[f"vendor/good{number % 4}/{number}.js"] = SUM
        files[f"vendor/good{number % 4}/{number}.yaml"] = YAML.format(script=f"{number}.js", wrong=255)
    write(tmp_path, files)
    code, found = report(volme, "vendor")
    assert code == 1
    assert (found["codecs"], found["passed"], found["failed"]) == (40 + len(HOSTILE), 80, 2 * len(HOSTILE))
    for result in found["results"]:
        assert result["ok"] is (result["vendor"] != "evil")
        if not result["ok"]:
            _, expected = HOSTILE[result["codec"].removeprefix("evil/").removesuffix(".js")]
            assert expected in result["why"]


def test_five_hundred_codecs_with_fifteen_hundred_examples(volme: Program, tmp_path: Path) -> None:
    """As large as a vendors' repository; hostile ones are among them, and no process is left behind."""
    third = "    - {{ input: {{ fPort: 4, bytes: [7] }}, output: {{ data: {{ sum: 7, port: 4 }} }} }}\n"
    three = YAML.replace("downlinkEncoder:", f"{third}downlinkEncoder:")
    files = {}
    for number in range(500 - len(HOSTILE)):
        name = f"vendor/v{number % 25:02d}/model{number}"
        files[f"{name}.js"] = SUM + f"\nfunction helper{number}(a) {{ return a; }}"
        files[f"{name}.yaml"] = three.format(script=f"model{number}.js", wrong=255)
    for name, (body, _) in HOSTILE.items():
        files[f"vendor/evil/{name}.js"] = f"function Decoder(bytes) {{ {body} }}"
        files[f"vendor/evil/{name}.yaml"] = three.format(script=f"{name}.js", wrong=255)
    write(tmp_path, files)
    before = decoders()
    code, found = report(volme, "vendor")
    assert code == 1
    assert (found["codecs"], found["passed"] + found["failed"]) == (500, 1500)
    assert {result["vendor"] for result in found["results"] if not result["ok"]} == {"evil"}
    assert found["failed"] == 3 * len(HOSTILE)
    assert decoders() <= before


def decoders() -> set[int]:
    """Processes of this machine that run codecs."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"javascript_child" in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            continue  # it has just ended
    return found


def test_a_folder_without_codecs(volme: Program, tmp_path: Path) -> None:
    write(tmp_path, {"empty/readme.md": "nothing"})
    done = volme("codecs", "test", "empty")
    assert done.code == 1
    assert "there is no codec in empty" in done.err
    assert volme("codecs", "test", "nowhere").code == 2


@pytest.mark.parametrize(
    ("wanted", "found", "words"),
    [
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": 0.1 + 0.2}, {"a": 0.3}, None),
        ({"a": 1}, {"a": True}, "data.a is True, expected is 1"),
        ({"a": None}, {}, "data.a is missing"),
        ({}, {"a": None}, "data.a is not expected"),
        ({1: "x"}, {"1": "x"}, None),
        ({"a": [1, 2]}, {"a": [1]}, "data.a has 1 members, expected are 2"),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}, "data.a.0.b is 'y', expected is 'x'"),
        ({"a": {}}, {"a": []}, "data.a is a list, expected is an object"),
        ({"a": "x" * 99}, {"a": 1}, f"data.a is 1, expected is '{'x' * 59}…"),
    ],
)
def test_the_first_difference(wanted: Any, found: Any, words: str | None) -> None:
    assert difference(wanted, found, "data") == words
