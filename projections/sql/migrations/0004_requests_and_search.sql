-- Requests that must be answered once, and the columns that partners search by.

-- What a request with an Idempotency-Key led to: hashes, words and ids, no value of a patient. Kept for 30 days.
CREATE TABLE idempotency_keys (
    organization_id  uuid        NOT NULL,
    key_hash         bytea       NOT NULL,
    body_hash        bytea       NOT NULL,
    patient_id       uuid        NOT NULL,
    version          bigint      NOT NULL,
    events           integer     NOT NULL,
    told             json        NOT NULL,
    kept_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, key_hash)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (organization_id, kept_at);
COMMENT ON COLUMN idempotency_keys.told IS 'How the patient was found, what was dropped and why, the id of the request.';

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_keys TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO ledger_app;

-- A generated column: an index on the fold itself would be touched by every change of a patient.
ALTER TABLE patients ADD COLUMN date_of_birth text GENERATED ALWAYS AS (fold -> 'facts' ->> 'date_of_birth') STORED;
CREATE INDEX patients_by_date_of_birth ON patients (organization_id, date_of_birth, id);
