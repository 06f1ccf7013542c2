-- admit --
-- Row-level security: this transaction sees these organizations and no other.
SELECT set_config('ledger.organizations', %(organizations)s, true);

-- admit_and_lock --
-- The same, and advisory locks of match keys, in their order: unnest yields them so.
SELECT set_config('ledger.organizations', %(organizations)s, true),
    (SELECT count(pg_advisory_xact_lock(lock)) FROM unnest(%(locks)s) AS lock);

-- look_up --
-- Patients that share a match key with a record, locked in the order of their ids; the caller holds the advisory locks
-- of these keys, taken in a statement of its own: this one needs a snapshot from after the wait. A key is read to one
-- beyond its limit: who has more than the limit is a shared contact, not cut off. With them, told apart by the missing
-- chain hash, the organizations of the list whose version is not the one that the caller knows. A patient is asked for
-- in order and not by equality: planned on an empty ledger, any index that begins with the organization looks as good.
-- The organizations stand first, so that their table is locked first, as the flip does it, whether this is prepared yet
-- or not.
WITH changed AS (
    SELECT id, NULL::bytea AS chain_hash, fold
    FROM unnest(%(known_ids)s, %(known_versions)s) AS known (known_id, known_version)
    JOIN organizations ON id = known_id AND version <> known_version
), candidates AS (
    SELECT found.id, found.chain_hash, found.fold
    FROM (
        SELECT DISTINCT wanted.organization_id, hit.patient_id
        FROM unnest(%(organizations)s, %(kinds)s, %(keys)s) AS wanted (organization_id, kind, key)
        CROSS JOIN LATERAL (
            SELECT patient_id FROM match_keys
            WHERE match_keys.organization_id = wanted.organization_id
              AND match_keys.kind = wanted.kind AND match_keys.key = wanted.key
            LIMIT %(limit)s
        ) AS hit
        ORDER BY organization_id, patient_id
    ) AS hits
    CROSS JOIN LATERAL (
        SELECT id, chain_hash, fold FROM patients
        WHERE patients.organization_id = hits.organization_id
          AND id >= hits.patient_id AND id <= hits.patient_id
        ORDER BY id LIMIT 1
        FOR UPDATE
    ) AS found
)
SELECT id, chain_hash, fold FROM candidates
UNION ALL
SELECT id, chain_hash, fold FROM changed;

-- lock_patients --
-- These patients, locked in the order of their ids. Each is asked for in order, as above.
SELECT found.id, found.chain_hash, found.fold
FROM (SELECT DISTINCT wanted FROM unnest(%(ids)b::uuid[]) AS wanted ORDER BY wanted) AS all_wanted
CROSS JOIN LATERAL (
    SELECT id, chain_hash, fold FROM patients
    WHERE organization_id = %(organization)s AND id >= wanted AND id <= wanted
    ORDER BY id LIMIT 1
    FOR UPDATE
) AS found;

-- lock_organization --
-- One organization's stream, locked for an append.
SELECT id, version, chain_hash, fold FROM organizations WHERE id = %(id)s FOR UPDATE;

-- append_events --
-- The head row is held from here to COMMIT.
SELECT last_position, at FROM append_events(
    %(pending)s, %(organization_id)s, %(originator_id)s, %(originator_version)s, %(topic)s, %(schema_version)s, %(state)s,
    %(request_id)s, %(actor)s, %(source)s, %(salt)s, %(state_hash)s, %(prefix)s, %(before)s, %(earlier)s);

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

-- forget_requests --
-- What earlier requests led to tells of the patient too.
DELETE FROM idempotency_keys
WHERE organization_id = %(organization)s AND patient_id = ANY (%(streams)s);

-- erase --
-- As ledger_eraser, the one role that may.
UPDATE ledger_events SET state = NULL, salt = NULL
FROM unnest(%(streams)s, %(versions)s) AS erased (stream, version)
WHERE organization_id = %(organization)s AND originator_id = stream AND originator_version <= version;

-- read_head --
SELECT position, recorded_at FROM ledger_head;
