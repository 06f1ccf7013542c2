-- remove --
DELETE FROM match_keys USING unnest(%(organization_id)s, %(kind)s, %(key)s, %(patient_id)s)
    AS gone (organization_id, kind, key, patient_id)
WHERE match_keys.organization_id = gone.organization_id AND match_keys.kind = gone.kind
  AND match_keys.key = gone.key AND match_keys.patient_id = gone.patient_id;

-- add --
INSERT INTO match_keys (organization_id, kind, key, patient_id)
SELECT * FROM unnest(%(organization_id)s, %(kind)s, %(key)s, %(patient_id)s);
