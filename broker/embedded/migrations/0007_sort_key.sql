-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- What stands in for a collation of ICU where PostgreSQL was built without it: letters without
-- their marks, great and small alike, ligatures as the letters they are made of; before them digits,
-- and before these the signs of ASCII, in the order of CLDR's root collation (clause 4.23.1).
CREATE OR REPLACE FUNCTION ngsild.sort_key(content text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT translate(
        replace(replace(replace(plain.text, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
        E' _-,;:!?.\'"()[]{}@*/\\&#%`^+<=>|~$øłđ',
        E'\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2eold'
    )
    FROM (
        SELECT lower(regexp_replace(normalize(content, NFD), '[\u0300-\u036f]', '', 'g') COLLATE "pg_unicode_fast")
    ) AS plain(text)
$$;
