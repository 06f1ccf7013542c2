-- by_key --
-- Patients that share an external id, a phone or an email, in the order of their ids. Each is asked for in order, not by
-- equality: with the statistics of a fast growing table, any index that has the organization and the id looks as good as
-- the key.
SELECT found.id, found.fold FROM match_keys
CROSS JOIN LATERAL (
    SELECT id, fold FROM patients
    WHERE patients.organization_id = match_keys.organization_id AND id >= patient_id AND id <= patient_id
    ORDER BY id LIMIT 1
) AS found
WHERE match_keys.organization_id = %(organization)s AND kind = %(kind)s AND key = %(key)s AND patient_id > %(after)s
ORDER BY patient_id
LIMIT %(limit)s;

-- by_date_of_birth --
SELECT id, fold FROM patients
WHERE organization_id = %(organization)s AND date_of_birth = %(date_of_birth)s AND id > %(after)s
ORDER BY id
LIMIT %(limit)s;

-- by_full_name --
SELECT id, fold FROM patients
WHERE organization_id = %(organization)s AND last_name = %(last_name)s AND first_name = %(first_name)s
  AND id > %(after)s
ORDER BY id
LIMIT %(limit)s;

-- by_last_name --
-- The index alone tells the ids, and only those of the page are looked up. MATERIALIZED: or else the planner may hope
-- to meet enough of the name by reading all patients in the order of their ids.
WITH hit AS MATERIALIZED (
    SELECT id FROM patients
    WHERE organization_id = %(organization)s AND last_name = %(last_name)s
)
SELECT id, fold FROM patients
WHERE organization_id = %(organization)s
  AND id = ANY (ARRAY(SELECT id FROM hit WHERE id > %(after)s ORDER BY id LIMIT %(limit)s))
ORDER BY id;

-- all --
SELECT id, fold FROM patients
WHERE organization_id = %(organization)s AND id > %(after)s
ORDER BY id
LIMIT %(limit)s;

-- updated_since --
-- Each patient at its last event, so that it comes once, in the order of these events. The inner page bounds the work.
-- "At least and at most" instead of "equal": then only the index by organization gives this order. With the one by
-- position alone, which the planner likes as well while there are few organizations, all tenants would be read.
SELECT position, fold FROM (
    SELECT position, organization_id, originator_id, originator_version FROM ledger_events
    WHERE organization_id >= %(organization)s AND organization_id <= %(organization)s AND position > %(after)s
    ORDER BY ledger_events.organization_id, position
    LIMIT %(scan)s
) AS entry
LEFT JOIN LATERAL (
    SELECT fold FROM patients
    WHERE patients.organization_id = entry.organization_id AND id >= originator_id AND id <= originator_id
      AND version = originator_version
    ORDER BY id LIMIT 1
) AS patient ON true
ORDER BY position;

-- events --
-- By organization as above.
SELECT position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,
    request_id, actor, source, salt, state_hash, leaf_hash, chain_hash
FROM ledger_events
WHERE organization_id >= %(organization)s AND organization_id <= %(organization)s AND position > %(after)s
  AND originator_id <> %(organization)s
ORDER BY ledger_events.organization_id, position
LIMIT %(limit)s;

-- head --
-- Asked only where nothing lies behind a position: whoever finds something there is not ahead.
SELECT position FROM ledger_head;
