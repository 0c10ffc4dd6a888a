-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- name: known
-- The numbers of entities that have a history.
SELECT id, number FROM ngsild.history_entities WHERE tenant = $1 AND id = ANY($2::text[])

-- name: register
-- Give entities a number, or bring what is known of them up to date; `current` is whether this
-- comes of a write of the current state, which says what types and scopes are now.
INSERT INTO ngsild.history_entities AS h (tenant, id, types, scopes, names, created_at, modified_at)
SELECT $1, n.id, ARRAY(SELECT jsonb_array_elements_text(n.types::jsonb)),
    CASE WHEN n.scopes IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(n.scopes::jsonb)) END,
    ARRAY(SELECT jsonb_array_elements_text(n.names::jsonb)::integer), n.created_at, n.modified_at
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[])
    AS n(id, types, scopes, names, created_at, modified_at)
ORDER BY n.id
ON CONFLICT (tenant, id) DO UPDATE
SET types = CASE WHEN $8::boolean THEN EXCLUDED.types
        ELSE h.types || ARRAY(SELECT t FROM unnest(EXCLUDED.types) AS t WHERE t <> ALL (h.types)) END,
    scopes = CASE WHEN $8::boolean THEN EXCLUDED.scopes ELSE COALESCE(EXCLUDED.scopes, h.scopes) END,
    names = h.names || ARRAY(SELECT n FROM unnest(EXCLUDED.names) AS n WHERE n <> ALL (h.names)),
    modified_at = EXCLUDED.modified_at,
    deleted_at = CASE WHEN $8::boolean THEN NULL ELSE h.deleted_at END
RETURNING id, number, (xmax = 0) AS fresh

-- name: record_new
-- Add instances, all written at one moment, none of which is there yet. They come as one JSON array of
-- [entity, name, origin, at, digest, createdAt, content], which is sent at a quarter of what arrays for
-- each column cost; the origin is 0: written without a time, 1: observed, 2: deleted.
INSERT INTO ngsild.history (entity, name, observed, deleted, at, digest, created_at, modified_at, doc)
SELECT (n.row ->> 0)::bigint, (n.row ->> 1)::integer, n.row ->> 2 = '1', n.row ->> 2 = '2',
    (n.row ->> 3)::timestamptz, (n.row ->> 4)::bigint, (n.row ->> 5)::timestamptz, $2, n.row -> 6
FROM jsonb_array_elements($1::jsonb) AS n(row)

-- name: record
-- The same; one that is there already stays as it is. To look for it makes a row a third dearer.
INSERT INTO ngsild.history (entity, name, observed, deleted, at, digest, created_at, modified_at, doc)
SELECT (n.row ->> 0)::bigint, (n.row ->> 1)::integer, n.row ->> 2 = '1', n.row ->> 2 = '2',
    (n.row ->> 3)::timestamptz, (n.row ->> 4)::bigint, (n.row ->> 5)::timestamptz, $2, n.row -> 6
FROM jsonb_array_elements($1::jsonb) AS n(row)
ON CONFLICT DO NOTHING

-- name: mark_deleted
-- Note that entities are no more.
UPDATE ngsild.history_entities SET deleted_at = $3, modified_at = $3
WHERE tenant = $1 AND id = ANY($2::text[])

-- name: add_names
-- Number attributes with their datasetIds.
INSERT INTO ngsild.history_names (attribute, dataset)
SELECT n.attribute, n.dataset FROM unnest($1::text[], $2::text[]) AS n(attribute, dataset)
ORDER BY n.attribute, n.dataset
ON CONFLICT DO NOTHING

-- name: find_names
-- The numbers of attributes with their datasetIds.
SELECT h.number, h.attribute, h.dataset
FROM unnest($1::text[], $2::text[]) AS n(attribute, dataset)
JOIN ngsild.history_names AS h USING (attribute, dataset)

-- name: names_of
-- Attributes with their datasetIds, by number.
SELECT number, attribute, dataset FROM ngsild.history_names WHERE number = ANY($1::integer[])

-- name: select_names
-- The numbers of some attributes with whatever datasetId, of some datasetIds of whatever attribute, or both.
SELECT number FROM ngsild.history_names
WHERE ($1::text[] IS NULL OR attribute = ANY($1::text[])) AND ($2::text[] IS NULL OR dataset = ANY($2::text[]))

-- name: add_month
-- See that there is a partition for a moment.
SELECT ngsild.add_history_month($1)

-- name: wait_briefly
-- In this transaction, rather give up than keep everybody waiting for a lock.
SET LOCAL lock_timeout = '3s'

-- name: drop_months
-- Drop the partitions that lie wholly before a moment.
SELECT ngsild.drop_history_months($1)

-- name: forget_instances
-- Remove instances before a moment from the partition that it lies in, and from the one of the far past.
DELETE FROM ngsild.history WHERE at < $1

-- name: forget_entities
-- Remove what is known of entities that are gone and have no instance left.
DELETE FROM ngsild.history_entities AS h
WHERE h.modified_at < $1
    AND NOT EXISTS (SELECT FROM ngsild.entities AS e WHERE e.tenant = h.tenant AND e.id = h.id)
    AND NOT EXISTS (SELECT FROM ngsild.history AS i WHERE i.entity = h.number)

-- name: history_entity
-- What is known of one entity's history.
SELECT h.number, h.id, h.types, h.scopes, h.names, h.created_at, h.deleted_at,
    GREATEST(h.modified_at, e.modified_at) AS modified_at
FROM ngsild.history_entities AS h
LEFT JOIN ngsild.entities AS e ON e.tenant = h.tenant AND e.id = h.id
WHERE h.tenant = $1 AND h.id = $2

-- name: lock_history_entity
-- Keep others from changing one entity's history by the temporal interface.
SELECT number, names FROM ngsild.history_entities WHERE tenant = $1 AND id = $2 FOR UPDATE

-- name: delete_history
-- Remove every instance of some attributes; of all attributes where none are named.
DELETE FROM ngsild.history
WHERE entity = $1 AND ($2::integer[] IS NULL OR name = ANY($2::integer[]))

-- name: delete_history_entity
-- Remove what is known of an entity's history.
DELETE FROM ngsild.history_entities WHERE number = $1

-- name: find_instance
-- One instance, by its place or by the id that it kept when it was moved.
SELECT name, observed, at, digest, created_at, modified_at, instance_id, doc
FROM ngsild.history
WHERE entity = $1 AND name = ANY($2::integer[])
    AND ((name = $3 AND at = $4 AND digest = $5 AND instance_id IS NULL) OR instance_id = $6)

-- name: delete_instance
-- Remove one instance.
DELETE FROM ngsild.history WHERE entity = $1 AND name = $2 AND at = $3 AND digest = $4

-- name: rewrite_instance
-- Change one instance where it is.
UPDATE ngsild.history SET doc = $5::jsonb, modified_at = $6
WHERE entity = $1 AND name = $2 AND at = $3 AND digest = $4

-- name: move_instance
-- Add an instance that was somewhere else in time; its id is the one that it had there.
INSERT INTO ngsild.history
    (entity, name, observed, deleted, at, digest, created_at, modified_at, instance_id, doc)
VALUES ($1, $2, true, false, $3, $4, $5, $6, $7, $8::jsonb)
ON CONFLICT DO NOTHING
