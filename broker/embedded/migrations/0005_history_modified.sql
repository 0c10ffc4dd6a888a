-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- Who asks what was written of late (timeproperty=modifiedAt) reads that, and not years of history. What is
-- written has the latest time, so the index only grows at its end, which costs next to nothing.
CREATE INDEX history_modified ON ngsild.history (modified_at);
