-- Possible duplicates: one row for each flag that a patient's stream tells. A pair that both streams tell of has two rows.

CREATE TABLE possible_duplicates (
    organization_id  uuid        NOT NULL,
    id               uuid        NOT NULL,   -- of the pair, the same from both sides
    patient_id       uuid        NOT NULL,   -- whose stream tells of it
    other_id         uuid,                   -- NULL: the patient's own record may hold two people
    state            text        NOT NULL,   -- open, merged, distinct
    reason           text        NOT NULL,
    evidence         json        NOT NULL,
    flagged_at       timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id, patient_id)
);
CREATE INDEX possible_duplicates_in_order ON possible_duplicates (organization_id, state, flagged_at, id);
CREATE INDEX possible_duplicates_of_patient ON possible_duplicates (organization_id, patient_id);
CREATE INDEX possible_duplicates_of_other ON possible_duplicates (organization_id, other_id);

ALTER TABLE possible_duplicates ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON possible_duplicates TO ledger_app
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
GRANT SELECT, INSERT, UPDATE, DELETE ON possible_duplicates TO ledger_app;
