-- remove --
DELETE FROM match_keys USING unnest(%(organization_id)b::uuid[], %(kind)b::text[], %(key)b::text[], %(patient_id)b::uuid[])
    AS gone (organization_id, kind, key, patient_id)
WHERE match_keys.organization_id = gone.organization_id AND match_keys.kind = gone.kind
  AND match_keys.key = gone.key AND match_keys.patient_id = gone.patient_id;

-- add --
INSERT INTO match_keys (organization_id, kind, key, patient_id)
SELECT * FROM unnest(%(organization_id)b::uuid[], %(kind)b::text[], %(key)b::text[], %(patient_id)b::uuid[]);
