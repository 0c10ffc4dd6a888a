-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- name: all_devices
-- Every registered device, by id.
SELECT * FROM registry.devices ORDER BY id;

-- name: state_of_devices
-- A text that is another one after every change of any device: each write gives a row another xmin.
SELECT count(*) || ' ' || coalesce(sum(hashtextextended(id, xmin::text::bigint)), 0) FROM registry.devices;

-- name: some_devices
-- Registered devices, by their ids.
SELECT * FROM registry.devices WHERE id = ANY($1::text[]);

-- name: write_devices
-- Register devices, one an element of each array. An id that is taken stays as it is, unless $17 is set or
-- the device there is retired; the ids that were written come back.
INSERT INTO registry.devices
    (id, profile, entity_type, place, name, longitude, latitude, altitude, owner, installed_at, simulated,
     parameters, attributes, retired_at, replaced_by, origin)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[], $8::float8[],
    $9::text[], $10::timestamptz[], $11::boolean[], $12::jsonb[], $13::jsonb[], $14::timestamptz[],
    $15::text[], $16::text[])
ON CONFLICT (id) DO UPDATE SET
    profile = excluded.profile, entity_type = excluded.entity_type, place = excluded.place,
    name = excluded.name, longitude = excluded.longitude, latitude = excluded.latitude,
    altitude = excluded.altitude, owner = excluded.owner, installed_at = excluded.installed_at,
    simulated = excluded.simulated, parameters = excluded.parameters, attributes = excluded.attributes,
    retired_at = excluded.retired_at, replaced_by = excluded.replaced_by, origin = excluded.origin
WHERE $17 OR devices.retired_at IS NOT NULL
RETURNING id;

-- name: remove_device
-- Forget a device.
DELETE FROM registry.devices WHERE id = $1 RETURNING id;
