-- SPDX-FileCopyrightText: 2026 The Volme contributors
-- SPDX-License-Identifier: EUPL-1.2
-- The registry: one row an installed device.
CREATE SCHEMA IF NOT EXISTS registry;

CREATE TABLE registry.devices (
    id text PRIMARY KEY,
    profile text NOT NULL,
    entity_type text,
    place text,
    name text,
    longitude double precision,
    latitude double precision,
    altitude double precision,
    owner text,
    installed_at timestamptz,
    simulated boolean NOT NULL DEFAULT false,
    parameters jsonb NOT NULL DEFAULT '{}',
    attributes jsonb NOT NULL DEFAULT '{}',
    added_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((longitude IS NULL) = (latitude IS NULL))
);

-- Running platforms follow the registry without asking for it again and again.
CREATE FUNCTION registry.announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('volme_registry', coalesce(NEW.id, OLD.id));
    RETURN NULL;
END $$;

CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON registry.devices
    FOR EACH ROW EXECUTE FUNCTION registry.announce();
