-- Who of the staff may look, and who has looked.
-- Passwords, sessions and counters of wrong tries are no facts of the ledger: they must be changeable and removable for
-- good, which an append-only log is not. What somebody looked at is kept for good, but apart: looking changes nothing.

CREATE TABLE staff (
    organization_id    uuid        NOT NULL,
    id                 uuid        NOT NULL,
    login              text        NOT NULL UNIQUE CHECK (login = lower(login) AND login <> ''),
    name               text        NOT NULL,
    role               text        NOT NULL,
    password           text,       -- scrypt, with its parameters and salt; NULL: signs in by one-time link only
    wrong_tries        integer     NOT NULL DEFAULT 0,
    locked_until       timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    last_signed_in_at  timestamptz,
    disabled_at        timestamptz,
    PRIMARY KEY (organization_id, id)
);

-- Tokens are known by their SHA-256 only.
CREATE TABLE staff_sessions (
    token_hash       bytea       PRIMARY KEY,
    organization_id  uuid        NOT NULL,
    staff_id         uuid        NOT NULL,
    started_at       timestamptz NOT NULL DEFAULT now(),
    seen_at          timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, staff_id) REFERENCES staff ON DELETE CASCADE
);
CREATE INDEX staff_sessions_of_staff ON staff_sessions (organization_id, staff_id);

CREATE TABLE staff_links (
    token_hash       bytea       PRIMARY KEY,
    organization_id  uuid        NOT NULL,
    staff_id         uuid        NOT NULL,
    expires_at       timestamptz NOT NULL,
    FOREIGN KEY (organization_id, staff_id) REFERENCES staff ON DELETE CASCADE
);
CREATE INDEX staff_links_of_staff ON staff_links (organization_id, staff_id);

CREATE TABLE access_log (
    organization_id  uuid        NOT NULL,
    id               bigint      GENERATED ALWAYS AS IDENTITY,
    at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor            text        NOT NULL,
    name             text        NOT NULL,
    action           text        NOT NULL,
    patient_id       uuid,
    detail           jsonb       NOT NULL DEFAULT '{}',
    request_id       text        NOT NULL,
    address          text,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX access_log_of_patient ON access_log (organization_id, patient_id, id) WHERE patient_id IS NOT NULL;
COMMENT ON TABLE access_log IS 'Append-only. Who looked at what, when and why; never a value of a patient.';
COMMENT ON COLUMN access_log.name IS 'The name of the actor at that time.';

CREATE FUNCTION refuse_change_of_access_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the access log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER access_log_append_only BEFORE UPDATE OR DELETE ON access_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_access_log();
CREATE TRIGGER access_log_never_truncated BEFORE TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_access_log();

ALTER TABLE staff          ENABLE ROW LEVEL SECURITY;
ALTER TABLE staff_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE staff_links    ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_log     ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON staff TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON staff_sessions TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON staff_links TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
CREATE POLICY tenant ON access_log TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));

GRANT SELECT, INSERT, UPDATE ON staff TO ledger_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON staff_sessions, staff_links TO ledger_app;
GRANT SELECT, INSERT ON access_log TO ledger_app;

-- A login, a session and a link name their organization before any organization is set: one row each by what is
-- presented, nothing else.
CREATE FUNCTION find_staff(wanted text) RETURNS TABLE (organization_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT s.organization_id, s.id FROM staff s WHERE s.login = wanted $$;

CREATE FUNCTION find_staff_session(wanted bytea)
RETURNS TABLE (organization_id uuid, id uuid, login text, name text, role text, started_at timestamptz, seen_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT s.organization_id, s.id, s.login, s.name, s.role, e.started_at, e.seen_at
   FROM staff_sessions e JOIN staff s ON s.organization_id = e.organization_id AND s.id = e.staff_id
   WHERE e.token_hash = wanted AND s.disabled_at IS NULL $$;

CREATE FUNCTION find_staff_link(wanted bytea) RETURNS TABLE (organization_id uuid, id uuid, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT s.organization_id, s.id, s.name
   FROM staff_links l JOIN staff s ON s.organization_id = l.organization_id AND s.id = l.staff_id
   WHERE l.token_hash = wanted AND l.expires_at > now() AND s.disabled_at IS NULL $$;

REVOKE ALL ON FUNCTION find_staff(text), find_staff_session(bytea), find_staff_link(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_staff(text), find_staff_session(bytea), find_staff_link(bytea) TO ledger_app;
