-- admit --
-- Row-level security: this transaction sees these organizations and no other.
SELECT set_config('ledger.organizations', %(organizations)s, true);

-- lock_keys --
-- Two records of one person share a key: the second waits here, and then finds what the first left. The keys come
-- sorted, so that no two transactions wait for each other. A statement of its own: the look-up needs a later snapshot.
SELECT pg_advisory_xact_lock(key) FROM unnest(%(locks)b::bigint[]) AS key;

-- find_organizations --
-- The organizations of the list, folded, where the caller's copy is not the current one.
SELECT id, version, chain_hash, CASE WHEN version = known THEN NULL ELSE fold END
FROM unnest(%(ids)b::uuid[], %(versions)b::bigint[]) AS wanted (wanted_id, known)
JOIN organizations ON id = wanted_id;

-- find_candidates --
-- Patients that share a match key with a record, locked in the order of their ids; the caller holds the advisory locks
-- of these keys. A key is read to one beyond its limit: who has more than the limit is a shared contact, not cut off.
SELECT id, chain_hash, fold
FROM patients
WHERE (organization_id, id) IN (
    SELECT wanted.organization_id, hit.patient_id
    FROM unnest(%(organizations)b::uuid[], %(kinds)b::text[], %(keys)b::text[]) AS wanted (organization_id, kind, key)
    CROSS JOIN LATERAL (
        SELECT patient_id FROM match_keys
        WHERE match_keys.organization_id = wanted.organization_id
          AND match_keys.kind = wanted.kind AND match_keys.key = wanted.key
        LIMIT %(limit)s
    ) AS hit
)
ORDER BY organization_id, id
FOR UPDATE;

-- lock_patients --
-- These patients, locked in the order of their ids.
SELECT id, chain_hash, fold FROM patients
WHERE organization_id = %(organization)s AND id = ANY (%(ids)b::uuid[])
ORDER BY id
FOR UPDATE;

-- lock_organization --
-- One organization's stream, locked for an append.
SELECT id, version, chain_hash, fold FROM organizations WHERE id = %(id)s FOR UPDATE;

-- take_head --
-- Positions in commit order: this row is held until COMMIT, and a rollback gives the numbers back. Time never decreases.
UPDATE ledger_head
SET position = position + %(count)s, recorded_at = greatest(recorded_at, clock_timestamp())
RETURNING position, recorded_at;

-- append_events --
INSERT INTO ledger_events (
    position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash)
SELECT position, organization_id, originator_id, originator_version, topic, schema_version, state, %(recorded_at)s,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash
FROM unnest(
    %(position)b::bigint[], %(organization_id)b::uuid[], %(originator_id)b::uuid[], %(originator_version)b::bigint[],
    %(topic)b::text[], %(schema_version)b::int[], %(state)b::bytea[], %(request_id)b::text[], %(actor)b::text[],
    %(source)b::text[], %(salt)b::bytea[], %(state_hash)b::bytea[], %(leaf_hash)b::bytea[], %(chain_hash)b::bytea[]
) AS entry (position, organization_id, originator_id, originator_version, topic, schema_version, state,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash);

-- select_stream --
SELECT position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash
FROM ledger_events
WHERE organization_id = %(organization)s AND originator_id = %(stream)s
  AND originator_version > %(after)s AND originator_version <= %(up_to)s
ORDER BY originator_version
LIMIT %(limit)s;

-- select_stream_backwards --
SELECT position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash
FROM ledger_events
WHERE organization_id = %(organization)s AND originator_id = %(stream)s
  AND originator_version > %(after)s AND originator_version <= %(up_to)s
ORDER BY originator_version DESC
LIMIT %(limit)s;

-- select_log --
SELECT position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash
FROM ledger_events
WHERE position > %(after)s AND position <= %(up_to)s
ORDER BY position
LIMIT %(limit)s;

-- read_head --
SELECT position, recorded_at FROM ledger_head;
