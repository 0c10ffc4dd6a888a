# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The catalogue as RDF: the official shapes of DCAT-AP.de 3.0, and what harvesters do with it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyshacl
import pytest
from rdflib import BNode, Graph, Literal, URIRef
from rdflib.namespace import DCAT, DCTERMS, RDF, SH

from portal.catalogue import FORMATS, preferred
from portal.catalogue_graph import (
    DCATAP,
    DCATDE,
    HYDRA,
    SPDX,
    VCARD,
    PageOf,
    catalogue_graph,
    description_of,
)
from portal.catalogue_services import SERVICES
from portal.catalogue_state import Facts
from portal.datasets import Catalogue, Text, load_catalogue
from portal.files import File

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portal.catalogue import Format
    from portal.datasets import Dataset

URL = "https://daten.hagen.example"
NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
PAGE = PageOf(
    total=60,
    this=f"{URL}/catalog.rdf?page=1",
    first=f"{URL}/catalog.rdf?page=1",
    last=f"{URL}/catalog.rdf?page=3",
    previous=None,
    next=f"{URL}/catalog.rdf?page=2",
)
# Every warning that the shapes may give, and why the catalogue gives rise to it.
EXPLAINED = {
    DCATDE.politicalGeocodingURI: "deprecated in 3.0, but GovData's parser still reads the place from it",
}


def hagen() -> Catalogue:
    catalogue = load_catalogue(Path(__file__).parents[2] / "compose" / "datasets.toml")
    return catalogue.model_copy(update={"contributor": "openNRW"})


def files(dataset: Dataset) -> tuple[File, ...]:
    day = date(2026, 11, 21)
    return (
        File(
            path=f"/files/{dataset.name}/current.csv",
            title=Text(de="Aktuelle Werte, CSV", en="Current values, CSV"),
            media_type="text/csv; charset=utf-8",
            file_type="CSV",
        ),
        File(
            path=f"/files/{dataset.name}/2026-11-21.parquet",
            title=Text(de="21.11.2026, GeoParquet", en="2026-11-21, GeoParquet"),
            media_type="application/vnd.apache.parquet",
            file_type="PARQUET",
            modified=datetime(2026, 11, 22, 1, tzinfo=UTC),
            size=12_345,
            sha256=hashlib.sha256(dataset.name.encode()).hexdigest(),
            days=(day, day),
        ),
    )


def known(dataset: Dataset, **other: object) -> Facts:
    said = {"count": 3, "simulated": 0, "newest": NOW, "seen": NOW, "changed": None, "declaration": ""}
    return Facts(dataset=dataset, files=files(dataset), **{**said, **other})  # type: ignore[arg-type]


def graph_of(catalogue: Catalogue, shown: Sequence[Facts] | None = None) -> Graph:
    everything = [known(dataset) for dataset in catalogue.dataset]
    return catalogue_graph(URL, catalogue, everything, everything if shown is None else shown, PAGE)


def official_shapes(shared: Path) -> tuple[Graph, Graph]:
    folder = shared / "data" / "dcat-ap-de-shapes"
    shapes, lists = Graph(), Graph()
    shapes.parse(folder / "dcatap_300" / "dcat-ap-SHACL.ttl")
    for path in sorted((folder / "dcatap_de_30").glob("dcat-ap*.ttl")):
        # The German files bind dcatap: to another namespace by mistake: their rules would never be tried.
        text = path.read_text(encoding="utf-8").replace("http://data.europa.eu/r5r#", str(DCATAP))
        shapes.parse(data=text, format="turtle")
    lists.parse(folder / "vocab" / "vocab-inscheme.ttl")
    for name in ("contributors", "licenses-open"):
        lists.parse(folder / "govdata_mqa" / f"dcat-ap-de-{name}.rdf")
    return shapes, lists


def findings(graph: Graph, shared: Path) -> tuple[list[str], set[object]]:
    """Return what the shapes hold to be violations, and the paths of what they warn of."""
    shapes, lists = official_shapes(shared)
    _, report, _ = pyshacl.validate(graph + lists, shacl_graph=shapes, allow_warnings=True)
    assert isinstance(report, Graph)
    violations, warned = [], set()
    for result in report.subjects(RDF.type, SH.ValidationResult):
        path, focus = report.value(result, SH.resultPath), report.value(result, SH.focusNode)
        if report.value(result, SH.resultSeverity) == SH.Violation:
            violations.append(f"{focus} {path}: {report.value(result, SH.resultMessage)}")
        else:
            warned.add(path)
    return violations, warned


def test_official_shapes(shared: Path) -> None:
    catalogue = hagen()
    graph = graph_of(catalogue, [known(dataset) for dataset in catalogue.dataset[:4]])
    violations, warned = findings(graph, shared)
    assert violations == []
    assert warned == set(EXPLAINED)


def test_official_shapes_for_high_value_datasets(shared: Path) -> None:
    """What the city declares to be of high value carries the regulation, the category and a documentation."""
    catalogue = hagen()
    air = catalogue.named("luftqualitaet")
    assert air is not None
    declared = air.model_copy(update={"hvd": "air"})
    plain = graph_of(catalogue)
    assert not list(plain.triples((None, DCATAP.applicableLegislation, None)))
    catalogue = catalogue.model_copy(update={"dataset": (declared,)})
    graph = graph_of(catalogue)
    violations, warned = findings(graph, shared)
    assert violations == []
    assert warned == set(EXPLAINED)
    legislation = set(graph.subjects(DCATAP.applicableLegislation))
    assert len(legislation) == 1 + 2 * len(SERVICES) + len(files(declared))
    assert len(set(graph.subjects(DCATAP.hvdCategory))) == 1 + len(SERVICES)


def test_the_shapes_bite(shared: Path) -> None:
    """The same check finds what is wrong, so that finding nothing means something."""
    graph = graph_of(hagen(), [])
    node = URIRef(f"{URL}/dataset/leer")
    graph.add((node, RDF.type, DCAT.Dataset))
    graph.add((node, DCATAP.availability, URIRef("http://example.org/sometimes")))
    violations, _ = findings(graph, shared)
    for missing in ("title", "description", "publisher", "availability"):
        assert any(missing in violation for violation in violations), missing


def test_every_dataset_says_everything() -> None:
    catalogue = hagen()
    graph = graph_of(catalogue)
    datasets = set(graph.subjects(RDF.type, DCAT.Dataset))
    assert len(datasets) == len(catalogue.dataset)
    members = (
        *(DCTERMS.title, DCTERMS.description, DCTERMS.publisher, DCTERMS.identifier, DCTERMS.modified),
        *(DCTERMS.issued, DCAT.theme, DCAT.keyword, DCAT.contactPoint, DCAT.landingPage, DCTERMS.temporal),
        *(DCTERMS.spatial, DCTERMS.language, DCTERMS.accessRights, DCTERMS.accrualPeriodicity),
        *(DCATDE.contributorID, DCATDE.politicalGeocodingLevelURI, DCATDE.politicalGeocodingURI),
        *(DCATAP.availability, DCAT.distribution),
    )
    for dataset in datasets:
        for member in members:
            assert graph.value(dataset, member) is not None, (dataset, member)
        assert str(graph.value(dataset, DCTERMS.identifier)) == str(dataset)


def test_one_page_alone_says_all_that_its_datasets_refer_to() -> None:
    catalogue = hagen()
    shown = [known(dataset) for dataset in catalogue.dataset[5:7]]
    graph = graph_of(catalogue, shown)
    described = set(graph.subjects(RDF.type))
    for predicate in (DCTERMS.publisher, DCAT.contactPoint, DCTERMS.spatial, DCTERMS.temporal):
        assert set(graph.objects(None, predicate)) <= described
    for predicate in (DCAT.distribution, DCAT.accessService, DCAT.servesDataset, DCAT.dataset, DCAT.service):
        assert set(graph.objects(None, predicate)) <= described
    assert len(set(graph.subjects(RDF.type, DCAT.Dataset))) == 2
    view = next(iter(graph.subjects(RDF.type, HYDRA.PartialCollectionView)))
    assert graph.value(view, HYDRA.next) == URIRef(f"{URL}/catalog.rdf?page=2")
    assert graph.value(view, HYDRA.previous) is None


def test_as_harvesters_read() -> None:
    graph = graph_of(hagen())
    assert not any(isinstance(node, BNode) for triple in graph for node in triple)
    for keyword in graph.objects(None, DCAT.keyword):
        assert re.fullmatch(r"[\w .-]{2,100}", str(keyword)), keyword
    assert not list(graph.triples((None, URIRef("http://www.w3.org/ns/locn#geometry"), None)))
    for literal in graph.objects():
        if isinstance(literal, Literal):
            assert literal.ill_typed is not True, literal
    for address in graph.objects(None, DCAT.accessURL):
        assert str(address).startswith(f"{URL}/")


def test_live_interfaces_are_distributions_too() -> None:
    """CKAN sees no service of a catalogue: only a distribution with its address, and nothing to download."""
    graph = graph_of(hagen())
    for dataset in graph.subjects(RDF.type, DCAT.Dataset):
        live = [
            distribution
            for distribution in graph.objects(dataset, DCAT.distribution)
            if graph.value(distribution, DCAT.accessService) is not None
        ]
        assert len(live) == len(SERVICES)
        for distribution in live:
            service = graph.value(distribution, DCAT.accessService)
            assert graph.value(service, DCAT.endpointURL) == graph.value(distribution, DCAT.accessURL)
            assert graph.value(distribution, DCAT.downloadURL) is None
            assert dataset in set(graph.objects(service, DCAT.servesDataset))


def test_files_have_size_and_checksum_where_known() -> None:
    catalogue = hagen()
    graph = graph_of(catalogue, [known(catalogue.dataset[0])])
    address = URIRef(f"{URL}/files/pegel/2026-11-21.parquet")
    distribution = graph.value(predicate=DCAT.downloadURL, object=address)
    assert distribution is not None
    assert graph.value(distribution, DCAT.accessURL) == address
    assert graph.value(distribution, DCAT.byteSize).toPython() == 12_345  # type: ignore[union-attr]
    checksum = graph.value(distribution, SPDX.checksum)
    value = str(graph.value(checksum, SPDX.checksumValue)).lower()
    assert value == hashlib.sha256(b"pegel").hexdigest()
    current = graph.value(predicate=DCAT.downloadURL, object=URIRef(f"{URL}/files/pegel/current.csv"))
    assert graph.value(current, DCAT.byteSize) is None
    assert graph.value(current, DCAT.mediaType) == URIRef(
        "https://www.iana.org/assignments/media-types/text/csv"
    )


def test_own_publisher_and_contact_of_a_dataset() -> None:
    catalogue = hagen()
    wbh = {"name": {"de": "Wirtschaftsbetrieb", "en": "Works"}, "telephone": "+49 2331 207-0"}
    table = catalogue.model_dump(exclude_none=True)
    table["dataset"] = [{**table["dataset"][0], "contact": wbh}, table["dataset"][1]]
    catalogue = Catalogue.model_validate(table)
    graph = graph_of(catalogue)
    own, other = (
        graph.value(URIRef(f"{URL}/dataset/{name}"), DCAT.contactPoint) for name in ("pegel", "gewaesser")
    )
    assert own != other
    assert graph.value(own, VCARD.hasTelephone) == URIRef("tel:+4923312070")


def test_what_readers_must_know_stands_in_the_description() -> None:
    dataset = hagen().named("luftqualitaet")
    assert dataset is not None
    assert "simuliert" not in description_of(known(dataset)).de
    assert description_of(known(dataset, simulated=3)).de.endswith("Alle Werte sind simuliert.")
    assert "Ein Teil der Werte" in description_of(known(dataset, simulated=1)).de
    assert "Orientierungswerte" in description_of(known(dataset)).de


def test_modified_is_of_data_or_declaration() -> None:
    dataset = hagen().dataset[0]
    later = datetime(2026, 11, 24, tzinfo=UTC)
    assert known(dataset).modified == NOW
    assert known(dataset, changed=later).modified == later
    assert known(dataset, newest=None).modified == datetime(2026, 11, 22, 1, tzinfo=UTC)
    assert known(dataset).issued == datetime(2026, 11, 21, tzinfo=UTC)


WRITE = """
import hashlib
from tests.unit.test_portal_catalogue import FORMATS, graph_of, hagen, known
graph = graph_of(hagen(), [known(dataset) for dataset in hagen().dataset[:1]])
for each in FORMATS:
    print(each.suffix, hashlib.sha256(each.write(graph)).hexdigest())
"""


def test_the_same_is_written_as_the_same_bytes() -> None:
    """A process with other hash values writes the same, or the entity tag would change with each start."""
    root = Path(__file__).parents[2]
    runs = [
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", WRITE],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert first.count("\n") == len(FORMATS)
    assert first == second


# rdflib's reader of JSON-LD uses a class of rdflib that rdflib says is of yesterday.
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.suffix)
def test_what_is_written_reads_the_same(format_: Format) -> None:
    graph = graph_of(hagen())
    body = format_.write(graph)
    read = Graph().parse(data=body.decode(), format=format_.serializer)
    assert set(read) == set(graph)


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        ("", "a/b"),
        ("*/*", "a/b"),
        ("c/*;q=0.9, a/b;q=0.5", "c/d"),
        ("c/d, */*;q=0.1", "c/d"),
        ("x/y", None),
        ("c/d;q=0, a/b", "a/b"),
        ("c/d;q=nonsense", None),
        ("text/html, c/d;q=0.8", "text/html"),
    ],
)
def test_negotiation(accepted: str, wanted: str | None) -> None:
    assert preferred(accepted, ["a/b", "c/d", "text/html"]) == wanted
