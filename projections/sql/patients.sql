-- write --
-- The stored folds of streams. What an append has handed out a moment ago is not known to its sender: the instant, and
-- the chain hash where it is NULL.
INSERT INTO patients (organization_id, id, version, chain_hash, last_name, first_name, fold, date_of_birth)
SELECT organization_id, id, version, coalesce(chain_hash, appended_chain(id)),
    last_name, first_name, timed(fold)::json, date_of_birth
FROM unnest(
    %(organization_id)s, %(id)s, %(version)s, %(chain_hash)s, %(last_name)s, %(first_name)s, %(fold)s, %(date_of_birth)s
) AS changed (organization_id, id, version, chain_hash, last_name, first_name, fold, date_of_birth)
ON CONFLICT (organization_id, id) DO UPDATE
SET version = excluded.version, chain_hash = excluded.chain_hash, last_name = excluded.last_name,
    first_name = excluded.first_name, fold = excluded.fold, date_of_birth = excluded.date_of_birth;

-- remove --
-- The rows of patients whose content was erased.
DELETE FROM patients USING unnest(%(organization_id)s, %(id)s) AS erased (organization_id, id)
WHERE patients.organization_id = erased.organization_id AND patients.id = erased.id;

-- get --
-- In order, not by equality: planned on an empty ledger, any index that begins with the organization looks as good.
SELECT fold FROM patients
WHERE organization_id = %(organization)s AND id >= %(id)s AND id <= %(id)s
ORDER BY id LIMIT 1;

-- merged_into --
-- Asked for in order, as above.
SELECT fold ->> 'merged_into' FROM patients
WHERE organization_id = %(organization)s AND id >= %(id)s AND id <= %(id)s
ORDER BY id LIMIT 1;
