-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- name: all_devices
-- Every registered device, by id.
SELECT * FROM registry.devices ORDER BY id;

-- name: one_device
-- One registered device.
SELECT * FROM registry.devices WHERE id = $1;

-- name: add_device
-- Register a device; no row comes back where the id is taken.
INSERT INTO registry.devices
    (id, profile, entity_type, place, name, longitude, latitude, altitude, owner, installed_at, simulated,
     parameters, attributes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: replace_device
-- Register a device, or overwrite what is known of it.
INSERT INTO registry.devices
    (id, profile, entity_type, place, name, longitude, latitude, altitude, owner, installed_at, simulated,
     parameters, attributes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (id) DO UPDATE SET
    profile = excluded.profile, entity_type = excluded.entity_type, place = excluded.place,
    name = excluded.name, longitude = excluded.longitude, latitude = excluded.latitude,
    altitude = excluded.altitude, owner = excluded.owner, installed_at = excluded.installed_at,
    simulated = excluded.simulated, parameters = excluded.parameters, attributes = excluded.attributes
RETURNING id;

-- name: remove_device
-- Forget a device.
DELETE FROM registry.devices WHERE id = $1 RETURNING id;
