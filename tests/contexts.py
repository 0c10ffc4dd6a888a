# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the contexts have to say: each term that a subject's models use, with its official IRI.

`python -m tests.contexts` writes them, from the official contexts beside the checkout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.types import TYPES, attributes
from ontology.loader import core_context

SHARED = Path(__file__).resolve().parents[2] / "shared"
CONTEXTS = Path(__file__).resolve().parents[1] / "ontology" / "contexts"

# Terms that the official contexts lack: our own, or those of the vocabulary that their schema names.
OWN = {
    "Device": {"batteryVoltage": "urn:volme:term:batteryVoltage"},
    "Parking": {
        "blueZonePermit": "urn:volme:term:blueZonePermit",
        **{
            term: f"https://schema.org/{term}"
            for term in (
                "availabilityRestriction",
                "availableLanguage",
                "contactOption",
                "contactType",
                "email",
                "faxNumber",
                "productSupported",
                "ratingCount",
                "ratingValue",
                "telephone",
                "url",
            )
        },
    },
}


def official(shared: Path, subject: str) -> dict[str, Any]:
    path = shared / "data" / "smart-data-models" / f"dataModel.{subject}" / "context.jsonld"
    terms: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["@context"]
    return terms


def expected(shared: Path, subject: str) -> dict[str, str]:
    """Return a subject's terms: its types, then attributes and members of structured values."""
    models = [model for model in TYPES.values() if model.subject == subject]
    types = sorted(model.__name__ for model in models)
    used = {"quality"}  # of a reading: beside the value of any attribute
    for model in models:
        schema = model.model_json_schema()
        used |= {row.name for row in attributes(model)} | members(schema.get("$defs", {}))
    rest = sorted(used - core_context()["@context"].keys() - set(types), key=str.lower)
    known = official(shared, subject) | {"quality": "urn:volme:term:quality"} | OWN.get(subject, {})
    return {term: known[term] for term in (*types, *rest)}


def members(definitions: dict[str, Any]) -> set[str]:
    geometry = {"Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"}
    return {
        name
        for title, definition in definitions.items()
        if title not in geometry
        for name in definition.get("properties", {})
    }


if __name__ == "__main__":
    for subject in sorted({model.subject for model in TYPES.values()}):
        document = json.dumps({"@context": expected(SHARED, subject)}, ensure_ascii=False, indent=2)
        (CONTEXTS / f"{subject}.jsonld").write_text(f"{document}\n", encoding="utf-8")
