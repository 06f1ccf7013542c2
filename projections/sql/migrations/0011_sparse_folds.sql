-- A patient's fold leaves out what is empty: a quarter less to read, check and write with every change.

UPDATE patients SET fold = (
    SELECT '{' || string_agg(to_json(key) || ':' || value, ',' ORDER BY key COLLATE "C") || '}'
    FROM json_each(fold) AS field (key, value)
    WHERE value::text NOT IN ('null', '[]', '{}')
)::json;

-- Tables from before a flip are no longer like these, so that they could not be put back.
DROP TABLE IF EXISTS ledger_previous.patients, ledger_previous.match_keys;
DELETE FROM standby_tables WHERE table_name IN ('patients', 'match_keys');
