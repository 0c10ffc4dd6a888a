# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Logs and metrics."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Protocol

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import Metric

    from broker.state import BridgeState
    from compose.status import Status


def configure_logs(log_format: str, level: str) -> None:
    """Send structured events to standard error: for people (`console`) or machines (`json`)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # rich's own tracebacks want a newer rich than ngsildclient allows beside it.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries speak the standard module; only what goes wrong there is of interest.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")


class HasStatus(Protocol):
    """Whatever knows how the platform is."""

    def status(self) -> Status:
        """Return the state of a moment ago."""
        ...


class VolmeCollector(Collector):
    """The account, the lag and the broker's state, read when Prometheus asks."""

    def __init__(self, platform: HasStatus) -> None:
        self._platform = platform

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: the sources are the operator's."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give what `/metrics` shows."""
        status = self._platform.status()
        messages = CounterMetricFamily(
            "volme_messages", "Messages by source and what became of them", labels=["source", "outcome"]
        )
        pending = GaugeMetricFamily(
            "volme_messages_pending", "Messages received and not yet settled", labels=["source"]
        )
        readings = CounterMetricFamily("volme_readings", "Readings made of messages", labels=["source"])
        entities = CounterMetricFamily(
            "volme_entities", "Entity updates taken by the broker", labels=["source"]
        )
        for name, source in status.sources.items():
            for outcome in ("received", "delivered", "dead", "duplicate", "ignored"):
                messages.add_metric([name, outcome], getattr(source.account, outcome))
            pending.add_metric([name], source.account.pending)
            readings.add_metric([name], source.account.readings)
            entities.add_metric([name], source.account.entities)
        yield from (messages, pending, readings, entities)
        letters = GaugeMetricFamily(
            "volme_dead_letters_waiting", "Dead letters that wait to be mended and replayed", labels=["kind"]
        )
        for kind, count in status.dead_letters.items():
            letters.add_metric([kind], count)
        yield letters
        yield GaugeMetricFamily(
            "volme_lag_seconds", "Age of the oldest message that is not yet settled", value=status.lag
        )
        connected = GaugeMetricFamily(
            "volme_source_connected", "1 while the source is connected", labels=["source"]
        )
        for name, source in status.sources.items():
            if source.connected is not None:
                connected.add_metric([name], float(source.connected))
        yield connected
        yield GaugeMetricFamily(
            "volme_broker_up",
            "1 while the NGSI-LD broker takes batches",
            value=float(not status.broker_error),
        )
        yield from _bridge(status.bridge)
        yield GaugeMetricFamily("volme_devices", "Registered devices", value=status.devices)


def _bridge(state: BridgeState) -> Iterator[Metric]:
    """Give what the bridge did since the start."""
    yield CounterMetricFamily(
        "volme_messages_translated", "Messages on their way to the broker, or settled", value=state.translated
    )
    yield CounterMetricFamily("volme_batches", "Batches sent to the broker", value=state.batches)
    answers = CounterMetricFamily(
        "volme_broker_answers", "Answers of the broker to batches, by status", labels=["status"]
    )
    for code, count in state.answers.items():
        answers.add_metric([code], count)
    yield answers
    yield CounterMetricFamily(
        "volme_history", "Late updates taken by the broker's history", value=state.history
    )
    yield CounterMetricFamily(
        "volme_messages_ahead", "Messages of preferred devices taken before their turn", value=state.ahead
    )
    for name, what, values in (
        ("volme_batch_entities", "Entities a batch", state.batch_sizes),
        ("volme_commit_seconds", "Time that settling messages in the journal took", state.commit_seconds),
    ):
        yield HistogramMetricFamily(name, what, buckets=values.buckets(), sum_value=values.sum)


def metrics_registry(platform: HasStatus) -> CollectorRegistry:
    """Return a registry with the platform's metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(VolmeCollector(platform))
    return registry
