-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- The one number, text or truth value that an attribute has as a rule, or the one id that it points to; NULL
-- where the attribute is absent, and an empty array where more has to be looked at: several instances, one
-- that expires, a long text, or any other value. Indexes are made on it (broker/embedded/value_indexes.py).
CREATE FUNCTION ngsild.scalar(attributes jsonb, name text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    instances jsonb := attributes -> name;
    instance jsonb := instances -> 0;
    content jsonb;
BEGIN
    IF instances IS NULL THEN
        RETURN NULL;
    END IF;
    IF instances -> 1 IS NULL AND NOT instance ? 'expiresAt' THEN
        content := CASE instance ->> 'type' WHEN 'Property' THEN instance -> 'value'
            WHEN 'Relationship' THEN instance -> 'object' END;
        IF jsonb_typeof(content) IN ('number', 'boolean')
            OR (jsonb_typeof(content) = 'string' AND length(content #>> '{}') <= 200)
        THEN
            RETURN content;
        END IF;
    END IF;
    RETURN '[]';
END
$$;
