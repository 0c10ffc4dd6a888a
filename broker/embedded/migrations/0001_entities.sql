-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

CREATE SCHEMA IF NOT EXISTS ngsild;

-- A tenant exists once something was written for it. `subscriptions_version` moves on with
-- every change of a subscription, so that whoever keeps them in memory sees when to read again.
CREATE TABLE ngsild.tenants (
    tenant text COLLATE "C" PRIMARY KEY,
    subscriptions_version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- `doc` is {attribute IRI: [instance, ...]}, as broker/embedded/entities.py describes it.
-- `extent` is the bounding box of the attribute `location`; NULL where there is none.
-- No index holds anything that an ordinary update changes, so that updates stay in their page.
CREATE TABLE ngsild.entities (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    types text[] NOT NULL,
    scopes text[],
    doc jsonb NOT NULL,
    extent box,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 70);

CREATE INDEX entities_types ON ngsild.entities USING gin (types);
CREATE INDEX entities_extent ON ngsild.entities USING gist (extent);

-- `doc` is the subscription as its author sent it, with names of types and attributes expanded;
-- `context` is the @context it came with. The counters are apart from it: they change often.
CREATE TABLE ngsild.subscriptions (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc jsonb NOT NULL,
    context jsonb,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    times_sent bigint NOT NULL DEFAULT 0,
    times_failed bigint NOT NULL DEFAULT 0,
    last_matched timestamptz,
    last_notification timestamptz,
    last_success timestamptz,
    last_failure timestamptz,
    PRIMARY KEY (tenant, id)
);

-- What is still to be delivered. `destination` is scheme, host and port: one worker serves each.
CREATE TABLE ngsild.notifications (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    subscription_id text COLLATE "C" NOT NULL,
    destination text NOT NULL,
    notified_at timestamptz NOT NULL,
    entities jsonb NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    FOREIGN KEY (tenant, subscription_id) REFERENCES ngsild.subscriptions ON DELETE CASCADE
);

CREATE INDEX notifications_destination ON ngsild.notifications (destination, number);
CREATE INDEX notifications_subscription ON ngsild.notifications (tenant, subscription_id, number);

-- @contexts that came inside a subscription and are served under a URL of the broker's own.
CREATE TABLE ngsild.contexts (
    id text PRIMARY KEY,
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The instances of an attribute; nothing where it is absent.
CREATE FUNCTION ngsild.instances(attributes jsonb, name text) RETURNS SETOF jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT jsonb_array_elements(
        CASE jsonb_typeof(attributes -> name) WHEN 'array' THEN attributes -> name ELSE '[]' END
    )
$$;

-- The value of an instance, whatever its type.
CREATE FUNCTION ngsild.payload(instance jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT COALESCE(
        instance -> 'value', instance -> 'object', instance -> 'languageMap', instance -> 'vocab',
        instance -> 'json', instance -> 'valueList', instance -> 'objectList'
    )
$$;

-- What a query compares: each member of an array or the one value, and of a typed value its @value.
CREATE FUNCTION ngsild.scalars(value jsonb) RETURNS SETOF jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT COALESCE(item -> '@value', item)
    FROM jsonb_array_elements(
        CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE jsonb_build_array(value) END
    ) AS item
    WHERE value IS NOT NULL
$$;

-- The text of a JSON string; NULL for anything else.
CREATE FUNCTION ngsild.as_text(scalar jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE jsonb_typeof(scalar) WHEN 'string' THEN scalar #>> '{}' END
$$;

-- The point in time that a JSON string names; NULL for anything else. Its zone is always there,
-- so the session's does not matter and the function is as immutable as it says.
CREATE FUNCTION ngsild.as_instant(scalar jsonb) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    content text := ngsild.as_text(scalar);
BEGIN
    IF content ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|[+-]\d\d:\d\d)$' THEN
        RETURN replace(content, ',', '.')::timestamptz;
    END IF;
    RETURN NULL;
EXCEPTION
    WHEN data_exception THEN
        RETURN NULL;
END
$$;
