-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- Transient entities and attributes (CIM 009, clause 4.22). `due_at` is the first moment at which
-- something of the entity expires, the entity itself or an attribute; NULL in the ordinary case,
-- which the index leaves out.
ALTER TABLE ngsild.entities ADD COLUMN expires_at timestamptz, ADD COLUMN due_at timestamptz;

CREATE INDEX entities_due ON ngsild.entities (due_at) WHERE due_at IS NOT NULL;

-- @contexts that the broker serves (clause 5.13): those that users added, and those that came
-- inside a request. An id cannot be guessed, so whoever has it may read it; lists are by tenant.
ALTER TABLE ngsild.contexts
    ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN kind text NOT NULL DEFAULT 'ImplicitlyCreated';

-- The ids that a relationship points to.
CREATE FUNCTION ngsild.objects(instance jsonb) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT COALESCE(ngsild.as_text(item), ngsild.as_text(item -> 'object'))
    FROM jsonb_array_elements(
        CASE WHEN jsonb_typeof(instance -> 'object') = 'array' THEN instance -> 'object'
            WHEN instance ? 'object' THEN jsonb_build_array(instance -> 'object')
            WHEN jsonb_typeof(instance -> 'objectList') = 'array' THEN instance -> 'objectList'
            ELSE '[]' END
    ) AS item
$$;

-- What a query looks at in an instance, or deeper in its value where keys lead there: of a
-- LanguageProperty without a language (or with the language *) all its texts (clause 4.9).
CREATE FUNCTION ngsild.target(instance jsonb, keys text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN jsonb_typeof(instance -> 'languageMap') = 'object' AND (keys IS NULL OR keys = '{*}') THEN
            jsonb_path_query_array(instance, '$.languageMap.*[*]')
        WHEN keys IS NOT NULL THEN ngsild.payload(instance) #> keys
        WHEN jsonb_typeof(instance -> 'objectList') = 'array' THEN
            jsonb_path_query_array(instance, '$.objectList[*] ? (@.type() == "string")')
                || jsonb_path_query_array(instance, '$.objectList[*].object')
        ELSE ngsild.payload(instance)
    END
$$;

-- Where a value stands among values of other types (clause 4.23.2).
CREATE FUNCTION ngsild.order_rank(value jsonb) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE jsonb_typeof(value)
        WHEN 'number' THEN 1
        WHEN 'string' THEN CASE
            WHEN ngsild.as_instant(value) IS NOT NULL THEN 8
            WHEN value #>> '{}' ~ '^\d{4}-\d\d-\d\d$' THEN 7
            WHEN value #>> '{}' ~ '^\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|[+-]\d\d:\d\d)?$' THEN 6
            ELSE 2 END
        WHEN 'object' THEN 3
        WHEN 'array' THEN 4
        WHEN 'boolean' THEN 5
        ELSE 9
    END
$$;

-- What stands in for a collation of ICU where PostgreSQL was built without it: letters without
-- their marks, great and small alike.
CREATE FUNCTION ngsild.sort_key(content text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT lower(regexp_replace(normalize(content, NFD), '[\u0300-\u036f]', '', 'g') COLLATE "pg_unicode_fast")
$$;

-- Collations beyond those that every PostgreSQL with ICU brings along (clause 4.23.3).
DO $$
DECLARE
    tag text;
BEGIN
    FOREACH tag IN ARRAY ARRAY[
        'de-u-co-phonebk', 'und-u-ks-level1', 'und-u-ks-level2', 'und-u-ks-level3', 'und-u-ks-identic',
        'und-u-kn-true', 'de-u-kn-true'
    ]
    LOOP
        BEGIN
            EXECUTE format('CREATE COLLATION ngsild.%I (provider = icu, locale = %L)', tag, tag);
        EXCEPTION
            WHEN OTHERS THEN RAISE NOTICE 'this PostgreSQL has no collation %', tag;
        END;
    END LOOP;
END
$$;
