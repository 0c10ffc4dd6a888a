# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Named SQL: each statement lives in a `.sql` file, under a name and a line of description.

A file reads `-- name: append_messages`, then a comment that says what the statement does, then
the statement.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def queries(package: str, file: str = "queries.sql") -> dict[str, str]:
    """Read a package's named statements.

    Raises:
        KeyError: two statements have one name.
    """
    parts = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    names, bodies = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        msg = f"{package}/{file} names a statement twice"
        raise KeyError(msg)
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}
