-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2

-- name: make_partitions
-- Make the partitions of the day that is appended to now and of the day after.
SELECT journal.make_partition(today.day + ahead)
FROM (SELECT greatest(day, (clock_timestamp() AT TIME ZONE 'UTC')::date) AS day FROM journal.head) AS today,
    generate_series(0, 1) AS ahead;

-- name: commit_durably
-- Wait for the disk at each commit of this connection, unless that is the default already.
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';

-- name: append
-- Append $1 messages, $4 packed, and count them as received: $3 of each source of $2. Of a replay $5 has
-- the letters. One statement, one transaction.
-- `drawn` comes first, since all else needs its numbers: from there on the head's lock is held.
WITH drawn AS (
    UPDATE journal.head
    SET seq = seq + $1, day = greatest(day, (clock_timestamp() AT TIME ZONE 'UTC')::date)
    RETURNING day, seq AS last
), opened AS (
    INSERT INTO journal.days (day, first_seq) SELECT day, last - $1 + 1 FROM drawn ON CONFLICT DO NOTHING
), counted AS (
    INSERT INTO journal.received AS total (source, day, messages)
    SELECT source, day, messages FROM unnest($2::text[], $3::bigint[]) AS came (source, messages), drawn
    ON CONFLICT (source, day) DO UPDATE SET messages = total.messages + excluded.messages
), logged AS (
    INSERT INTO journal.batches (day, last, count, appended_at, packed, replays)
    SELECT day, last, $1, clock_timestamp(), $4::bytea, $5::bigint[] FROM drawn
)
SELECT day, last FROM drawn;

-- name: lock_head
-- Keep all others from appending until this transaction ends.
SELECT seq FROM journal.head FOR UPDATE;

-- name: read
-- The batches behind number $2, of day $1 or later: at most $3 messages and about $4 bytes, or one batch;
-- and the last number of all.
-- Numbers have no gaps, so the messages up to a batch are known without counting; `next` is where
-- they begin, which is later than $2 where retention has dropped what came between.
WITH next AS (
    SELECT last - count AS seq, last FROM journal.batches
    WHERE day >= $1::date AND last > $2::bigint
    ORDER BY last LIMIT 1
)
SELECT day, last, count, packed, replays, head
FROM (
    SELECT batch.*, (SELECT seq FROM journal.head) AS head, (SELECT last FROM next) AS first_last,
        sum(octet_length(packed)::bigint) OVER (ORDER BY last ROWS UNBOUNDED PRECEDING) AS bytes
    FROM (
        SELECT day, last, count, packed, replays FROM journal.batches
        WHERE day >= $1::date AND last > $2::bigint
            AND last <= (SELECT greatest(next.last, greatest(next.seq, $2) + $3) FROM next)
        ORDER BY last LIMIT $3
    ) AS batch
) AS batch
WHERE bytes <= $4::bigint OR last = first_last
ORDER BY last;

-- name: lock_replay
-- Keep all other replays waiting until this transaction ends.
SELECT pg_advisory_xact_lock(hashtext('journal.replay'));

-- name: last_letter
-- The number of the newest dead letter.
SELECT coalesce(max(id), 0) FROM journal.dead_letters;

-- name: mark_replayed
-- Mark the letters of the next messages behind $1 of which a waiting letter is chosen, not newer than $2:
-- at most $3 messages, about $4 bytes or one message. Gives each message once, with its first letter,
-- in the order of the log.
WITH chosen AS (
    SELECT seq, max(octet_length(payload)) AS bytes FROM journal.dead_letters
    WHERE state = 'waiting' AND seq > $1 AND id <= $2
        AND ($5::bigint[] IS NULL OR id = ANY ($5))
        AND ($6::text IS NULL OR kind = $6)
        AND ($7::text IS NULL OR device_id = $7)
        AND ($8::text IS NULL OR source = $8)
        AND ($9::timestamptz IS NULL OR received_at >= $9)
        AND ($10::timestamptz IS NULL OR received_at < $10)
    GROUP BY seq
    ORDER BY seq LIMIT $3
), fitting AS (
    SELECT seq FROM (
        SELECT seq, bytes, sum(bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total FROM chosen
    ) AS chosen
    WHERE total <= $4 OR total = bytes
), marked AS (
    UPDATE journal.dead_letters SET state = 'replayed', replayed_at = now()
    WHERE state = 'waiting' AND seq IN (SELECT seq FROM fitting)
    RETURNING id, seq, source, topic, payload, received_at, redelivered
)
SELECT DISTINCT ON (seq) * FROM marked ORDER BY seq, id;

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

-- name: register_activity
-- What a consumer saves of devices begins at its cursor.
INSERT INTO journal.activity_positions (consumer, day, seq)
SELECT consumer, day, seq FROM journal.cursors WHERE consumer = $1
ON CONFLICT DO NOTHING;

-- name: activity_position
-- How far the activity reaches that a consumer has saved.
SELECT day, seq FROM journal.activity_positions WHERE consumer = $1;

-- name: cursor
-- A consumer's cursor, and the last message.
SELECT cursors.seq, head.seq AS head FROM journal.cursors, journal.head WHERE consumer = $1;

-- name: settle
-- Move the cursor of consumer $1 from $2 to ($3, $4), if it stands at $2 and the log reaches so far; add
-- what became of the messages to the account of the days on which they were appended; write dead
-- letters in the order given. Says whether it was moved.
WITH moved AS (
    UPDATE journal.cursors SET day = $3, seq = $4
    WHERE consumer = $1 AND seq = $2 AND $4 <= (SELECT seq FROM journal.head)
    RETURNING consumer
), counted AS (
    INSERT INTO journal.settled AS total
        (consumer, source, day, delivered, dead, duplicate, ignored, readings, entities)
    SELECT consumer, came.*
    FROM moved, unnest(
        $5::text[], $6::date[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[]
    ) AS came
    ON CONFLICT (consumer, source, day) DO UPDATE SET
        delivered = total.delivered + excluded.delivered,
        dead = total.dead + excluded.dead,
        duplicate = total.duplicate + excluded.duplicate,
        ignored = total.ignored + excluded.ignored,
        readings = total.readings + excluded.readings,
        entities = total.entities + excluded.entities
), written AS (
    INSERT INTO journal.dead_letters
        (seq, source, topic, payload, received_at, redelivered, kind, sentence, device_id, detail, replay_of)
    SELECT seq, source, topic, payload, received_at, redelivered, kind, sentence, device_id, detail::jsonb, replay_of
    FROM moved, unnest(
        $13::bigint[], $14::text[], $15::text[], $16::bytea[], $17::timestamptz[], $18::boolean[],
        $19::text[], $20::text[], $21::text[], $22::text[], $23::bigint[]
    ) WITH ORDINALITY AS letter
        (seq, source, topic, payload, received_at, redelivered, kind, sentence, device_id, detail, replay_of, n)
    ORDER BY n
)
SELECT EXISTS (SELECT FROM moved);

-- name: save_activity
-- Note that what consumer $1 knows of devices reaches up to ($2, $3), and put it in place of what was.
-- Nothing is saved where its cursor stands before that, or where what was saved reaches further.
WITH consumer AS (
    SELECT consumer, cursors.seq AS cursor
    FROM journal.cursors JOIN journal.activity_positions USING (consumer)
    WHERE consumer = $1
), moved AS (
    UPDATE journal.activity_positions AS reached SET day = $2, seq = $3
    FROM consumer
    WHERE reached.consumer = consumer.consumer AND reached.seq <= $3 AND $3 <= cursor
    RETURNING reached.consumer
), saved AS (
    INSERT INTO journal.devices_seen (device_id, first_seen, last_seen, f_cnt, messages, keys, hour, hours)
    SELECT device.*
    FROM moved, unnest(
        $4::text[], $5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::bigint[], $9::bytea[],
        $10::integer[], $11::bytea[]
    ) AS device
    ON CONFLICT (device_id) DO UPDATE SET
        first_seen = excluded.first_seen,
        last_seen = excluded.last_seen,
        f_cnt = excluded.f_cnt,
        messages = excluded.messages,
        keys = excluded.keys,
        hour = excluded.hour,
        hours = excluded.hours
)
SELECT cursor FROM consumer;

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
-- Seconds since the oldest message behind number $2, of day $1 or later, was appended.
SELECT extract(epoch FROM clock_timestamp() - appended_at)::float8
FROM journal.batches
WHERE day >= $1::date AND last > $2::bigint
ORDER BY last LIMIT 1;

-- name: activity
-- When devices were heard; all devices where $1 is null. Only those whose hours are longer than $2 bytes.
SELECT device_id, first_seen, last_seen, f_cnt, messages, keys, hour, hours
FROM journal.devices_seen
WHERE ($1::text[] IS NULL OR device_id = ANY ($1)) AND octet_length(hours) > $2::integer
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
-- The partitions before $1 that nobody needs, oldest first. The head's day and later ones may still be
-- appended to.
SELECT partition.day
FROM journal.head, pg_inherits,
    LATERAL (SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day) AS partition
WHERE inhparent = 'journal.batches'::regclass
    AND partition.day < $1
    AND partition.day < head.day
    AND NOT EXISTS (
        SELECT FROM journal.days
        WHERE days.day = partition.day
            AND (SELECT min(later.first_seq) FROM journal.days AS later WHERE later.day > days.day) - 1
                > coalesce((SELECT min(seq) FROM journal.cursors), 0)
    )
    AND NOT EXISTS (
        SELECT FROM journal.days
        WHERE days.day = partition.day
            AND (SELECT min(later.first_seq) FROM journal.days AS later WHERE later.day > days.day) - 1
                > (SELECT min(seq) FROM journal.activity_positions)
    )
ORDER BY partition.day;

-- name: forget_day
-- Take a day out of the list of days.
DELETE FROM journal.days WHERE day = $1;

-- name: size
-- Bytes on disk of each day's partition, with its indexes.
SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day, pg_total_relation_size(inhrelid) AS bytes
FROM pg_inherits
WHERE inhparent = 'journal.batches'::regclass
ORDER BY day;

-- name: lock_forgetting
-- Keep all others who rewrite batches waiting until this transaction ends.
SELECT pg_advisory_xact_lock(hashtext('journal.forgetting'));

-- name: rewrite
-- Replace the messages of a batch.
UPDATE journal.batches SET packed = $3 WHERE day = $1 AND last = $2;

-- name: letters_behind
-- The dead letters behind number $1 with their messages, oldest first: at most $2, about $3 bytes or one.
SELECT id, source, topic, payload, received_at, redelivered, device_id
FROM (
    SELECT *, octet_length(payload) AS size,
        sum(octet_length(payload)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS total
    FROM (SELECT * FROM journal.dead_letters WHERE id > $1 ORDER BY id LIMIT $2) AS letter
) AS letter
WHERE total <= $3 OR total = size
ORDER BY id;

-- name: delete_letters
-- Delete dead letters.
DELETE FROM journal.dead_letters WHERE id = ANY ($1::bigint[]);

-- name: forget_devices
-- Forget when devices were heard.
DELETE FROM journal.devices_seen WHERE device_id = ANY ($1::text[]);
