-- record --
INSERT INTO access_log (organization_id, actor, name, action, patient_id, detail, request_id, address)
SELECT %(organization)s::uuid, %(actor)s, %(name)s, %(action)s, patient_id, %(detail)s::jsonb, %(request_id)s,
    %(address)s
FROM unnest(%(patients)s) AS patient_id;

-- do_not_wait_for_the_disk --
SET LOCAL synchronous_commit = off;

-- of_patient --
SELECT id, at, actor, name, action, patient_id, detail, request_id, address
FROM access_log
WHERE organization_id = %(organization)s AND patient_id = %(patient)s AND id < %(before)s
ORDER BY id DESC
LIMIT %(limit)s;

-- disclosures --
SELECT id, at, actor, name, action, patient_id, detail, request_id, address
FROM access_log
WHERE organization_id = %(organization)s AND patient_id = %(patient)s AND action = ANY (%(actions)s)
  AND at >= %(since)s AND at < %(until)s AND id < %(before)s
ORDER BY id DESC
LIMIT %(limit)s;

-- is_revealed --
-- The record of a reveal is what grants it, for a while.
SELECT 1 FROM access_log
WHERE organization_id = %(organization)s AND patient_id = %(patient)s AND actor = %(actor)s AND action = 'reveal'
  AND at > now() - %(lasting)s
LIMIT 1;
