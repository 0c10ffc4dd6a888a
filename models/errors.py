# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One family of errors.

    VolmeError
    ├── ConfigurationError        what the operator configured cannot be used
    │   └── UnsafeExposureError   it would open the platform to the network without protection
    ├── StoreError                PostgreSQL cannot be reached or refused what was asked
    ├── BrokerError               the NGSI-LD broker (its subclasses: `broker/client.py`)
    └── MessageError              one message cannot become entities: it becomes a dead letter
        ├── EnvelopeError         the network server's envelope cannot be read
        │   ├── MalformedPayloadError   not JSON, not UTF-8, nested too deep, NaN
        │   ├── TooLargeError           above the size limit
        │   └── UnknownEnvelopeError    JSON, but no envelope that this source can read
        ├── UnknownDeviceError    nobody has registered the device
        ├── UnknownProfileError   the device's profile does not exist
        ├── CodecError            the payload cannot be decoded
        │   ├── CodecTimeoutError       the codec did not end in time and was stopped
        │   ├── CodecMemoryError        the codec took too much memory and was stopped
        │   └── CodecPausedError        the codec did either again and again, and is not asked for a while
        ├── NothingMeasuredError  decoded, but no field is mapped to a quantity
        ├── ImplausibleValueError a value is not a number or outside its physical range
        ├── ImpossibleTimeError   the time of observation is in 1970, 2099 …
        ├── InvalidEntityError    the entity breaks its Smart Data Model
        ├── LateReadingError      the broker already holds a newer state
        ├── RefusedError          the broker will never take the entity
        └── DefectError           Volme itself has a defect, which the message brought to light

Errors carry data; the edge (command line, HTTP) turns them into words. The text of a
`MessageError` is one sentence that an operator understands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class VolmeError(Exception):
    """Anything that Volme itself reports as wrong."""


class ConfigurationError(VolmeError):
    """What the operator configured cannot be used; the text says which setting and why."""


class UnsafeExposureError(ConfigurationError):
    """The configuration would open the platform to the network without protection."""


class StoreError(VolmeError):
    """PostgreSQL cannot be reached, or it refused what was asked of it."""


class BrokerError(VolmeError):
    """The NGSI-LD broker could not be reached, or answered with an error."""


class MessageError(VolmeError):
    """One message cannot become entities.

    `kind` is the stable name of the reason: a column of the dead letters, a label of the
    metrics, an argument of `volme dead-letters list --kind`. `detail` is what a machine wants to
    know besides: the broker's own problem, the name at the network server.
    """

    kind: ClassVar[str] = "message"

    def __init__(
        self, sentence: str, *, device_id: str | None = None, detail: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.device_id = device_id
        self.detail = dict(detail or {})


class EnvelopeError(MessageError):
    """The network server's envelope cannot be read."""

    kind = "envelope"


class MalformedPayloadError(EnvelopeError):
    """The message is not JSON, not UTF-8, nested too deep, or has a number that is none."""

    kind = "malformed-payload"


class TooLargeError(EnvelopeError):
    """The message is above the size limit."""

    kind = "too-large"


class UnknownEnvelopeError(EnvelopeError):
    """The message is JSON, but no envelope that its source can read."""

    kind = "unknown-envelope"


class UnknownDeviceError(MessageError):
    """Nobody has registered the device; the message waits until somebody does."""

    kind = "unknown-device"


class UnknownProfileError(MessageError):
    """The device is registered with a profile that does not exist."""

    kind = "unknown-profile"


class CodecError(MessageError):
    """The codec could not decode the payload."""

    kind = "codec"


class CodecTimeoutError(CodecError):
    """The codec did not end in time and was stopped."""

    kind = "codec-timeout"


class CodecMemoryError(CodecError):
    """The codec took too much memory and was stopped."""

    kind = "codec-memory"


class CodecPausedError(CodecError):
    """The codec took too much time or memory again and again, and is stopped for a while."""

    kind = "codec-paused"


class NothingMeasuredError(MessageError):
    """The payload was decoded, but none of its fields is mapped to a quantity."""

    kind = "nothing-measured"


class ImplausibleValueError(MessageError):
    """A value is not a number, or lies outside its quantity's physical range."""

    kind = "implausible-value"


class ImpossibleTimeError(MessageError):
    """The time of observation cannot be: 1970, 2099."""

    kind = "impossible-time"


class InvalidEntityError(MessageError):
    """The entity breaks its Smart Data Model."""

    kind = "invalid-entity"


class LateReadingError(MessageError):
    """The broker already holds a newer state of the entity."""

    kind = "late"


class RefusedError(MessageError):
    """The broker refuses the entity and will never take it."""

    kind = "refused"


class DefectError(MessageError):
    """Volme itself has a defect, which the message brought to light."""

    kind = "defect"
