-- find_nodes --
SELECT level, index, hash FROM merkle_nodes
WHERE (level, index) IN (SELECT * FROM unnest(%(levels)s::bigint[], %(indexes)s::bigint[]));

-- find_leaves --
SELECT position - 1, leaf_hash FROM ledger_events WHERE position = ANY (%(positions)s::bigint[]);

-- add_nodes --
INSERT INTO merkle_nodes (level, index, hash)
SELECT * FROM unnest(%(levels)s::bigint[], %(indexes)s::bigint[], %(hashes)s::bytea[]);

-- find_buckets --
SELECT bucket, rows FROM stream_buckets WHERE bucket = ANY (%(buckets)s::int[]);

-- bucket_hashes --
SELECT bucket, hash FROM stream_buckets;

-- put_buckets --
INSERT INTO stream_buckets (bucket, hash, rows)
SELECT * FROM unnest(%(buckets)s::int[], %(hashes)s::bytea[], %(rows)s::bytea[])
ON CONFLICT (bucket) DO UPDATE SET hash = excluded.hash, rows = excluded.rows;

-- last_checkpoint --
SELECT size, note, signed_at FROM checkpoints ORDER BY size DESC LIMIT 1;

-- checkpoints --
SELECT size, note FROM checkpoints WHERE size >= %(from_size)s ORDER BY size;

-- add_checkpoint --
INSERT INTO checkpoints (size, note, signed_at) VALUES (%(size)s, %(note)s, %(signed_at)s)
ON CONFLICT (size) DO NOTHING;

-- tracked --
SELECT coalesce(max(notification_id), 0) FROM follower_tracking WHERE application_name = %(follower)s;

-- heads_at --
-- The last version, up to a position, of the streams that have entries after it.
SELECT changed.organization_id, changed.originator_id, head.originator_version, head.chain_hash
FROM (
    SELECT DISTINCT organization_id, originator_id FROM ledger_events
    WHERE position > %(size)s AND position <= %(up_to)s
) AS changed
LEFT JOIN LATERAL (
    SELECT originator_version, chain_hash FROM ledger_events AS entry
    WHERE entry.organization_id = changed.organization_id AND entry.originator_id = changed.originator_id
      AND entry.position <= %(size)s
    ORDER BY originator_version DESC
    LIMIT 1
) AS head ON true;

-- all_heads_at --
-- The last version of every stream up to a position.
SELECT DISTINCT ON (organization_id, originator_id) organization_id, originator_id, originator_version, chain_hash
FROM ledger_events
WHERE position <= %(size)s
ORDER BY organization_id, originator_id, originator_version DESC;
