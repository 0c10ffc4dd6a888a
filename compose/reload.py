# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A running platform takes up profiles and vendors' codecs that were put into its data folder.

What has changed there is found by the files' times and sizes, every few seconds. A file that cannot be used
changes nothing and is logged once. What was there at the start and is taken away goes on until the next one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from adapters.codecs.javascript import PREFIX
from adapters.profiles import load_profiles
from compose.data_folder import data_codecs, data_profiles, profile_files
from compose.readers import javascript_sources
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.codecs.decoding import Codecs
    from compose.settings import Settings
    from models.device import Profile

log = structlog.get_logger(__name__)

#: Seconds from one look to the next.
LOOK_S: Final = 2.0

_Files = tuple[tuple["Path", int, int], ...]


class Reload:
    """Looks for changes.

    Args:
        settings: of the platform, with the data folder as it was at the start.
        profiles: what translation looks profiles up in; changed in place.
        codecs: what runs the vendors' codecs; None: nothing does.
    """

    def __init__(self, settings: Settings, profiles: dict[str, Profile], codecs: Codecs | None) -> None:
        self._settings = settings
        self._profiles = profiles
        self._codecs = codecs
        # Empty, whatever is there: what came between reading the settings and the first look counts, too.
        self._seen: _Files = ()
        self._sources: dict[str, str] = {}

    async def keep_looking(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> bool:
        """Take up what has changed since the last look; return whether anything was."""
        files = self._files()
        if files == self._seen:
            return False
        self._seen = files
        folder = self._settings.data
        present = {name: path for name, path in self._settings.javascript.items() if path.exists()}
        try:
            settings = self._settings.model_copy(
                update={
                    "profiles": data_profiles(folder, self._settings.profiles),
                    "javascript": {**present, **data_codecs(folder)},
                }
            )
            profiles, sources = load_profiles(settings.profiles), javascript_sources(settings)
        except ConfigurationError as error:
            log.warning("reload.refused", error=str(error))
            return False
        # A codec that was taken away goes on for profiles that were read with it.
        used = {profile.codec.removeprefix(PREFIX) for profile in profiles.values()}
        gone = {name: text for name, text in self._sources.items() if name in used and name not in sources}
        self._sources = {**gone, **sources}
        changed = [name for name, profile in profiles.items() if self._profiles.get(name) != profile]
        # A profile that is the same stays the same object: what is worked out for it stays, too.
        self._profiles.update({name: profiles[name] for name in changed})
        codecs = self._codecs.update(self._sources) if self._codecs is not None else []
        if changed or codecs:
            log.info("reload.done", profiles=changed, codecs=codecs)
        return bool(changed or codecs)

    def _files(self) -> _Files:
        found = []
        for path in (*data_codecs(self._settings.data).values(), *profile_files(self._settings.data)):
            try:
                known = path.stat()
            except FileNotFoundError:
                continue  # it was taken away a moment ago
            found.append((path, known.st_mtime_ns, known.st_size))
        return tuple(found)
