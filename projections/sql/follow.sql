-- become_active --
-- One instance of a follower is active: the lock ends with this session, however the session ends.
SELECT pg_try_advisory_lock(%(lock)s);

-- read_log --
SELECT position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash
FROM ledger_events
WHERE position > %(after)s
ORDER BY position
LIMIT %(limit)s;

-- read_head --
SELECT position FROM ledger_head;

-- read_predecessors --
-- Of these places in streams, those that stand in the log up to a position.
SELECT organization_id, originator_id, originator_version
FROM unnest(%(organizations)s::uuid[], %(streams)s::uuid[], %(versions)s::bigint[])
    AS wanted (organization_id, originator_id, originator_version)
JOIN ledger_events USING (organization_id, originator_id, originator_version)
WHERE position <= %(up_to)s;

-- read_stream --
SELECT position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash
FROM ledger_events
WHERE organization_id = %(organization)s AND originator_id = %(stream)s
  AND originator_version >= %(version)s AND position <= %(up_to)s
ORDER BY originator_version;

-- beat --
INSERT INTO follower_heartbeats (follower, instance, beat_at, problem)
VALUES (%(follower)s, %(instance)s, clock_timestamp(), %(problem)s)
ON CONFLICT (follower) DO UPDATE
SET instance = excluded.instance, beat_at = excluded.beat_at, problem = excluded.problem;
