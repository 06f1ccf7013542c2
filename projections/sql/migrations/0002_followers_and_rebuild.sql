-- Followers, what they could not digest, and the rebuild of projections.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_follower') THEN
        CREATE ROLE ledger_follower NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the server; another database was migrated at the same moment
END
$$;

-- An owner that is no superuser works as these roles too: as ledger_app when it serves, as ledger_follower when it follows.
DO $$
BEGIN
    GRANT ledger_app, ledger_follower, ledger_eraser TO CURRENT_USER;
EXCEPTION WHEN insufficient_privilege OR invalid_grant_operation THEN
    NULL;  -- the roles are somebody else's: `ledger doctor` says what to grant
END
$$;

-- ---- followers read every organization's events and change none of them

GRANT USAGE ON SCHEMA public TO ledger_follower;
GRANT SELECT ON ledger_events, ledger_head, migrations TO ledger_follower;
CREATE POLICY every_organization ON ledger_events FOR SELECT TO ledger_follower USING (true);

-- Up to where each follower has read. The form is the library's (single-row tracking).
CREATE TABLE follower_tracking (
    application_name  text   PRIMARY KEY,
    notification_id   bigint NOT NULL
);
COMMENT ON COLUMN follower_tracking.application_name IS 'The follower.';
COMMENT ON COLUMN follower_tracking.notification_id IS 'The position of the last entry it has handled.';

-- Who follows, and that it is alive: written about once a second, ledger busy or not.
CREATE TABLE follower_heartbeats (
    follower  text        PRIMARY KEY,
    instance  text        NOT NULL,
    beat_at   timestamptz NOT NULL,
    problem   text
) WITH (fillfactor = 10);

-- Streams that a projection could not digest, from this version on; the other streams flow.
CREATE TABLE parked_streams (
    projection          text        NOT NULL,
    organization_id     uuid        NOT NULL,
    originator_id       uuid        NOT NULL,
    originator_version  bigint      NOT NULL,
    position            bigint      NOT NULL,
    reason              text        NOT NULL,
    parked_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, organization_id, originator_id)
);
COMMENT ON COLUMN parked_streams.reason IS 'The kind of error and the event; never a value of a patient.';

-- ---- rebuild: new tables are built in one schema, the ones before the last flip are kept in the other

CREATE SCHEMA ledger_building;
CREATE SCHEMA ledger_previous;

-- Up to which position tables outside `public` are complete.
CREATE TABLE standby_tables (
    schema_name  text        NOT NULL,
    table_name   text        NOT NULL,
    position     bigint      NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema_name, table_name)
);

-- What was last checked, how far, and with what result.
CREATE TABLE ledger_checks (
    kind         text        NOT NULL,
    subject      text        NOT NULL,
    position     bigint      NOT NULL,
    passed       boolean     NOT NULL,
    result       text        NOT NULL,
    finished_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, subject)
);
COMMENT ON TABLE ledger_checks IS 'kind fingerprint: subject a projection, result the fingerprint; kind verify: the ledger.';

-- ---- imports: up to which line a file has landed

CREATE TABLE imports (
    organization_id  uuid        NOT NULL,
    file_sha256      bytea       NOT NULL,
    line             bigint      NOT NULL,
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, file_sha256)
);

-- ---- who may do what

ALTER TABLE parked_streams ENABLE ROW LEVEL SECURITY;
ALTER TABLE imports        ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON parked_streams TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON imports TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY every_organization ON parked_streams TO ledger_follower USING (true);

GRANT SELECT, INSERT, UPDATE ON follower_tracking, follower_heartbeats TO ledger_follower;
GRANT SELECT, INSERT, UPDATE, DELETE ON parked_streams TO ledger_follower;
GRANT SELECT ON follower_tracking, follower_heartbeats, parked_streams, ledger_checks TO ledger_app;
GRANT SELECT, INSERT, UPDATE ON imports TO ledger_app;

-- How many streams each projection has parked, of all organizations: for /readyz, which belongs to none.
CREATE FUNCTION parked_counts() RETURNS TABLE (projection text, streams bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT p.projection, count(*) FROM parked_streams p GROUP BY p.projection $$;
REVOKE ALL ON FUNCTION parked_counts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION parked_counts() TO ledger_app;
