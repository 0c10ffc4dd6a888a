# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Devices, proposals and plans as JSON has them: the same for the commands and the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compose.device_plan import Plan
    from compose.onboarding import Proposal
    from models.device import Device


def as_dict(device: Device) -> dict[str, Any]:
    """Return a device as JSON has it."""
    position = device.position
    return {
        "id": device.id,
        "profile": device.profile,
        "name": device.name,
        "position": position
        and {
            "latitude": position.latitude,
            "longitude": position.longitude,
            "altitude": position.altitude,
        },
        "type": device.entity_type,
        "place": device.place,
        "owner": device.owner,
        "installed": device.installed_at,
        "simulated": device.simulated,
        "parameters": dict(device.parameters),
        "attributes": dict(device.attributes),
        "retired": device.retired_at,
        "replacedBy": device.replaced_by,
        "origin": device.origin,
    }


def proposal_dict(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON has it."""
    position = proposal.position
    return {
        "device_id": proposal.device.device_id,
        "name": proposal.name,
        "source": proposal.device.source,
        "count": proposal.device.count,
        "first_seen": proposal.device.first_seen,
        "last_seen": proposal.device.last_seen,
        "model": list(proposal.model),
        "profile": proposal.profile,
        "by": proposal.by,
        "position": position
        and {"latitude": position.latitude, "longitude": position.longitude, "altitude": position.altitude},
        "retired_at": proposal.retired_at,
    }


def plan_dict(plan: Plan, *, applied: bool) -> dict[str, Any]:
    """Return a plan as JSON has it."""
    return {
        "applied": applied,
        "new": [as_dict(device) for device in plan.new],
        "changed": [
            {
                "id": change.device.id,
                "changes": {name: {"old": old, "new": new} for name, (old, new) in change.changes.items()},
            }
            for change in plan.changed
        ],
        "unchanged": plan.unchanged,
        "errors": [
            {"row": error.row, "where": error.where, "device": error.device, "reason": error.reason}
            for error in plan.errors
        ],
    }
