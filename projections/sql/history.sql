-- first_of_topic --
-- The first entry of a stream that tells of this; a stream tells its first communication once.
SELECT topic, schema_version, state
FROM ledger_events
WHERE organization_id = %(organization)s AND originator_id = %(stream)s AND topic = %(topic)s
ORDER BY originator_version
LIMIT 1;
