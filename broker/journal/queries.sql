-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- name: make_partitions
-- Make the partitions of the day that is appended to now and of the day after.
SELECT journal.make_partition(today.day + ahead)
FROM (SELECT greatest(day, (clock_timestamp() AT TIME ZONE 'UTC')::date) AS day FROM journal.head) AS today,
    generate_series(0, 1) AS ahead;

-- name: append
-- Append $1 messages in the order given and count them as received; one statement, one transaction.
-- `drawn` comes first, since all else needs its numbers: from there on the head's lock is held.
-- unnest and not COPY, which needs five round trips: with batches of 1 to 50 messages, which is what a
-- city sends, it takes a third to two thirds of the CPU; with 500 the two are about even up to 1.5 kB.
WITH drawn AS (
    UPDATE journal.head
    SET seq = seq + $1, day = greatest(day, (clock_timestamp() AT TIME ZONE 'UTC')::date)
    RETURNING seq - $1 AS base, day
), incoming AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::bytea[], $5::timestamptz[], $6::boolean[])
        WITH ORDINALITY AS m (source, topic, payload, received_at, redelivered, n)
), opened AS (
    INSERT INTO journal.days (day, first_seq) SELECT day, base + 1 FROM drawn ON CONFLICT DO NOTHING
), counted AS (
    INSERT INTO journal.received AS total (source, day, messages)
    SELECT source, day, count(*) FROM unnest($2::text[]) AS source, drawn GROUP BY source, day
    ON CONFLICT (source, day) DO UPDATE SET messages = total.messages + excluded.messages
), logged AS (
    INSERT INTO journal.messages (seq, day, source, topic, payload, received_at, appended_at, redelivered)
    SELECT base + n, day, source, topic, payload, received_at, clock_timestamp(), redelivered
    FROM drawn, incoming
)
SELECT base FROM drawn;

-- name: lock_head
-- Keep all others from appending until this transaction ends.
SELECT seq FROM journal.head FOR UPDATE;

-- name: replay
-- Append the messages of the chosen waiting letters again, each once, and mark all letters of those
-- messages. Runs under `lock_head`.
WITH marked AS (
    UPDATE journal.dead_letters SET state = 'replayed', replayed_at = now()
    WHERE state = 'waiting' AND seq IN (
        SELECT seq FROM journal.dead_letters
        WHERE state = 'waiting'
            AND ($1::bigint[] IS NULL OR id = ANY ($1))
            AND ($2::text IS NULL OR kind = $2)
            AND ($3::text IS NULL OR device_id = $3)
            AND ($4::text IS NULL OR source = $4)
            AND ($5::timestamptz IS NULL OR received_at >= $5)
            AND ($6::timestamptz IS NULL OR received_at < $6)
    )
    RETURNING id, seq, source, topic, payload, received_at, redelivered
), chosen AS (
    SELECT first.*, row_number() OVER (ORDER BY seq) AS n
    FROM (SELECT DISTINCT ON (seq) * FROM marked ORDER BY seq, id) AS first
), drawn AS (
    UPDATE journal.head
    SET seq = seq + (SELECT count(*) FROM chosen),
        day = greatest(day, (clock_timestamp() AT TIME ZONE 'UTC')::date)
    WHERE EXISTS (SELECT FROM chosen)
    RETURNING seq - (SELECT count(*) FROM chosen) AS base, day
), opened AS (
    INSERT INTO journal.days (day, first_seq) SELECT day, base + 1 FROM drawn ON CONFLICT DO NOTHING
), counted AS (
    INSERT INTO journal.received AS total (source, day, messages)
    SELECT source, day, count(*) FROM chosen, drawn GROUP BY source, day
    ON CONFLICT (source, day) DO UPDATE SET messages = total.messages + excluded.messages
), logged AS (
    INSERT INTO journal.messages
        (seq, day, source, topic, payload, received_at, appended_at, redelivered, replay_of)
    SELECT base + n, day, source, topic, payload, received_at, clock_timestamp(), redelivered, id
    FROM drawn, chosen
)
SELECT count(*) FROM chosen;

-- name: read
-- The messages behind ($1, $2): at most $3, and at most $4 bytes of payload or one message.
-- The first condition picks the partitions, the second the place in the index.
SELECT seq, day, source, topic, payload, received_at, redelivered, replay_of
FROM (
    SELECT *, sum(octet_length(payload)) OVER (ORDER BY day, seq) AS bytes, row_number() OVER (ORDER BY day, seq) AS n
    FROM (
        SELECT * FROM journal.messages
        WHERE day >= $1::date AND (day, seq) > ($1::date, $2::bigint)
        ORDER BY day, seq LIMIT $3
    ) AS next
) AS next
WHERE bytes <= $4::bigint OR n = 1
ORDER BY day, seq;

-- name: head
-- The number of the last message.
SELECT seq FROM journal.head;

-- name: lock_retention
-- Keep registering a consumer and dropping a day apart.
SELECT pg_advisory_xact_lock(hashtext('journal.retention'));

-- name: position
-- How far a consumer has come.
SELECT day, seq FROM journal.cursors WHERE consumer = $1;

-- name: register
-- A new consumer stands before the oldest message that is kept.
INSERT INTO journal.cursors (consumer, day, seq, since)
SELECT $1, coalesce(oldest.day, head.day), coalesce(oldest.first_seq - 1, head.seq), coalesce(oldest.day, head.day)
FROM journal.head
    LEFT JOIN (SELECT day, first_seq FROM journal.days ORDER BY day LIMIT 1) AS oldest ON true
ON CONFLICT DO NOTHING;

-- name: lock_cursor
-- A consumer's cursor, kept from others, and the last message.
SELECT cursors.day, cursors.seq, head.seq AS head
FROM journal.cursors, journal.head
WHERE consumer = $1 FOR UPDATE OF cursors;

-- name: move_cursor
-- Put a consumer's cursor behind the message ($2, $3).
UPDATE journal.cursors SET day = $2, seq = $3 WHERE consumer = $1;

-- name: days
-- The first messages of the days from $1 to $2.
SELECT first_seq, day FROM journal.days WHERE day BETWEEN $1 AND $2 ORDER BY first_seq;

-- name: count_settled
-- Add what became of messages to the account of the days on which they were appended.
INSERT INTO journal.settled AS total
    (consumer, source, day, delivered, dead, duplicate, ignored, readings, entities)
SELECT $1, counted.*
FROM unnest(
    $2::text[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]
) AS counted
ON CONFLICT (consumer, source, day) DO UPDATE SET
    delivered = total.delivered + excluded.delivered,
    dead = total.dead + excluded.dead,
    duplicate = total.duplicate + excluded.duplicate,
    ignored = total.ignored + excluded.ignored,
    readings = total.readings + excluded.readings,
    entities = total.entities + excluded.entities;

-- name: note_activity
-- Note that devices were heard. An older message changes neither last_seen nor f_cnt.
-- least and greatest leave nulls out; 64 is KEYS_REMEMBERED.
WITH heard AS (
    SELECT device_id,
        min(observed_at) AS first_seen,
        max(observed_at) AS last_seen,
        (array_agg(f_cnt ORDER BY observed_at DESC NULLS LAST, n DESC) FILTER (WHERE f_cnt IS NOT NULL))[1] AS f_cnt,
        count(*) AS messages,
        coalesce((array_agg(key ORDER BY n) FILTER (WHERE key IS NOT NULL)), '{}') AS keys
    FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[])
        WITH ORDINALITY AS s (device_id, observed_at, f_cnt, key, n)
    GROUP BY device_id
)
INSERT INTO journal.devices_seen AS seen (device_id, first_seen, last_seen, f_cnt, messages, keys)
SELECT device_id, first_seen, last_seen, f_cnt, messages, keys[greatest(1, cardinality(keys) - 63):]
FROM heard
ORDER BY device_id
ON CONFLICT (device_id) DO UPDATE SET
    first_seen = least(seen.first_seen, excluded.first_seen),
    last_seen = greatest(seen.last_seen, excluded.last_seen),
    f_cnt = CASE WHEN excluded.last_seen < seen.last_seen THEN seen.f_cnt
        ELSE coalesce(excluded.f_cnt, seen.f_cnt) END,
    messages = seen.messages + excluded.messages,
    keys = (seen.keys || excluded.keys)[greatest(1, cardinality(seen.keys) + cardinality(excluded.keys) - 63):];

-- name: write_letters
-- Write dead letters, in the order given.
INSERT INTO journal.dead_letters
    (seq, source, topic, payload, received_at, redelivered, kind, sentence, device_id, detail, replay_of)
SELECT seq, source, topic, payload, received_at, redelivered, kind, sentence, device_id, detail::jsonb, replay_of
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[], $6::boolean[],
    $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[]
) WITH ORDINALITY AS d
    (seq, source, topic, payload, received_at, redelivered, kind, sentence, device_id, detail, replay_of, n)
ORDER BY n;

-- name: account
-- What became of each source's messages, with the consumer's cursor and what is behind it.
WITH consumer AS (
    SELECT
        coalesce(cursors.day, oldest.day, head.day) AS day,
        coalesce(cursors.seq, oldest.first_seq - 1, head.seq) AS seq,
        coalesce(cursors.since, oldest.day, head.day) AS since,
        head.seq AS head
    FROM journal.head
        LEFT JOIN journal.cursors ON consumer = $1
        LEFT JOIN (SELECT day, first_seq FROM journal.days ORDER BY day LIMIT 1) AS oldest ON true
), came AS (
    SELECT source, sum(messages)::bigint AS received
    FROM journal.received, consumer
    WHERE received.day >= consumer.since
    GROUP BY source
), went AS (
    SELECT source,
        sum(delivered)::bigint AS delivered, sum(dead)::bigint AS dead,
        sum(duplicate)::bigint AS duplicate, sum(ignored)::bigint AS ignored,
        sum(readings)::bigint AS readings, sum(entities)::bigint AS entities
    FROM journal.settled
    WHERE consumer = $1
    GROUP BY source
)
SELECT source, received,
    coalesce(delivered, 0) AS delivered, coalesce(dead, 0) AS dead,
    coalesce(duplicate, 0) AS duplicate, coalesce(ignored, 0) AS ignored,
    coalesce(readings, 0) AS readings, coalesce(entities, 0) AS entities,
    consumer.day, consumer.seq, consumer.head - consumer.seq AS pending
FROM came LEFT JOIN went USING (source) CROSS JOIN consumer
ORDER BY source;

-- name: lag
-- Seconds since the oldest message behind ($1, $2) was appended.
SELECT extract(epoch FROM clock_timestamp() - appended_at)::float8
FROM journal.messages
WHERE day >= $1::date AND (day, seq) > ($1::date, $2::bigint)
ORDER BY day, seq LIMIT 1;

-- name: activity
-- When devices were heard; all devices where $1 is null.
SELECT device_id, first_seen, last_seen, f_cnt, messages, keys
FROM journal.devices_seen
WHERE $1::text[] IS NULL OR device_id = ANY ($1)
ORDER BY device_id;

-- name: dead_letters
-- Dead letters, newest first, without payloads.
SELECT id, seq, source, topic, received_at, redelivered, octet_length(payload) AS size, NULL::bytea AS payload,
    kind, sentence, device_id, detail, state, replay_of, created_at, replayed_at
FROM journal.dead_letters
WHERE ($1::text IS NULL OR kind = $1)
    AND ($2::text IS NULL OR device_id = $2)
    AND ($3::text IS NULL OR source = $3)
    AND ($4::timestamptz IS NULL OR received_at >= $4)
    AND ($5::timestamptz IS NULL OR received_at < $5)
    AND ($6::text IS NULL OR state = $6)
    AND ($7::bigint IS NULL OR id < $7)
ORDER BY id DESC
LIMIT $8;

-- name: dead_letter
-- One dead letter with its payload.
SELECT id, seq, source, topic, received_at, redelivered, octet_length(payload) AS size, payload,
    kind, sentence, device_id, detail, state, replay_of, created_at, replayed_at
FROM journal.dead_letters
WHERE id = $1;

-- name: dead_letter_counts
-- Dead letters by kind.
SELECT kind, count(*) AS letters
FROM journal.dead_letters
WHERE $1::text IS NULL OR state = $1
GROUP BY kind
ORDER BY kind;

-- name: unknown_devices
-- Unknown devices with what their last letter says of them.
SELECT DISTINCT ON (device_id) device_id,
    count(*) OVER device AS count,
    min(received_at) OVER device AS first_seen,
    max(received_at) OVER device AS last_seen,
    source, sentence, detail
FROM journal.dead_letters
WHERE kind = 'unknown-device' AND state = 'waiting' AND device_id IS NOT NULL
WINDOW device AS (PARTITION BY device_id)
ORDER BY device_id, id DESC;

-- name: droppable
-- The partitions before $1 that nobody needs. The head's day and later ones may still be appended to.
SELECT partition.day
FROM journal.head, pg_inherits,
    LATERAL (SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day) AS partition
WHERE inhparent = 'journal.messages'::regclass
    AND partition.day < $1
    AND partition.day < head.day
    AND NOT EXISTS (
        SELECT FROM journal.days
        WHERE days.day = partition.day
            AND (SELECT min(later.first_seq) FROM journal.days AS later WHERE later.day > days.day) - 1
                > coalesce((SELECT min(seq) FROM journal.cursors), 0)
    )
ORDER BY partition.day;

-- name: forget_day
-- Take a day out of the list of days.
DELETE FROM journal.days WHERE day = $1;
