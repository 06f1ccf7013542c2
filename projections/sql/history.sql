-- first_of_topic --
-- The first entry of a stream that tells of this; a stream tells its first communication once.
SELECT topic, schema_version, state
FROM ledger_events
WHERE organization_id = %(organization)s AND originator_id = %(stream)s AND topic = %(topic)s
ORDER BY originator_version
LIMIT 1;

-- last_verified --
-- A failure stands until a run passes that covers it.
SELECT passed, finished_at, position FROM ledger_checks WHERE kind = 'verify'
ORDER BY passed, finished_at DESC LIMIT 1;

-- others_of_request --
-- A request's entries stand close together: it is written in one transaction, a batch in one after another.
SELECT originator_id
FROM ledger_events
WHERE organization_id = %(organization)s AND position BETWEEN %(first)s AND %(last)s
  AND request_id = %(request_id)s AND originator_id <> %(stream)s
GROUP BY originator_id
ORDER BY min(position);

-- told_of_others --
-- What streams tell of other patients than their own, and the versions that came with the same record. In the order of
-- the log, by organization as in search.sql: stream by stream, as the planner would, each page is read many times.
SELECT originator_id, originator_version, topic, schema_version, state, ARRAY(
    SELECT originator_version FROM ledger_events AS beside
    WHERE beside.organization_id = told.organization_id AND beside.originator_id = told.originator_id
      AND beside.request_id = told.request_id AND beside.recorded_at = told.recorded_at
    ORDER BY originator_version)
FROM ledger_events AS told
WHERE organization_id >= %(organization)s AND organization_id <= %(organization)s
  AND position > %(after)s AND position <= %(up_to)s AND topic = ANY (%(topics)s) AND state IS NOT NULL
ORDER BY told.organization_id, position;
