# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Make the vendored browser files anew from what npm serves, as `vendor.toml` locks it.

    python portal/static/vendor/recreate.py           check npm's packages and write the files
    python portal/static/vendor/recreate.py --lock    the same, and write their hashes into vendor.toml

Needs npm and node; the portal needs neither.
"""

# ruff: noqa: INP001 - a script beside what it writes, in no package
from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOCK = HERE / "vendor.toml"
_BROTLI = (
    "const z=require('zlib'),f=require('fs'),c=z.constants;"
    "const b=f.readFileSync(process.argv[1]);"
    "f.writeFileSync(process.argv[2],z.brotliCompressSync(b,{params:"
    "{[c.BROTLI_PARAM_QUALITY]:11,[c.BROTLI_PARAM_LGWIN]:22,[c.BROTLI_PARAM_SIZE_HINT]:b.length}}));"
)


def run(*command: str, folder: Path) -> str:
    """Run a tool that must be on the path, and return what it printed."""
    tool = shutil.which(command[0])
    if tool is None:
        sys.exit(f"{command[0]} is not installed")
    done = subprocess.run([tool, *command[1:]], cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603 - fixed commands, names from our own lock file
    return done.stdout


def recreate(package: dict[str, Any], folder: Path) -> None:
    """Fetch one package, check it, and write its files."""
    named = f"{package['name']}@{package['version']}"
    archive = folder / run("npm", "pack", "--silent", named, folder=folder).split()[-1]
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package["integrity"]:
        sys.exit(f"{named}: its integrity is {found}, locked is {package['integrity']}")
    with tarfile.open(archive) as tar:
        for file in package["file"]:
            target = HERE / file["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if "brotli_of" in file:
                run("node", "-e", _BROTLI, str(HERE / file["brotli_of"]), str(target), folder=folder)
                continue
            member = tar.extractfile(f"package/{file['from']}")
            if member is None:
                sys.exit(f"{named} has no {file['from']}")
            target.write_bytes(member.read())


def lock(packages: list[dict[str, Any]]) -> None:
    """Write the hash of each file behind its path."""
    text = LOCK.read_text(encoding="utf-8")
    for package in packages:
        for file in package["file"]:
            digest = hashlib.sha256((HERE / file["path"]).read_bytes()).hexdigest()
            line = rf'(path = "{re.escape(file["path"])}", .*sha256 = ")[^"]*'
            text = re.sub(line, rf"\g<1>{digest}", text)
    LOCK.write_text(text, encoding="utf-8")


def main() -> None:
    """Recreate everything that the lock file names."""
    packages = tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]
    with tempfile.TemporaryDirectory() as folder:
        for package in packages:
            recreate(package, Path(folder))
    if "--lock" in sys.argv[1:]:
        lock(packages)


if __name__ == "__main__":
    main()
