-- remove --
DELETE FROM match_keys USING unnest(%(organization_id)s, %(kind)s, %(key)s, %(patient_id)s)
    AS gone (organization_id, kind, key, patient_id)
WHERE match_keys.organization_id = gone.organization_id AND match_keys.kind = gone.kind
  AND match_keys.key = gone.key AND match_keys.patient_id = gone.patient_id;

-- add --
-- A row may be there already: an index that was built by other rules, and is not rebuilt yet, must stop no record. An
-- external id that another patient holds is a conflict still.
INSERT INTO match_keys (organization_id, kind, key, patient_id)
SELECT * FROM unnest(%(organization_id)s, %(kind)s, %(key)s, %(patient_id)s)
ON CONFLICT (organization_id, kind, key, patient_id) DO NOTHING;
