# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The formats of files: a table of them, by how their names end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from portal.datasets import Text
from portal.exports.json_texts import GeoJson, JsonLd
from portal.exports.tables import German, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from portal.exports.columns import Sheet
    from portal.exports.rows import Row


class Writer(Protocol):
    """Writes a file, part by part; what is returned are its next bytes."""

    def begin(self) -> bytes:
        """Write what stands before the rows."""
        ...

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Write rows."""
        ...

    def end(self) -> bytes:
        """Write what stands behind the rows."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """A format of files.

    Attributes:
        extension: how names of files end, without the first dot.
        media_type: of IANA.
        charset: of texts; None: it has none.
        file_type: code of the EU's authority table file-type.
        title: what people call it.
        writer: makes what writes a file.
    """

    extension: str
    media_type: str
    charset: str | None
    file_type: str
    title: Text
    writer: Callable[[Sheet], Writer]

    @property
    def content_type(self) -> str:
        """What an answer says in its header Content-Type."""
        if self.media_type == "text/csv":
            return f"text/csv; charset={self.charset}; header=present"
        return self.media_type if self.charset is None else f"{self.media_type}; charset={self.charset}"


@cache
def formats() -> Mapping[str, Format]:
    """Return the formats that this installation can write, by extension."""
    found = [
        Format(
            extension="csv",
            media_type="text/csv",
            charset="utf-8",
            file_type="CSV",
            title=Text(de="CSV (Komma, Dezimalpunkt, UTC)", en="CSV (comma, decimal point, UTC)"),
            writer=Machine,
        ),
        Format(
            extension="de.csv",
            media_type="text/csv",
            charset="utf-8",
            file_type="CSV",
            title=Text(
                de="CSV für Excel (Semikolon, Dezimalkomma, Ortszeit)",
                en="CSV for German Excel (semicolon, decimal comma, local time)",
            ),
            writer=German,
        ),
        Format(
            extension="geojson",
            media_type="application/geo+json",
            charset=None,
            file_type="GEOJSON",
            title=Text(de="GeoJSON", en="GeoJSON"),
            writer=GeoJson,
        ),
        Format(
            extension="jsonld",
            media_type="application/ld+json",
            charset=None,
            file_type="JSON_LD",
            title=Text(de="JSON-LD (NGSI-LD)", en="JSON-LD (NGSI-LD)"),
            writer=JsonLd,
        ),
    ]
    if find_spec("pyarrow") is not None:  # volme[parquet]
        from portal.exports.parquet import GeoParquet  # noqa: PLC0415 - without the extra there is none

        found.append(
            Format(
                extension="parquet",
                media_type="application/vnd.apache.parquet",
                charset=None,
                file_type="PARQUET",
                title=Text(de="GeoParquet", en="GeoParquet"),
                writer=GeoParquet,
            )
        )
    return {each.extension: each for each in found}
