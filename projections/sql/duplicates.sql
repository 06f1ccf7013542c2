-- remove --
DELETE FROM possible_duplicates
USING unnest(%(organization_id)s, %(id)s, %(patient_id)s)
    AS gone (organization_id, id, patient_id)
WHERE possible_duplicates.organization_id = gone.organization_id
  AND possible_duplicates.id = gone.id AND possible_duplicates.patient_id = gone.patient_id;

-- put --
INSERT INTO possible_duplicates (organization_id, id, patient_id, other_id, state, reason, evidence, flagged_at)
SELECT organization_id, id, patient_id, other_id, state, reason, evidence::json, timed(flagged_at)::timestamptz
FROM unnest(%(organization_id)s, %(id)s, %(patient_id)s, %(other_id)s,
    %(state)s, %(reason)s, %(evidence)s, %(flagged_at)s)
    AS flag (organization_id, id, patient_id, other_id, state, reason, evidence, flagged_at)
ON CONFLICT (organization_id, id, patient_id) DO UPDATE
SET other_id = excluded.other_id, state = excluded.state, reason = excluded.reason, evidence = excluded.evidence,
    flagged_at = excluded.flagged_at;

-- in_order --
-- One state, oldest first. Of a pair with two rows the one that was told first stands for it.
SELECT id, patient_id, other_id, state, reason, evidence, flagged_at
FROM possible_duplicates AS flag
WHERE organization_id = %(organization)s AND state = %(state)s
  AND (flagged_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
  AND NOT EXISTS (
    SELECT FROM possible_duplicates AS earlier
    WHERE earlier.organization_id = flag.organization_id AND earlier.id = flag.id
      AND (earlier.flagged_at, earlier.patient_id) < (flag.flagged_at, flag.patient_id))
ORDER BY flagged_at, id
LIMIT %(limit)s;

-- of_patient --
-- The same for one patient, whichever stream tells of it.
SELECT id, patient_id, other_id, state, reason, evidence, flagged_at
FROM possible_duplicates AS flag
WHERE organization_id = %(organization)s AND state = %(state)s
  AND (patient_id = %(patient)s OR other_id = %(patient)s)
  AND (flagged_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
  AND NOT EXISTS (
    SELECT FROM possible_duplicates AS earlier
    WHERE earlier.organization_id = flag.organization_id AND earlier.id = flag.id
      AND (earlier.flagged_at, earlier.patient_id) < (flag.flagged_at, flag.patient_id))
ORDER BY flagged_at, id
LIMIT %(limit)s;

-- get --
SELECT id, patient_id, other_id, state, reason, evidence, flagged_at
FROM possible_duplicates
WHERE organization_id = %(organization)s AND id = %(id)s
ORDER BY flagged_at, patient_id
LIMIT 1;

-- patients --
-- Each is asked for in order, not by equality: with the statistics of a fast growing table, any index that has the
-- organization and the id looks as good as the key.
SELECT found.fold
FROM unnest(%(ids)s::uuid[]) AS wanted
CROSS JOIN LATERAL (
    SELECT fold FROM patients
    WHERE organization_id = %(organization)s AND id >= wanted AND id <= wanted
    ORDER BY id LIMIT 1
) AS found;
