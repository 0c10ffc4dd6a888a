# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How declared subscriptions are: who was last reached, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from broker.subscription_members import moment_of, part_of
from broker.subscriptions import PAUSED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from broker.subscriptions import Declared, Found


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """How one subscription of ours is.

    Attributes:
        name: ours.
        declared: it stands in the file.
        status: as the broker says: `active`, `paused`, `expired`; `absent`: the broker does not have it.
        last_success: when a receiver last took a notification; None: never, or the broker does not say.
        last_failure: when one last did not.
        sent: notifications so far; None: the broker does not say.
        failed: those of them that nobody took.
    """

    name: str
    declared: bool
    status: str
    uri: str | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    sent: int | None = None
    failed: int | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with it, a sentence; None: nothing."""
        if self.status == "absent":
            return f"{self.name} is declared, but the broker does not have it: volme subscriptions apply"
        if not self.declared:
            return f"{self.name} is at the broker, but no longer declared: volme subscriptions apply"
        if self.status in PAUSED:
            return f"{self.name} is paused, nobody is told: volme subscriptions apply revives it"
        failed, done = self.last_failure, self.last_success
        if failed is not None and (done is None or failed > done):
            return f"{self.name}: the last notification did not reach {self.uri}"
        return None


def health(declared: Sequence[Declared], ours: Sequence[Found], now: datetime) -> list[Health]:
    """Return how our subscriptions are, by name: those that are declared or at the broker."""
    there = {each.name: each for each in ours}
    wanted = {each.name: each for each in declared if each.expires_at is None or each.expires_at > now}
    return [_health(name, there.get(name), wanted.get(name)) for name in sorted(wanted.keys() | there.keys())]


def _health(name: str, have: Found | None, want: Declared | None) -> Health:
    if have is None:
        return Health(name=name, declared=True, status="absent")
    notification = part_of(have.document, "notification")
    wanted_off = want is not None and want.document.get("isActive") is False
    status = str(have.document.get("status") or ("paused" if have.paused else "active"))
    return Health(
        name=name,
        declared=want is not None,
        status="off" if wanted_off and have.paused else status,
        uri=part_of(have.document, "notification", "endpoint").get("uri"),
        last_success=moment_of(notification.get("lastSuccess")),
        last_failure=moment_of(notification.get("lastFailure")),
        sent=_whole(notification.get("timesSent")),
        failed=_whole(notification.get("timesFailed", notification.get("consecutiveErrors"))),
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
