-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- name: add_tenant
-- Make a tenant, unless it is there.
INSERT INTO ngsild.tenants (tenant) VALUES ($1) ON CONFLICT DO NOTHING

-- name: find_tenant
-- The version of a tenant's subscriptions; no row for an unknown tenant.
SELECT subscriptions_version FROM ngsild.tenants WHERE tenant = $1

-- name: tenant_since
-- Since when a tenant exists; no row for an unknown one.
SELECT created_at FROM ngsild.tenants WHERE tenant = $1

-- name: lock_entities
-- Read entities that are about to be written, in one order, so that writers do not cross.
SELECT id, types, scopes, doc, created_at, modified_at, expires_at
FROM ngsild.entities
WHERE tenant = $1 AND id = ANY($2::text[])
ORDER BY id
FOR UPDATE

-- name: read_entities
-- Entities by id, in the order of their ids.
SELECT id, types, scopes, doc, created_at, modified_at, expires_at
FROM ngsild.entities
WHERE tenant = $1 AND id = ANY($2::text[]) AND (expires_at IS NULL OR expires_at > now())
ORDER BY id

-- name: due_entities
-- Entities of which something has expired, the first of them first.
SELECT tenant, id, expires_at <= $1 AS whole FROM ngsild.entities WHERE due_at <= $1 ORDER BY due_at LIMIT $2

-- name: collation
-- The collation of ICU that a language tag names, quoted.
SELECT format('%I.%I', n.nspname, c.collname)
FROM pg_collation AS c JOIN pg_namespace AS n ON n.oid = c.collnamespace
WHERE c.collprovider = 'i' AND n.nspname IN ('pg_catalog', 'ngsild')
    AND lower(c.collname) = ANY(ARRAY[lower($1::text), lower($1::text) || '-x-icu'])
ORDER BY n.nspname
LIMIT 1

-- name: insert_entities
-- Add entities; those that somebody else has added meanwhile are left alone and not returned.
INSERT INTO ngsild.entities
    (tenant, id, types, scopes, doc, extent, created_at, modified_at, expires_at, due_at)
SELECT $1, n.id, ARRAY(SELECT jsonb_array_elements_text(n.types::jsonb)),
    CASE WHEN n.scopes IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(n.scopes::jsonb)) END,
    n.doc::jsonb, CASE WHEN n.west IS NOT NULL THEN box(point(n.west, n.south), point(n.east, n.north)) END,
    n.created_at, n.modified_at, n.expires_at, n.due_at
FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[], $8::float8[], $9::float8[],
    $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[]
) AS n(id, types, scopes, doc, west, south, east, north, created_at, modified_at, expires_at, due_at)
ORDER BY n.id
ON CONFLICT DO NOTHING
RETURNING id

-- name: update_entities
-- Overwrite entities that are locked.
UPDATE ngsild.entities AS e
SET types = ARRAY(SELECT jsonb_array_elements_text(n.types::jsonb)),
    scopes = CASE WHEN n.scopes IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(n.scopes::jsonb)) END,
    doc = n.doc::jsonb,
    extent = CASE WHEN n.west IS NOT NULL THEN box(point(n.west, n.south), point(n.east, n.north)) END,
    modified_at = n.modified_at, expires_at = n.expires_at, due_at = n.due_at
FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[], $8::float8[], $9::float8[],
    $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[]
) AS n(id, types, scopes, doc, west, south, east, north, created_at, modified_at, expires_at, due_at)
WHERE e.tenant = $1 AND e.id = n.id

-- name: refresh_entities
-- Write attributes of entities that are locked, and that are and lie as they were.
UPDATE ngsild.entities AS e
SET doc = n.doc::jsonb, due_at = n.due_at, modified_at = $5
FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS n(id, doc, due_at)
WHERE e.tenant = $1 AND e.id = n.id

-- name: delete_entities
-- Remove entities; returns those that were there.
DELETE FROM ngsild.entities WHERE tenant = $1 AND id = ANY($2::text[]) RETURNING id

-- name: types_of
-- The types of one entity.
SELECT types FROM ngsild.entities WHERE tenant = $1 AND id = $2

-- name: try_pattern
-- Fails where a text is no regular expression.
SELECT '' ~ $1

-- name: match_patterns
-- Whether each of some patterns matches somewhere in the text beside it, in order.
SELECT p.content ~ p.pattern AS matches
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS p(pattern, content, number)
ORDER BY p.number

-- name: list_types
-- What types entities have, together; what has expired is not there.
SELECT DISTINCT e.types FROM ngsild.entities AS e
WHERE e.tenant = $1 AND (e.expires_at IS NULL OR e.expires_at > now())

-- name: count_type
-- How many entities have a type; what has expired is not there.
SELECT count(*) FROM ngsild.entities AS e
WHERE e.tenant = $1 AND e.types @> ARRAY[$2::text] AND (e.expires_at IS NULL OR e.expires_at > now())

-- name: list_shapes
-- The shapes that entities have, of which there are few, and how many have each: all entities, or those of a type,
-- or those with an attribute. A shape is types, names of attributes, of each how many instances it has, and the
-- instances' kinds; what has expired is not there.
SELECT types, names, sizes, kinds, count(*) AS entities
FROM (
    SELECT e.types, ARRAY(SELECT jsonb_object_keys(d.doc)) AS names,
        jsonb_path_query_array(d.doc, '$.*.size()') AS sizes, jsonb_path_query_array(d.doc, '$.*[*].type') AS kinds
    FROM ngsild.entities AS e
    CROSS JOIN LATERAL (
        SELECT CASE WHEN e.due_at IS NULL THEN e.doc ELSE (
            SELECT jsonb_object_agg(a.key, i.lasting)
            FROM jsonb_each(e.doc) AS a
            CROSS JOIN LATERAL (
                SELECT jsonb_agg(n.instance) AS lasting FROM jsonb_array_elements(a.value) AS n(instance)
                WHERE NOT n.instance ? 'expiresAt' OR ngsild.as_instant(n.instance -> 'expiresAt') > now()
            ) AS i
            WHERE i.lasting IS NOT NULL
        ) END AS doc
    ) AS d
    WHERE e.tenant = $1 AND ($2::text IS NULL OR e.types @> ARRAY[$2::text])
        AND ($3::text IS NULL OR e.doc ? $3::text) AND (e.expires_at IS NULL OR e.expires_at > now())
) AS shapes
GROUP BY types, names, sizes, kinds

-- name: add_subscription
-- Add a subscription; returns nothing where the id is taken.
INSERT INTO ngsild.subscriptions (tenant, id, doc, context, created_at, modified_at, due_at)
VALUES ($1, $2, $3::jsonb, $4::jsonb, $5, $5, $5::timestamptz + make_interval(secs => $6::float8))
ON CONFLICT DO NOTHING
RETURNING id

-- name: touch_subscriptions
-- Tell everybody who keeps a tenant's subscriptions in memory that they have changed.
UPDATE ngsild.tenants SET subscriptions_version = subscriptions_version + 1 WHERE tenant = $1

-- name: read_subscriptions
-- A tenant's subscriptions, with their counters.
SELECT id, doc, context, created_at, modified_at, times_sent, times_failed, last_notification,
    last_success, last_failure
FROM ngsild.subscriptions
WHERE tenant = $1 AND ($2::text IS NULL OR id = $2)
ORDER BY id

-- name: lock_subscription
-- Read one subscription that is about to be changed.
SELECT id, doc, context, created_at, modified_at, times_sent, times_failed, last_notification,
    last_success, last_failure
FROM ngsild.subscriptions
WHERE tenant = $1 AND id = $2
FOR UPDATE

-- name: update_subscription
-- Overwrite a subscription; its counters stay, and its clock unless its timeInterval is another.
UPDATE ngsild.subscriptions SET doc = $3::jsonb, context = $4::jsonb, modified_at = $5::timestamptz,
    due_at = CASE WHEN doc -> 'timeInterval' = $3::jsonb -> 'timeInterval' THEN due_at
        ELSE $5::timestamptz + make_interval(secs => $6::float8) END
WHERE tenant = $1 AND id = $2

-- name: delete_subscription
-- Remove a subscription and what it still had to deliver.
DELETE FROM ngsild.subscriptions WHERE tenant = $1 AND id = $2 RETURNING id

-- name: claim_throttled
-- Of subscriptions with a minimum interval, take those whose last match is long enough ago.
UPDATE ngsild.subscriptions AS s
SET last_matched = $4
FROM unnest($2::text[], $3::float8[]) AS t(id, throttling)
WHERE s.tenant = $1 AND s.id = t.id
    AND (s.last_matched IS NULL OR s.last_matched + make_interval(secs => t.throttling) <= $4)
RETURNING s.id

-- name: add_notifications
-- Queue notifications, in the transaction that changed the entities.
INSERT INTO ngsild.notifications (tenant, subscription_id, destination, notified_at, entities)
SELECT $1, n.subscription_id, n.destination, $4, n.entities::jsonb
FROM unnest($2::text[], $3::text[], $5::text[]) AS n(subscription_id, destination, entities)
JOIN ngsild.subscriptions AS s ON s.tenant = $1 AND s.id = n.subscription_id

-- name: waiting_subscriptions
-- The subscriptions that have something still to be delivered.
SELECT DISTINCT tenant, subscription_id FROM ngsild.notifications

-- name: next_notifications
-- A subscription's oldest notifications.
SELECT number, id, tenant, subscription_id, notified_at, entities, attempts
FROM ngsild.notifications
WHERE tenant = $1 AND subscription_id = $2
ORDER BY number
LIMIT $3

-- name: finish_notification
-- Take a notification off the queue and count it.
WITH done AS (DELETE FROM ngsild.notifications WHERE number = $1 RETURNING tenant, subscription_id)
UPDATE ngsild.subscriptions AS s
SET times_sent = times_sent + 1,
    times_failed = times_failed + CASE WHEN $2 THEN 0 ELSE 1 END,
    last_notification = $3,
    last_success = CASE WHEN $2 THEN $3 ELSE last_success END,
    last_failure = CASE WHEN $2 THEN last_failure ELSE $3 END
FROM done
WHERE s.tenant = done.tenant AND s.id = done.subscription_id

-- name: postpone_notification
-- Keep a notification for another attempt and count this one.
WITH failed AS (
    UPDATE ngsild.notifications SET attempts = attempts + 1 WHERE number = $1 RETURNING tenant, subscription_id
)
UPDATE ngsild.subscriptions AS s
SET times_sent = times_sent + 1, times_failed = times_failed + 1, last_notification = $2, last_failure = $2
FROM failed
WHERE s.tenant = failed.tenant AND s.id = failed.subscription_id

-- name: drop_notifications
-- Take those off a subscription's queue that fell due between two moments; returns how many.
WITH dropped AS (
    DELETE FROM ngsild.notifications
    WHERE tenant = $1 AND subscription_id = $2 AND notified_at >= $3 AND notified_at < $4
    RETURNING number
)
SELECT count(*) FROM dropped

-- name: drop_notification
-- Take a notification off the queue that is not to be sent.
DELETE FROM ngsild.notifications WHERE number = $1

-- name: trim_notifications
-- Keep the newest of a subscription's notifications, none before a moment; returns how many were dropped.
WITH trimmed AS (
    DELETE FROM ngsild.notifications
    WHERE tenant = $1 AND subscription_id = $2 AND (notified_at < $4 OR number <= (
        SELECT number FROM ngsild.notifications
        WHERE tenant = $1 AND subscription_id = $2
        ORDER BY number DESC OFFSET $3 LIMIT 1
    ))
    RETURNING 1
)
SELECT count(*) FROM trimmed

-- name: claim_periodic
-- Take the subscriptions whose timeInterval is over, and set their clocks; once a second at most.
UPDATE ngsild.subscriptions AS s
SET due_at = GREATEST(s.due_at, $1::timestamptz - i.pause) + i.pause
FROM (
    SELECT tenant, id, make_interval(secs => GREATEST(1.0, (doc ->> 'timeInterval')::float8)) AS pause
    FROM ngsild.subscriptions WHERE due_at <= $1
) AS i
WHERE s.tenant = i.tenant AND s.id = i.id
RETURNING s.tenant, s.id, s.doc, s.context, EXISTS (
    SELECT FROM ngsild.notifications AS n WHERE n.tenant = s.tenant AND n.subscription_id = s.id
) AS waiting

-- name: next_periodic
-- When the next timeInterval is over.
SELECT min(due_at) FROM ngsild.subscriptions WHERE due_at IS NOT NULL

-- name: keep_context
-- Keep an @context that came inside a request and is served under a URL of ours.
INSERT INTO ngsild.contexts (id, tenant, body) VALUES ($1, $2, $3::jsonb) ON CONFLICT DO NOTHING

-- name: add_context
-- Keep an @context that a user added.
INSERT INTO ngsild.contexts (id, tenant, kind, body) VALUES ($1, $2, 'Hosted', $3::jsonb)

-- name: read_context
-- An @context of ours, of any tenant: its id cannot be guessed.
SELECT id, kind, body, created_at FROM ngsild.contexts WHERE id = $1

-- name: list_contexts
-- A tenant's @contexts of one kind, or of all.
SELECT id, kind, created_at FROM ngsild.contexts
WHERE tenant = $1 AND ($2::text IS NULL OR kind = $2)
ORDER BY created_at, id

-- name: delete_context
-- Remove a tenant's @context.
DELETE FROM ngsild.contexts WHERE tenant = $1 AND id = $2 RETURNING id
