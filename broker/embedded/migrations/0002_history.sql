-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- Who has a history. It outlives the entity: `deleted_at` says since when there is none any more.
-- `names` are the attributes that ever were in it, so that one look tells which of them to read.
CREATE TABLE ngsild.history_entities (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    types text[] NOT NULL,
    scopes text[],
    names integer[] NOT NULL,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX history_entities_types ON ngsild.history_entities USING gin (types);

-- An attribute and a datasetId (empty: the default one) under a number: four bytes in every
-- instance and in its index, in place of two long texts. The scope is kept as an attribute "scope".
CREATE TABLE ngsild.history_names (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attribute text COLLATE "C" NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    UNIQUE (attribute, dataset)
);

-- One row an instance. `at` is its observedAt, or where it has none the moment it was written.
-- `digest` stands for its content: the same content at the same time is the same instance. The one
-- index finds a series by time, its last instances, a single instance, and duplicates.
-- `instance_id` is NULL unless the instance was moved in time and keeps the id it had before.
CREATE TABLE ngsild.history (
    entity bigint NOT NULL,
    name integer NOT NULL,
    observed boolean NOT NULL,
    deleted boolean NOT NULL,
    at timestamptz NOT NULL,
    digest bigint NOT NULL,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    instance_id text,
    doc jsonb NOT NULL,
    PRIMARY KEY (entity, name, at, digest)
) PARTITION BY RANGE (at);

CREATE INDEX history_moved ON ngsild.history (entity, instance_id) WHERE instance_id IS NOT NULL;

-- What no sensor observes, and clocks that are wrong by a century. Months in between are made as
-- they are needed.
CREATE TABLE ngsild.history_past PARTITION OF ngsild.history
    FOR VALUES FROM (MINVALUE) TO ('2000-01-01T00:00:00Z');
CREATE TABLE ngsild.history_future PARTITION OF ngsild.history
    FOR VALUES FROM ('2100-01-01T00:00:00Z') TO (MAXVALUE);

-- Make the month that a moment lies in, unless it is there. A table that is attached hinders
-- nobody who writes, unlike one that is made as a partition.
CREATE FUNCTION ngsild.add_history_month(moment timestamptz) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    first_day timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    partition text := 'history_' || to_char(first_day, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ngsild.history'));
    IF first_day < '2000-01-01' OR first_day >= '2100-01-01' OR to_regclass('ngsild.' || partition) IS NOT NULL
    THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE ngsild.%I (LIKE ngsild.history INCLUDING ALL)', partition);
    EXECUTE format(
        'ALTER TABLE ngsild.history ATTACH PARTITION ngsild.%I FOR VALUES FROM (%L) TO (%L)',
        partition, first_day AT TIME ZONE 'UTC', (first_day + interval '1 month') AT TIME ZONE 'UTC'
    );
END
$$;

-- Drop the months that lie wholly before a moment; returns how many.
CREATE FUNCTION ngsild.drop_history_months(moment timestamptz) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    partition text;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ngsild.history'));
    FOR partition IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'ngsild.history'::regclass AND c.relname ~ '^history_\d{4}_\d\d$'
            AND (to_timestamp(right(c.relname, 7), 'YYYY_MM')::timestamp + interval '1 month')
                AT TIME ZONE 'UTC' <= moment
    LOOP
        EXECUTE format('DROP TABLE ngsild.%I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

-- What an aggregate counts with (CIM 009, clause 4.5.19.1): a number as it is, true as 1, an array
-- by its size; NULL for anything else.
CREATE FUNCTION ngsild.as_number(value jsonb) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE jsonb_typeof(value)
        WHEN 'number' THEN value::float8
        WHEN 'boolean' THEN value::boolean::integer::float8
        WHEN 'array' THEN jsonb_array_length(value)::float8
    END
$$;
