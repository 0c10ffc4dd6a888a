-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- A notification keeps its id however often it is sent.
ALTER TABLE ngsild.notifications ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();

-- When a subscription with a timeInterval notifies next; NULL for all others.
ALTER TABLE ngsild.subscriptions ADD COLUMN due_at timestamptz;

CREATE INDEX subscriptions_due ON ngsild.subscriptions (due_at) WHERE due_at IS NOT NULL;
