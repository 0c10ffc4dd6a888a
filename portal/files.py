# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files of the published data: what there is of each dataset, for the catalogue and for readers.

`/files/<dataset>/current.csv` is made from the view as it is. `/files/<dataset>/2026-11-22.csv` and
`/files/<dataset>/2026-11.csv` are made once, kept, and looked at again for a week, since readings may come
late. How: `portal/exports/`.
"""

from __future__ import annotations

from portal.exports.listing import File, files_of
from portal.exports.serving import routes
from portal.exports.tending import tend

__all__ = ["File", "files_of", "routes", "tend"]
