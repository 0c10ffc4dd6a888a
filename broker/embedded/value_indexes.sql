-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- name: value_indexes
-- The indexes on values that there are.
SELECT c.relname AS name
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = 'ngsild.entities'::regclass AND c.relname ~ '^entities_value_'

-- name: unfinished
-- Statements that remove what is left of indexes on values that were never finished. One that is being made
-- is left alone: a broker that was killed may have left PostgreSQL at it, and both would wait for each other.
SELECT format('DROP INDEX CONCURRENTLY ngsild.%I', c.relname) AS drop
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = 'ngsild.entities'::regclass AND c.relname ~ '^entities_value_' AND NOT i.indisvalid
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = i.indexrelid)

-- name: unused
-- The index on values that no query has used for longest, at least for a day, and the statement that removes it.
SELECT s.indexrelname AS name, format('DROP INDEX CONCURRENTLY ngsild.%I', s.indexrelname) AS drop
FROM pg_stat_user_indexes AS s
WHERE s.relid = 'ngsild.entities'::regclass AND s.indexrelname ~ '^entities_value_'
    AND COALESCE(s.last_idx_scan, '-infinity') < now() - interval '1 day'
ORDER BY s.last_idx_scan NULLS FIRST
LIMIT 1

-- name: has_attribute
-- Whether any entity has an attribute.
SELECT EXISTS (SELECT FROM ngsild.entities AS e WHERE e.doc ? $1::text)

-- name: index_statement
-- The statement that makes an index of a name on an attribute, whose IRI is quoted here; it hinders no writer,
-- and who writes an entity without the attribute hardly notices it.
SELECT format(
    'CREATE INDEX CONCURRENTLY %I ON ngsild.entities (tenant, ngsild.scalar(doc, %L::text)) WHERE doc ? %L::text',
    $1::text, $2::text, $2::text
)

-- name: look_at_values
-- Let PostgreSQL know how many entities have which values.
ANALYZE ngsild.entities
