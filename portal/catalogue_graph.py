# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The catalogue as RDF: DCAT-AP.de 3.0, as harvesters read it.

Every node has an IRI, for harvesters take blank nodes for new ones each time. Whatever a page's datasets
refer to is described on the same page, for pages are parsed alone. A live interface is a service of the
catalogue and, since CKAN sees no services, a distribution of each dataset that has its address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, SKOS, XSD

from models.values import rfc3339
from portal.catalogue_services import SERVICES
from portal.datasets import Text

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from datetime import datetime

    from rdflib.term import Node

    from portal.catalogue_services import Service
    from portal.catalogue_state import Facts
    from portal.datasets import Catalogue, Contact, Organisation
    from portal.files import File

DCATAP: Final = Namespace("http://data.europa.eu/r5r/")
DCATDE: Final = Namespace("http://dcat-ap.de/def/dcatde/")
GEO: Final = Namespace("http://www.opengis.net/ont/geosparql#")
HYDRA: Final = Namespace("http://www.w3.org/ns/hydra/core#")
SPDX: Final = Namespace("http://spdx.org/rdf/terms#")
VCARD: Final = Namespace("http://www.w3.org/2006/vcard/ns#")
PREFIXES: Final[Mapping[str, object]] = {
    "dcat": DCAT,
    "dcatap": DCATAP,
    "dcatde": DCATDE,
    "dct": DCTERMS,
    "foaf": FOAF,
    "geo": GEO,
    "hydra": HYDRA,
    "skos": SKOS,
    "spdx": SPDX,
    "vcard": VCARD,
    "xsd": XSD,
}

_AUTHORITY: Final = "http://publications.europa.eu/resource/authority/"
_GERMAN: Final = URIRef(f"{_AUTHORITY}language/DEU")
_ENGLISH: Final = URIRef(f"{_AUTHORITY}language/ENG")
_PUBLIC: Final = URIRef(f"{_AUTHORITY}access-right/PUBLIC")
_STABLE: Final = URIRef(f"{_AUTHORITY}planned-availability/STABLE")
_LEGISLATION: Final = URIRef("http://data.europa.eu/eli/reg_impl/2023/138/oj")
_MODELS: Final = "https://github.com/smart-data-models/dataModel."
_GEOCODING: Final = "http://dcat-ap.de/def/politicalGeocoding"
# GovData takes metadata that everybody may use without conditions.
_METADATA_LICENCE: Final = URIRef("http://dcat-ap.de/def/licenses/dl-zero-de/2.0")


@dataclass(frozen=True, kw_only=True, slots=True)
class PageOf:
    """Which page of the catalogue this is.

    Attributes:
        total: how many datasets there are altogether.
        this, first, last: addresses.
        previous, next: addresses; None: there is no such page.
    """

    total: int
    this: str
    first: str
    last: str
    previous: str | None
    next: str | None


class _Ordered(Graph):
    """A graph whose nodes come in order, so that the same graph is written as the same bytes."""

    def subjects(
        self,
        predicate: Any = None,
        object: Any = None,  # noqa: A002 - so rdflib calls it
        unique: bool = False,  # noqa: FBT001, FBT002 - so rdflib declares it
    ) -> Generator[Node, None, None]:
        """Give each subject once."""
        del unique
        yield from sorted(set(super().subjects(predicate, object)), key=str)


def catalogue_graph(
    url: str, catalogue: Catalogue, everything: Sequence[Facts], shown: Sequence[Facts], page: PageOf | None
) -> Graph:
    """Return the catalogue with some of its datasets.

    Args:
        url: of the portal, without a slash at its end.
        catalogue: what is declared.
        everything: all public datasets: the catalogue's own times are theirs.
        shown: those that are described.
        page: which page this is; None: there is one alone.
    """
    graph = _Ordered()
    for prefix, namespace in PREFIXES.items():
        graph.bind(prefix, str(namespace), override=True, replace=True)
    writer = _Writer(graph, url, catalogue)
    writer.catalogue(everything, shown)
    writer.place()
    for facts in shown:
        writer.dataset(facts)
    for service in SERVICES:
        writer.service(service, everything, shown)
    if page is not None:
        writer.page(page)
    return graph


class _Writer:
    """Puts statements into a graph."""

    def __init__(self, graph: Graph, url: str, catalogue: Catalogue) -> None:
        self._graph = graph
        self._url = url
        self._catalogue = catalogue
        self._place = URIRef(f"{_GEOCODING}/municipalityKey/{catalogue.place.municipality_key}")
        self._api = self._document(f"{url}/api")

    # ---- the parts, each of which is described once a page

    def catalogue(self, everything: Sequence[Facts], shown: Iterable[Facts]) -> None:
        said = self._catalogue
        node = URIRef(f"{self._url}/catalog")
        self._type(node, DCAT.Catalog)
        self._text(node, DCTERMS.title, said.title)
        self._text(node, DCTERMS.description, said.description)
        self._say(node, DCTERMS.publisher, self._agent(said.publisher, f"{node}#publisher"))
        self._say(node, DCTERMS.language, _GERMAN, _ENGLISH)
        self._say(node, DCTERMS.license, _METADATA_LICENCE)
        self._say(node, FOAF.homepage, self._document(said.homepage or f"{self._url}/daten"))
        self._say(node, DCAT.themeTaxonomy, self._taxonomy())
        self._say(node, DCTERMS.spatial, self._place)
        if everything:
            self._say(node, DCTERMS.issued, _moment(min(facts.issued for facts in everything)))
            self._say(node, DCTERMS.modified, _moment(max(facts.modified for facts in everything)))
        self._say(node, DCAT.dataset, *(self._dataset(facts) for facts in shown))
        self._say(node, DCAT.service, *(self._service(service) for service in SERVICES))

    def place(self) -> None:
        west, south, east, north = self._catalogue.place.bbox
        corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
        ring = ",".join(f"{longitude:g} {latitude:g}" for longitude, latitude in corners)
        longitude, latitude = self._catalogue.place.centroid
        self._type(self._place, DCTERMS.Location)
        self._say(self._place, SKOS.prefLabel, Literal(self._catalogue.place.name, lang="de"))
        self._say(self._place, DCAT.bbox, Literal(f"POLYGON(({ring}))", datatype=GEO.wktLiteral))
        point = f"POINT({round(longitude, 6):g} {round(latitude, 6):g})"
        self._say(self._place, DCAT.centroid, Literal(point, datatype=GEO.wktLiteral))

    def dataset(self, facts: Facts) -> None:
        said, node = facts.dataset, self._dataset(facts)
        publisher = self._agent(
            self._catalogue.publisher_of(said), f"{self._own(facts, said.publisher)}#publisher"
        )
        contact = self._contact(self._catalogue.contact_of(said), f"{self._own(facts, said.contact)}#contact")
        self._type(node, DCAT.Dataset)
        self._text(node, DCTERMS.title, said.title)
        self._text(node, DCTERMS.description, description_of(facts))
        self._say(node, DCTERMS.identifier, Literal(str(node)))
        self._say(node, DCTERMS.publisher, publisher)
        self._say(node, DCAT.contactPoint, contact)
        self._say(node, DCTERMS.issued, _moment(facts.issued))
        self._say(node, DCTERMS.modified, _moment(facts.modified))
        self._say(node, DCTERMS.temporal, self._period(facts))
        self._say(node, DCAT.theme, *(self._concept(iri) for iri in said.theme_iris))
        self._say(node, DCAT.keyword, *(Literal(word, lang="de") for word in said.keywords))
        self._say(node, DCAT.landingPage, self._document(f"{node}?lang=de"))
        self._say(node, DCTERMS.spatial, self._place)
        self._say(node, DCTERMS.language, _GERMAN)
        self._say(node, DCTERMS.accessRights, _PUBLIC)
        self._say(node, DCTERMS.accrualPeriodicity, URIRef(f"{_AUTHORITY}frequency/{said.frequency}"))
        self._say(node, DCATAP.availability, _STABLE)
        self._say(node, DCTERMS.conformsTo, self._standard(f"{_MODELS}{said.model.subject}"))
        if self._catalogue.contributor is not None:
            contributor = f"http://dcat-ap.de/def/contributors/{self._catalogue.contributor}"
            self._say(node, DCATDE.contributorID, URIRef(contributor))
        self._say(node, DCATDE.politicalGeocodingLevelURI, URIRef(f"{_GEOCODING}/Level/municipality"))
        # Deprecated in 3.0, which is a warning, but GovData's own parser still goes by it.
        self._say(node, DCATDE.politicalGeocodingURI, self._place)
        self._high_value(node, said.hvd_category)
        for file in facts.files:
            self._say(node, DCAT.distribution, self._file(facts, file))
        for service in SERVICES:
            self._say(node, DCAT.distribution, self._live(facts, service))

    def service(self, service: Service, everything: Sequence[Facts], shown: Iterable[Facts]) -> None:
        catalogue = f"{self._url}/catalog"
        node = self._service(service)
        self._type(node, DCAT.DataService)
        self._text(node, DCTERMS.title, service.title)
        self._text(node, DCTERMS.description, service.description)
        self._say(node, DCAT.endpointURL, URIRef(self._url + service.path))
        self._say(node, DCAT.endpointDescription, URIRef(f"{self._url}/api/openapi.json"))
        self._say(node, DCTERMS.publisher, self._agent(self._catalogue.publisher, f"{catalogue}#publisher"))
        self._say(node, DCAT.contactPoint, self._contact(self._catalogue.contact, f"{catalogue}#contact"))
        self._say(node, DCTERMS.license, URIRef(f"http://dcat-ap.de/def/licenses/{self._catalogue.licence}"))
        self._say(node, DCTERMS.accessRights, _PUBLIC)
        self._say(node, DCTERMS.format, URIRef(f"{_AUTHORITY}file-type/{service.file_type}"))
        self._say(node, DCTERMS.conformsTo, self._standard(service.standard))
        self._say(node, DCATAP.availability, _STABLE)
        self._say(node, FOAF.page, self._api)
        # Of datasets that stand on another page nothing but the address is known here.
        self._say(node, DCAT.servesDataset, *(self._dataset(facts) for facts in shown))
        for category in dict.fromkeys(facts.dataset.hvd_category for facts in everything):
            self._high_value(node, category)

    def page(self, page: PageOf) -> None:
        node = URIRef(page.this)
        self._type(node, HYDRA.PartialCollectionView, HYDRA.PagedCollection)
        self._say(node, HYDRA.totalItems, Literal(page.total, datatype=XSD.integer))
        self._say(node, HYDRA.first, URIRef(page.first))
        self._say(node, HYDRA.last, URIRef(page.last))
        if page.previous is not None:
            self._say(node, HYDRA.previous, URIRef(page.previous))
        if page.next is not None:
            self._say(node, HYDRA.next, URIRef(page.next))

    # ---- what they are made of

    def _file(self, facts: Facts, file: File) -> URIRef:
        address = f"{self._url}{file.path}"
        node = URIRef(f"{address}#distribution")
        self._distribution(node, facts, title=file.title, media_type=file.media_type, code=file.file_type)
        self._say(node, DCAT.accessURL, URIRef(address))
        self._say(node, DCAT.downloadURL, URIRef(address))
        modified = file.modified or facts.newest
        if modified is not None:
            self._say(node, DCTERMS.modified, _moment(modified))
        if file.size is not None:
            self._say(node, DCAT.byteSize, Literal(str(file.size), datatype=XSD.nonNegativeInteger))
        if file.sha256 is not None:
            checksum = URIRef(f"{address}#checksum")
            self._type(checksum, SPDX.Checksum)
            self._say(checksum, SPDX.algorithm, SPDX.checksumAlgorithm_sha256)
            self._say(checksum, SPDX.checksumValue, Literal(file.sha256, datatype=XSD.hexBinary))
            self._say(node, SPDX.checksum, checksum)
        return node

    def _live(self, facts: Facts, service: Service) -> URIRef:
        node = URIRef(f"{self._dataset(facts)}#{service.name}")
        self._distribution(
            node, facts, title=service.title, media_type=service.media_type, code=service.file_type
        )
        self._text(node, DCTERMS.description, service.description)
        # By this alone CKAN finds that the distribution is the service's: no downloadURL, the same address.
        self._say(node, DCAT.accessURL, URIRef(self._url + service.path))
        self._say(node, DCAT.accessService, self._service(service))
        return node

    def _distribution(self, node: URIRef, facts: Facts, *, title: Text, media_type: str, code: str) -> None:
        said = facts.dataset
        self._type(node, DCAT.Distribution)
        self._text(node, DCTERMS.title, title)
        self._say(node, DCTERMS.format, URIRef(f"{_AUTHORITY}file-type/{code}"))
        essence = media_type.partition(";")[0].strip()
        self._say(node, DCAT.mediaType, URIRef(f"https://www.iana.org/assignments/media-types/{essence}"))
        self._say(node, DCTERMS.license, URIRef(self._catalogue.licence_of(said)))
        by = said.attribution or self._catalogue.publisher_of(said).name.de
        self._say(node, DCATDE.licenseAttributionByText, Literal(by, lang="de"))
        self._say(node, DCATAP.availability, _STABLE)
        if said.hvd_category is not None:
            self._say(node, DCATAP.applicableLegislation, _LEGISLATION)

    def _agent(self, said: Organisation, iri: str) -> URIRef:
        node = URIRef(iri)
        self._type(node, FOAF.Agent, FOAF.Organization)
        self._text(node, FOAF.name, said.name)
        self._say(node, DCTERMS.type, URIRef("http://purl.org/adms/publishertype/LocalAuthority"))
        if said.url is not None:
            self._say(node, FOAF.homepage, self._document(said.url))
        if said.email is not None:
            self._say(node, FOAF.mbox, URIRef(f"mailto:{said.email}"))
        return node

    def _contact(self, said: Contact, iri: str) -> URIRef:
        node = URIRef(iri)
        self._type(node, VCARD.Kind, VCARD.Organization)
        self._say(node, VCARD.fn, Literal(said.name.de))
        if said.email is not None:
            self._say(node, VCARD.hasEmail, URIRef(f"mailto:{said.email}"))
        if said.url is not None:
            self._say(node, VCARD.hasURL, URIRef(said.url))
        if said.telephone is not None:
            number = "".join(letter for letter in said.telephone if letter.isdecimal() or letter == "+")
            self._say(node, VCARD.hasTelephone, URIRef(f"tel:{number}"))
        return node

    def _period(self, facts: Facts) -> URIRef:
        node = URIRef(f"{self._dataset(facts)}#temporal")
        self._type(node, DCTERMS.PeriodOfTime)
        start = Literal(facts.issued.date().isoformat(), datatype=XSD.date)
        self._say(node, DCAT.startDate, start)
        return node

    def _high_value(self, node: URIRef, category: str | None) -> None:
        if category is not None:
            self._say(node, DCATAP.applicableLegislation, _LEGISLATION)
            self._say(node, DCATAP.hvdCategory, self._concept(category))

    def _concept(self, iri: str) -> URIRef:
        node = URIRef(iri)
        self._type(node, SKOS.Concept)
        return node

    def _taxonomy(self) -> URIRef:
        node = URIRef(f"{_AUTHORITY}data-theme")
        self._type(node, SKOS.ConceptScheme)
        return node

    def _document(self, iri: str) -> URIRef:
        node = URIRef(iri)
        self._type(node, FOAF.Document)
        return node

    def _standard(self, iri: str) -> URIRef:
        node = URIRef(iri)
        self._type(node, DCTERMS.Standard)
        return node

    def _dataset(self, facts: Facts) -> URIRef:
        return URIRef(f"{self._url}/dataset/{facts.dataset.name}")

    def _own(self, facts: Facts, said: Organisation | Contact | None) -> str:
        """Whose a publisher or contact is: the dataset's, or the whole catalogue's."""
        return f"{self._url}/catalog" if said is None else str(self._dataset(facts))

    def _service(self, service: Service) -> URIRef:
        return URIRef(f"{self._url}/catalog#{service.name}")

    def _type(self, node: URIRef, *types: URIRef) -> None:
        self._say(node, RDF.type, *types)

    def _text(self, node: URIRef, predicate: URIRef, text: Text) -> None:
        self._say(node, predicate, Literal(text.de, lang="de"), Literal(text.en, lang="en"))

    def _say(self, node: URIRef, predicate: URIRef, *objects: Node) -> None:
        for each in objects:
            self._graph.add((node, predicate, each))


def description_of(facts: Facts) -> Text:
    """Return a dataset's description with what readers must know: how exact it is, what is simulated."""
    said = facts.dataset
    german, english = [said.description.de], [said.description.en]
    if said.accuracy is not None:
        german.append(said.accuracy.de)
        english.append(said.accuracy.en)
    if facts.simulated:
        part = facts.simulated == facts.count
        german.append("Alle Werte sind simuliert." if part else "Ein Teil der Werte ist simuliert.")
        english.append("All values are simulated." if part else "Some of the values are simulated.")
    return Text(de=" ".join(german), en=" ".join(english))


def _moment(moment: datetime) -> Literal:
    return Literal(rfc3339(moment.replace(microsecond=0)), datatype=XSD.dateTime)
