-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2
-- Devices that are out of service stay known: when they were retired, and which one hangs in their place.
-- `origin` names the network server's list that a device was taken from.
ALTER TABLE registry.devices
    ADD COLUMN retired_at timestamptz,
    ADD COLUMN replaced_by text,
    ADD COLUMN origin text;
