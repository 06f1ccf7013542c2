-- The ledger, its inline projections and who may do what with them.
-- Runs once, as the owner of the database; the application works as ledger_app.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_app') THEN
        CREATE ROLE ledger_app NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_eraser') THEN
        CREATE ROLE ledger_eraser NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the server; another database was migrated at the same moment
END
$$;

GRANT USAGE ON SCHEMA public TO ledger_app, ledger_eraser;

-- ---- the log

CREATE TABLE ledger_events (
    position            bigint      NOT NULL,
    organization_id     uuid        NOT NULL,
    originator_id       uuid        NOT NULL,
    originator_version  bigint      NOT NULL,
    topic               text        NOT NULL,
    schema_version      integer     NOT NULL,
    state               bytea,
    recorded_at         timestamptz NOT NULL,
    request_id          text        NOT NULL,
    actor               text        NOT NULL,
    source              text        NOT NULL,
    salt                bytea,
    state_hash          bytea       NOT NULL,
    leaf_hash           bytea       NOT NULL,
    chain_hash          bytea       NOT NULL,
    PRIMARY KEY (organization_id, originator_id, originator_version)
);
CREATE UNIQUE INDEX ledger_events_position ON ledger_events (position);
CREATE INDEX ledger_events_of_organization ON ledger_events (organization_id, position);

COMMENT ON TABLE ledger_events IS 'Append-only. state and salt are NULL once erased by order; every hash stays.';

-- One row. Updated last in an append: it hands out gapless positions in commit order.
CREATE TABLE ledger_head (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    position     bigint      NOT NULL,
    recorded_at  timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ledger_head (position, recorded_at) VALUES (0, 'epoch');

CREATE FUNCTION refuse_change_of_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_user = 'ledger_eraser'
       AND NEW.state IS NULL AND NEW.salt IS NULL
       AND to_jsonb(NEW) - 'state' - 'salt' = to_jsonb(OLD) - 'state' - 'salt' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER ledger_events_append_only BEFORE UPDATE OR DELETE ON ledger_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_ledger();
CREATE TRIGGER ledger_events_never_truncated BEFORE TRUNCATE ON ledger_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_ledger();

-- ---- inline projections

CREATE TABLE patients (
    organization_id  uuid   NOT NULL,
    id               uuid   NOT NULL,
    version          bigint NOT NULL,
    chain_hash       bytea  NOT NULL,
    last_name        text,   -- folded, for search
    first_name       text,   -- folded, for search
    fold             json   NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX patients_by_name ON patients (organization_id, last_name text_pattern_ops, first_name text_pattern_ops, id);

CREATE TABLE match_keys (
    organization_id  uuid NOT NULL,
    kind             text NOT NULL,
    key              text NOT NULL,
    patient_id       uuid NOT NULL,
    PRIMARY KEY (organization_id, kind, key, patient_id)
);
-- An external id of a type is held by one patient at a time.
CREATE UNIQUE INDEX match_keys_external_id ON match_keys (organization_id, key) WHERE kind = 'external_id';

CREATE TABLE organizations (
    id          uuid   PRIMARY KEY,
    version     bigint NOT NULL,
    chain_hash  bytea  NOT NULL,
    fold        json   NOT NULL
);

CREATE TABLE api_keys (
    organization_id  uuid        NOT NULL,
    id               text        NOT NULL UNIQUE,
    secret_hash      bytea       NOT NULL,
    scopes           text[]      NOT NULL,
    expires_at       timestamptz,
    revoked_at       timestamptz,
    PRIMARY KEY (organization_id, id)
);

-- When a key was last used: kept beside the projection, because it is not told by any event.
CREATE TABLE api_key_uses (
    organization_id  uuid        NOT NULL,
    id               text        NOT NULL,
    last_used_at     timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);

-- ---- tenants: a transaction sees the organizations it was opened for, and nothing where none is set

CREATE FUNCTION ledger_organizations() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT string_to_array(nullif(current_setting('ledger.organizations', true), ''), ',')::uuid[] $$;

ALTER TABLE ledger_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE patients      ENABLE ROW LEVEL SECURITY;
ALTER TABLE match_keys    ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys      ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key_uses  ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON ledger_events TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON patients TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON match_keys TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON organizations TO ledger_app
    USING (id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON api_keys TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON api_key_uses TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));

GRANT SELECT, INSERT ON ledger_events TO ledger_app;
GRANT SELECT, UPDATE ON ledger_head TO ledger_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON patients, match_keys, organizations, api_keys, api_key_uses TO ledger_app;

-- A key names its organization before any organization is set: one key by its id, nothing else.
CREATE FUNCTION find_api_key(key_id text)
RETURNS TABLE (organization_id uuid, secret_hash bytea, scopes text[], expires_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT k.organization_id, k.secret_hash, k.scopes, k.expires_at, k.revoked_at FROM api_keys k WHERE k.id = key_id $$;
REVOKE ALL ON FUNCTION find_api_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_api_key(text) TO ledger_app;
