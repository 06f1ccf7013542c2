-- take --
-- Which of these requests is nobody else carrying out at the moment? Held until the transaction ends; waits for nobody.
SELECT key_hash, pg_try_advisory_xact_lock(lock)
FROM unnest(%(key_hashes)b::bytea[], %(locks)b::bigint[]) AS wanted (key_hash, lock);

-- find --
SELECT organization_id, key_hash, body_hash, patient_id, version, events, told
FROM idempotency_keys
WHERE (organization_id, key_hash) IN (
    SELECT * FROM unnest(%(organizations)b::uuid[], %(key_hashes)b::bytea[])
) AND kept_at > now() - make_interval(days => %(days)s);

-- keep --
-- Each new one takes up to two of its organization that are past their time along, so that none needs a timer.
WITH gone AS (
    DELETE FROM idempotency_keys WHERE (organization_id, key_hash) IN (
        SELECT organization_id, key_hash FROM idempotency_keys
        WHERE organization_id = ANY (%(organization_id)s) AND kept_at <= now() - make_interval(days => %(days)s)
          AND key_hash <> ALL (%(key_hash)s)
        ORDER BY organization_id, kept_at
        LIMIT 2 * cardinality(%(organization_id)s)
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO idempotency_keys (organization_id, key_hash, body_hash, patient_id, version, events, told)
SELECT organization_id, key_hash, body_hash, patient_id, version, events, told::json
FROM unnest(
    %(organization_id)s, %(key_hash)s, %(body_hash)s, %(patient_id)s,
    %(version)s, %(events)b, %(told)s
) AS kept (organization_id, key_hash, body_hash, patient_id, version, events, told)
ON CONFLICT (organization_id, key_hash) DO UPDATE
SET body_hash = excluded.body_hash, patient_id = excluded.patient_id, version = excluded.version,
    events = excluded.events, told = excluded.told, kept_at = now();
