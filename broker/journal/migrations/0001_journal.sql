-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2
--
-- The journal: the log, its cursors, its accounts, its dead letters, and when devices were heard.
-- Tables whose rows are updated all the time have room on their pages (fillfactor) and no index on
-- what changes, so that an update stays on its page (HOT) and vacuum has little to do.

CREATE SCHEMA journal;

-- The last message of the log. Every transaction that appends draws its numbers by updating this row
-- and holds its lock until it has committed; PostgreSQL makes a commit visible before it gives the
-- locks back. So the next to draw higher numbers draws them when all lower ones can be seen already:
-- the order of numbers is the order of visibility, and a reader that goes by number skips nothing.
-- A row, where a sequence under an advisory lock would do as well, because a rollback takes the
-- numbers back: they have no gaps, and pending = last number - cursor, without counting.
CREATE TABLE journal.head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq bigint NOT NULL,
    day date NOT NULL
) WITH (fillfactor = 10);
INSERT INTO journal.head (seq, day) VALUES (0, '1970-01-01');

-- The log. A row is a batch: messages that were committed together, as an array of MessagePack. So a
-- message costs a fraction of a row; it keeps its own number: `last - count + 1` has the first of them.
-- A day is the day of appending, UTC, by the clock of PostgreSQL; it never goes back.
CREATE TABLE journal.batches (
    day date NOT NULL,
    last bigint NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    appended_at timestamptz NOT NULL,
    replays bigint[], -- the dead letters that these are other tries of, one a message; null: none is
    packed bytea NOT NULL,
    PRIMARY KEY (last, day) -- by number, which goes up with the days
) PARTITION BY RANGE (day);
-- As it is: compressing (pglz) takes two to three times the CPU of all the rest of an append, and saves
-- two thirds of the space.
ALTER TABLE journal.batches ALTER packed SET STORAGE EXTERNAL;

-- The days that the log has messages of, and the first message of each.
CREATE TABLE journal.days (
    day date PRIMARY KEY,
    first_seq bigint NOT NULL UNIQUE
);

-- Make a day's partition, unless it is there. Attaching takes a weaker lock than creating it in
-- place (PARTITION OF): neither a running backup nor a reader holds it up.
-- A batch that fits into a page stays in its row: up to there that is cheaper than pieces of 2 kB.
CREATE FUNCTION journal.make_partition(wanted date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'batches_' || to_char(wanted, 'YYYYMMDD');
BEGIN
    IF to_regclass('journal.' || name) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('journal.partitions'));
        IF to_regclass('journal.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE journal.%I (LIKE journal.batches INCLUDING ALL) WITH (toast_tuple_target = 8160)', name);
            EXECUTE format(
                'ALTER TABLE journal.batches ATTACH PARTITION journal.%I FOR VALUES FROM (%L) TO (%L)',
                name, wanted, wanted + 1
            );
        END IF;
    END IF;
END $$;

-- How far each consumer has settled the log; `since`: the oldest day that was kept when it registered.
CREATE TABLE journal.cursors (
    consumer text PRIMARY KEY,
    day date NOT NULL,
    seq bigint NOT NULL,
    since date NOT NULL
) WITH (fillfactor = 10);

-- How far the activity of devices that a consumer has saved reaches: never beyond its cursor. A table of
-- its own, so that saving thousands of devices holds no lock on the cursor.
CREATE TABLE journal.activity_positions (
    consumer text PRIMARY KEY,
    day date NOT NULL,
    seq bigint NOT NULL
) WITH (fillfactor = 10);

-- The account's two sides. Appending writes one and settling the other: neither waits for the other.
CREATE TABLE journal.received (
    source text,
    day date,
    messages bigint NOT NULL,
    PRIMARY KEY (source, day)
) WITH (fillfactor = 50);

CREATE TABLE journal.settled (
    consumer text,
    source text,
    day date,
    delivered bigint NOT NULL,
    dead bigint NOT NULL,
    duplicate bigint NOT NULL,
    ignored bigint NOT NULL,
    readings bigint NOT NULL,
    entities bigint NOT NULL,
    PRIMARY KEY (consumer, source, day)
) WITH (fillfactor = 50);

-- A letter has the whole message: it outlives the day's partition.
CREATE TABLE journal.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seq bigint NOT NULL,
    source text NOT NULL,
    topic text NOT NULL,
    payload bytea NOT NULL,
    received_at timestamptz NOT NULL,
    redelivered boolean NOT NULL,
    kind text NOT NULL,
    sentence text NOT NULL,
    device_id text,
    detail jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'replayed')),
    replay_of bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
CREATE INDEX dead_letters_kind ON journal.dead_letters (kind, id) WHERE state = 'waiting';
CREATE INDEX dead_letters_device ON journal.dead_letters (device_id, id) WHERE state = 'waiting';
CREATE INDEX dead_letters_seq ON journal.dead_letters (seq) WHERE state = 'waiting';

-- When each device was heard. `keys`: the keys of its last messages, oldest first, eight bytes each
-- (big-endian); `hour` and `hours`: its last hours, as the consumer that saves them counts them.
CREATE TABLE journal.devices_seen (
    device_id text PRIMARY KEY,
    first_seen timestamptz,
    last_seen timestamptz,
    f_cnt bigint,
    messages bigint NOT NULL,
    keys bytea NOT NULL,
    hour integer NOT NULL,
    hours bytea NOT NULL
) WITH (fillfactor = 50);
