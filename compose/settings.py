# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What an operator can set: one TOML file, checked as a whole when Volme starts.

Secrets are never written into the file itself: they come from an environment variable
(`{ env = "NAME" }`) or from a file (`{ file = "/run/secrets/name" }`).
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from compose.data_folder import data_codecs, data_profiles
from models.declared import declared, read_toml
from models.errors import ConfigurationError, UnsafeExposureError

BrokerKind = Literal["orion-ld", "scorpio", "stellio", "coraine", "embedded"]
Network = Literal[
    "auto",
    "the_things_stack",
    "chirpstack",
    "chirpstack_v3",
    "thingpark",
    "loriot",
    "helium",
    "senml",
    "sensor_community",
    "opensensemap",
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
LOOPBACK = "127.0.0.1"
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
Port = Annotated[int, Field(ge=0, le=65535)]


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path | None = (info.context or {}).get("folder")
    return path if folder is None else folder / path


#: A path; a relative one starts at the folder of the configuration file.
LocalPath = Annotated[Path, AfterValidator(_from_folder)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _port(url: str) -> str:
    urlsplit(url).port  # noqa: B018 - raises ValueError where there cannot be such a port
    return url


class Secret(_Section):
    """Where a secret is: exactly one of `env` and `file`."""

    env: str | None = None
    file: LocalPath | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Secret:
        if (self.env is None) == (self.file is None):
            msg = 'a secret is either { env = "NAME" } or { file = "path" }'
            raise ValueError(msg)
        return self

    def read(self) -> str:
        """Return the secret.

        Raises:
            ConfigurationError: the variable is not set, or the file cannot be read.
        """
        if self.env is not None:
            value = os.environ.get(self.env)
            if not value:
                msg = f"the environment variable {self.env}, which should hold a secret, is not set"
                raise ConfigurationError(msg)
            return value
        try:
            return Path(str(self.file)).read_text(encoding="utf-8").strip()
        except OSError as error:
            msg = f"the file {self.file}, which should hold a secret, cannot be read: {error.strerror}"
            raise ConfigurationError(msg) from error


class Tls(_Section):
    """Certificate and key that a server shows, in PEM files."""

    certificate: LocalPath
    key: LocalPath


class WebSettings(_Section):
    """Where Volme itself listens: health, metrics, contexts, pushed uplinks.

    `public_url` is how the NGSI-LD broker and others reach this server, where that is not
    `http://<host>:<port>`. `behind_proxy`: a reverse proxy in front ends TLS. `api_keys`: who has one
    of them may use the device API (`/api/…`); without any, only this machine may, and nobody where
    Volme listens beyond loopback or behind a proxy.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str | None = None
    tls: Tls | None = None
    behind_proxy: bool = False
    max_body: int = Field(default=1_048_576, ge=1024)
    api_keys: tuple[Secret, ...] = ()


class PostgresSettings(_Section):
    """The operator's PostgreSQL; without `url` the embedded one runs in the data folder.

    `keep_days`: how long settled messages stay in the journal; dead letters stay until replayed.
    `keep_gigabytes`: how much disk the journal may take before days are dropped sooner; whole days that
    are settled, never what still waits. Without it, only `keep_days` counts.
    """

    url: Annotated[str, Field(pattern=r"^postgres(ql)?://([^:@/]*:?@)?[^@]*$")] | None = None
    keep_days: int = Field(default=30, ge=1)
    keep_gigabytes: float | None = Field(default=None, gt=0)
    password: Secret | None = None
    connections: int = Field(default=12, ge=4)


class EmbeddedBrokerSettings(_Section):
    """The NGSI-LD broker that runs where no `broker.url` is set.

    `history_page`: how many instances of attributes one answer of the temporal interface has (the rest
    follows by 206 and Content-Range); a client may ask for up to 10,000 (`Prefer: maxpagesize=N`).

    `write_keys` are needed for every write as soon as it listens elsewhere than on loopback or
    stands behind a proxy. `history_days`: how long every change stays in the temporal interface; 0: no
    history is kept. `notify_allow`: address ranges, beyond public addresses, that
    notification endpoints may be in. What a receiver that is away misses is kept for `notify_keep_hours`, and
    at most `notify_most` notifications for each subscription; beyond, the oldest are given up.
    """

    host: str = "127.0.0.1"
    port: Port = 1026
    tls: Tls | None = None
    behind_proxy: bool = False
    write_keys: tuple[Secret, ...] = ()
    history_days: int = Field(default=365, ge=0)
    history_page: int = Field(default=30, ge=1)
    notify_keep_hours: float = Field(default=24.0, gt=0)
    notify_most: int = Field(default=10_000, ge=1)
    notify_allow: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()


class BrokerSettings(_Section):
    """The NGSI-LD broker that Volme keeps true; without `url` the embedded one runs.

    `token` is sent as `Authorization: Bearer`; secrets have no place in the address.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$")] | None = None
    kind: BrokerKind = "orion-ld"
    tenant: str | None = None
    token: Secret | None = None
    connections: int = Field(default=4, ge=1, le=64)
    batch: int = Field(default=100, ge=1, le=800)
    timeout: float = Field(default=30.0, gt=0)
    embedded: EmbeddedBrokerSettings = EmbeddedBrokerSettings()


class PartnerSettings(_Section):
    """Who may see more than the public: the datasets named, by showing a key.

    `endpoints`: what the addresses that their subscriptions notify must begin with.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    key: Secret
    datasets: tuple[str, ...] = Field(min_length=1)
    endpoints: tuple[Annotated[str, Field(pattern=r"^(https?|mqtts?)://[^/@\s]+(/\S*)?$")], ...] = ()


class PortalSettings(_Section):
    """The public interfaces and the citizens' page, in a process of their own.

    `datasets`: file that declares what is published; without it nothing is, and the portal does not run.
    `tenant`: of the broker; what is published is written there (`<tenant>-<partner>` for a partner).
    `notify_url`: how the broker reaches the portal, where that is not `http://<host>:<port>`.
    `requests_per_minute`: of one reader without a key. `feedback`: address of mail for readers' remarks.
    `basemap`: address of a MapLibre style; without it, our own outline of the city.
    `files_gigabytes`: how much disk the files of past days may take.
    """

    host: str = "127.0.0.1"
    port: Port = 8000
    public_url: Annotated[str, Field(pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$")] | None = None
    tls: Tls | None = None
    behind_proxy: bool = False
    datasets: LocalPath | None = None
    tenant: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,20}$")] = "public"
    notify_url: Annotated[str, Field(pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$")] | None = None
    requests_per_minute: float = Field(default=600, gt=0)
    feedback: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    basemap: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    files_gigabytes: float = Field(default=20, gt=0)
    partner: tuple[PartnerSettings, ...] = ()

    @model_validator(mode="after")
    def _partners_have_names_of_their_own(self) -> PortalSettings:
        names = [partner.name for partner in self.partner]
        if len(set(names)) != len(names):
            msg = "two partners have the same name"
            raise ValueError(msg)
        return self


class MqttSource(_Section):
    """One MQTT broker and what to subscribe to there.

    `url`: `mqtt://host:1883` or `mqtts://host:8883`.
    """

    name: Name
    url: Annotated[
        str, Field(pattern=r"^mqtts?://(\[[0-9a-fA-F:.]+\]|[^/@:\s]+)(:\d{1,5})?/?$"), AfterValidator(_port)
    ]
    topics: tuple[str, ...] = Field(min_length=1)
    network: Network = "auto"
    version: Literal["5", "3.1.1"] = "3.1.1"
    client_id: str | None = None
    username: str | None = None
    password: Secret | None = None
    ca: LocalPath | None = None
    certificate: LocalPath | None = None
    key: LocalPath | None = None
    max_in_flight: int = Field(default=2000, ge=1)


class WebhookSource(_Section):
    """One network server that pushes to `POST /ingest/<name>`."""

    name: Name
    network: Network = "auto"
    token: Secret


class PlainQuantity(_Section):
    """What one field of plain JSON measures: as a field of a device profile."""

    quantity: str
    unit: str | None = None
    values: dict[str, bool | float | str] = Field(default_factory=dict)
    missing: tuple[str, ...] = ()


def _named_alone(value: Any) -> Any:
    """`wl = "water.level"` is short for a table with the quantity alone."""
    return {"quantity": value} if isinstance(value, str) else value


class PlainTopic(_Section):
    """How to read plain JSON of one source by topic: `city/{device}/measures`.

    The other settings are those of `adapters.networks.plain.PlainFormat`, and where `measurements`, `zone`,
    `name`, `value`, `quantities` or a smaller unit of time is given, of
    `adapters.networks.declared.DeclaredFormat`.
    """

    source: Name
    topic: str
    device: str = "{device}"
    time: str | None = None
    time_unit: Literal["auto", "rfc3339", "s", "ms", "us", "ns"] = "auto"
    zone: str | None = None
    fields: str | None = None
    key: str | None = None
    measurements: str | None = None
    name: str | None = None
    value: str | None = None
    quantities: dict[str, Annotated[PlainQuantity, BeforeValidator(_named_alone)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _one_path(self) -> PlainTopic:
        if self.fields is not None and self.measurements is not None:
            msg = "“fields” and “measurements” say the same: where the measurements are; give one"
            raise ValueError(msg)
        return self


class SimulatorSettings(_Section):
    """The simulated Hagen."""

    enabled: bool = False
    seed: int = 2026
    speed: float = Field(default=1.0, gt=0, le=1000)


class Settings(_Section):
    """Everything that can be set; the defaults run on one machine, on loopback, on embedded parts.

    `priority`: whose messages do not wait in a backlog, by `<Type>:<device or place>` of the entity
    that they feed, with the wildcards `*` and `?`.
    """

    city: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = "hagen"
    data: LocalPath = Path("data")
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    web: WebSettings = WebSettings()
    postgres: PostgresSettings = PostgresSettings()
    broker: BrokerSettings = BrokerSettings()
    portal: PortalSettings = PortalSettings()
    embedded_mqtt_port: Port = 1883
    mqtt: tuple[MqttSource, ...] = ()
    webhook: tuple[WebhookSource, ...] = ()
    plain: tuple[PlainTopic, ...] = ()
    priority: tuple[Annotated[str, Field(pattern=r"^[^:\s]+:\S+$")], ...] = (
        "FloodMonitoring:*",
        "WaterObserved:*",
    )
    profiles: dict[str, dict[str, Any]] = Field(default_factory=dict)
    javascript: dict[str, LocalPath] = Field(default_factory=dict)
    simulator: SimulatorSettings = SimulatorSettings()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Settings:
        names: list[str] = [source.name for source in self.mqtt]
        names += [source.name for source in self.webhook]
        taken = {"registry"} if self.mqtt else {"registry", "mqtt"}  # Volme's own
        for name in names:
            if name in taken:
                msg = f"two sources are called “{name}”, or it is a name of Volme's own"
                raise ValueError(msg)
            taken.add(name)
        return self

    @model_validator(mode="after")
    def _plain_topics_have_a_source(self) -> Settings:
        names = {"mqtt", *(source.name for source in self.mqtt), *(source.name for source in self.webhook)}
        for entry in self.plain:
            if entry.source not in names:
                msg = f"[[plain]] names the source “{entry.source}”, which is not declared"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _what_is_published_has_a_tenant_of_its_own(self) -> Settings:
        tenants = {self.portal.tenant, *(f"{self.portal.tenant}-{each.name}" for each in self.portal.partner)}
        if self.portal.datasets is not None and (self.broker.tenant or "").lower() in tenants:
            msg = (
                f"portal.tenant leads to the city's own tenant “{self.broker.tenant}” (broker.tenant):"
                " what is published would overwrite the city's entities"
            )
            raise ValueError(msg)
        return self

    def check_secrets(self) -> None:
        """Read every secret once.

        Raises:
            ConfigurationError: one cannot be read.
        """
        secrets = [
            self.postgres.password,
            self.broker.token,
            *self.broker.embedded.write_keys,
            *self.web.api_keys,
            *(partner.key for partner in self.portal.partner),
            *(source.password for source in self.mqtt),
            *(source.token for source in self.webhook),
        ]
        for secret in secrets:
            if secret is not None:
                secret.read()


def load_settings(path: Path | None, **overrides: Any) -> Settings:
    """Read a TOML file (None: only defaults), with dotted overrides (`web__port=9000`).

    Paths in the file are relative to the file's folder. Profiles and codecs that are in the data folder
    belong to what is read.

    Raises:
        ConfigurationError: the file cannot be read, or a setting cannot be used; the text names
            each, one a line.
    """
    table: dict[str, Any] = {}
    if path is not None:
        table = read_toml(path)
    for name, value in overrides.items():
        if value is not None:
            *sections, last = name.split("__")
            target = table
            for section in sections:
                target = target.setdefault(section, {})
            target[last] = value
    settings = declared(Settings, table, path)
    check_exposure(settings)
    return with_data_folder(settings)


def with_data_folder(settings: Settings) -> Settings:
    """Add the profiles and codecs of the data folder; its profiles go before those of the file.

    Raises:
        ConfigurationError: one of its files cannot be read, or a codec has a name that is taken.
    """
    codecs = data_codecs(settings.data)
    for name in codecs.keys() & settings.javascript.keys():
        msg = f"two codecs are called “{name}”: {settings.javascript[name]} and {codecs[name]}"
        raise ConfigurationError(msg)
    profiles = data_profiles(settings.data, settings.profiles)
    return settings.model_copy(update={"profiles": profiles, "javascript": {**settings.javascript, **codecs}})


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings) -> None:
    """Refuse to open the platform to the network without protection.

    Raises:
        UnsafeExposureError: a server would listen beyond loopback without TLS, and no proxy in
            front was declared; or the embedded broker could be written to without a key.
    """
    embedded = settings.broker.embedded
    servers = (("web", settings.web), ("broker.embedded", embedded), ("portal", settings.portal))
    for section, server in servers:
        if section == "broker.embedded" and settings.broker.url is not None:
            continue
        if not is_loopback(server.host) and server.tls is None and not server.behind_proxy:
            msg = (
                f"{section}.host = “{server.host}” would let the network in without encryption. Set"
                f" {section}.tls (certificate and key), or --behind-proxy if a proxy in front ends TLS."
            )
            raise UnsafeExposureError(msg)
    if settings.web.host in _ANY and settings.web.public_url is None:
        msg = (
            f"web.host = “{settings.web.host}” does not say how the NGSI-LD broker reaches Volme's contexts."
            ' Set web.public_url, such as "https://volme.stadt.example".'
        )
        raise ConfigurationError(msg)
    remote = settings.broker.url is not None and not is_loopback(urlsplit(settings.broker.url).hostname or "")
    if remote and is_loopback(settings.web.host) and settings.web.public_url is None:
        msg = (
            f"the NGSI-LD broker at {settings.broker.url} cannot reach Volme's contexts, which are served on"
            f" {settings.web.host}. Set web.host and web.public_url so that it can."
        )
        raise ConfigurationError(msg)
    reachable = not is_loopback(embedded.host) or embedded.behind_proxy
    if settings.broker.url is None and reachable and not embedded.write_keys:
        msg = (
            "the embedded NGSI-LD broker could be written to from outside without a key. Set"
            ' broker.embedded.write_keys, such as [{ env = "VOLME_WRITE_KEY" }].'
        )
        raise UnsafeExposureError(msg)
