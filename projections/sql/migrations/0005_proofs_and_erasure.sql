-- What is proven of the log, and the one way to erase from it.

-- ---- the Merkle tree, the heads of streams, and what was signed of them

-- Perfect subtrees of every fourth level above the leaves, which are the log itself.
CREATE TABLE merkle_nodes (
    level  smallint NOT NULL,
    index  bigint   NOT NULL,
    hash   bytea    NOT NULL,
    PRIMARY KEY (level, index)
);

-- Heads of streams, 65,536 buckets by the first 16 bits of the stream's key.
CREATE TABLE stream_buckets (
    bucket  integer PRIMARY KEY,
    hash    bytea   NOT NULL,
    rows    bytea   NOT NULL
);

-- Signed notes, by how many entries they were signed over.
CREATE TABLE checkpoints (
    size       bigint      PRIMARY KEY,
    note       text        NOT NULL,
    signed_at  timestamptz NOT NULL
);

CREATE TRIGGER merkle_nodes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON merkle_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_ledger();
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_ledger();

GRANT SELECT, INSERT ON merkle_nodes, checkpoints TO ledger_follower;
GRANT SELECT, INSERT, UPDATE ON stream_buckets TO ledger_follower;
GRANT SELECT ON checkpoints TO ledger_app;

-- ---- erasure: payload and salt go, every hash stays

GRANT SELECT (organization_id, originator_id, originator_version) ON ledger_events TO ledger_eraser;
GRANT UPDATE (state, salt) ON ledger_events TO ledger_eraser;
CREATE POLICY erasure ON ledger_events TO ledger_eraser
    USING (organization_id = ANY ((SELECT ledger_organizations())::uuid[]));
