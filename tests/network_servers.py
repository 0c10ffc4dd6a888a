# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Small network servers whose device APIs answer as ChirpStack's and The Things Stack's do, for tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "NNSXS.a-token"
APPLICATION = "8f3a7c52-6d1e-4b90-a2c4-0e5d9b7f1a33"


@dataclass
class NetworkServer:
    """Devices, and what is asked for.

    Attributes:
        devices: by DevEUI: name, model, tags, and where it is.
        troubles: answers that come first instead, each once: status, headers, body.
        most: rows a page has at most, whatever is asked for.
    """

    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    troubles: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    most: int = 1000
    tags_in_lists: bool = False

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/devices", self._chirpstack_list),
                web.get("/api/devices/{dev_eui}", self._chirpstack_device),
                web.get("/api/v3/applications/{application}/devices", self._tts_list),
            ]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        try:
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()

    def _refused(self, request: web.Request, header: str) -> web.Response | None:
        self.asked.append(request.path_qs)
        if request.headers.get(header) != f"Bearer {TOKEN}":
            problem = {"code": 16, "message": "authentication failed", "details": []}
            return web.json_response(problem, status=401)
        if self.troubles:
            status, headers, body = self.troubles.pop(0)
            return web.Response(status=status, headers=headers, body=body)
        return None

    async def _chirpstack_list(self, request: web.Request) -> web.Response:
        if refused := self._refused(request, "Grpc-Metadata-Authorization"):
            return refused
        if request.query["applicationId"] != APPLICATION:
            return web.json_response({"code": 5, "message": "Object does not exist"}, status=404)
        limit, offset = (int(request.query.get(name, "0")) for name in ("limit", "offset"))
        names = sorted(self.devices)[offset : offset + min(limit, self.most)]
        rows = [
            {
                "devEui": name,
                "createdAt": "2026-01-01T00:00:00Z",
                "name": self.devices[name]["name"],
                "description": "",
                "deviceProfileId": "7d1e0e6e-42b0-4d3b-8d7c-1a2b3c4d5e6f",
                "deviceProfileName": self.devices[name]["model"],
                "deviceStatus": None,
                **({"tags": self.devices[name]["tags"]} if self.tags_in_lists else {}),
            }
            for name in names
        ]
        return web.json_response({"totalCount": len(self.devices), "result": rows})

    async def _chirpstack_device(self, request: web.Request) -> web.Response:
        if refused := self._refused(request, "Grpc-Metadata-Authorization"):
            return refused
        name = request.match_info["dev_eui"]
        known = self.devices[name]
        if known.get("deleted"):
            return web.json_response({"code": 5, "message": "Object does not exist"}, status=404)
        device = {"devEui": name, "name": known["name"], "tags": known["tags"], "variables": {}}
        return web.json_response({"device": device, "lastSeenAt": None})

    async def _tts_list(self, request: web.Request) -> web.Response:
        if refused := self._refused(request, "Authorization"):
            return refused
        if request.match_info["application"] != "hagen-pegel":
            problem = {"code": 5, "message": "application `none` not found", "details": []}
            return web.json_response(problem, status=404)
        limit, page = int(request.query["limit"]), int(request.query["page"])
        size = min(limit, self.most)
        names = sorted(self.devices)[(page - 1) * size : page * size]
        rows = [self._tts_row(name, request.query["field_mask"].split(",")) for name in names]
        # What is empty is left out.
        body = {"end_devices": rows} if rows else {}
        return web.json_response(body, headers={"X-Total-Count": str(len(self.devices))})

    def _tts_row(self, name: str, mask: list[str]) -> dict[str, Any]:
        known = self.devices[name]
        brand, _, model = known["model"].partition("/")
        row: dict[str, Any] = {
            "name": known["name"],
            "attributes": known["tags"],
            "version_ids": {"brand_id": brand, "model_id": model, "band_id": "EU_863_870"} if model else {},
            "locations": {"user": known["at"]} if known.get("at") else {},
        }
        ids = {"device_id": f"eui-{name}", "application_ids": {"application_id": "hagen-pegel"}}
        if known.get("plain"):
            ids["device_id"] = name
        else:
            ids["dev_eui"] = name.upper()
        return {"ids": ids, **{key: value for key, value in row.items() if value and key in mask}}
