-- sample --
-- Evenly spaced entries, in the order of their streams: to cut the streams into parts with about as many entries.
SELECT organization_id, originator_id
FROM ledger_events
WHERE position = ANY (%(positions)s::bigint[])
ORDER BY organization_id, originator_id;

-- head --
SELECT position FROM ledger_head;

-- touched --
-- The streams with entries behind one position and up to another, and how many entries those are.
SELECT organization_id, originator_id, count(*)
FROM ledger_events
WHERE position > %(after)s AND position <= %(up_to)s
GROUP BY organization_id, originator_id;

-- lock_head --
-- Appends update this row: whoever comes now waits.
SELECT position FROM ledger_head FOR UPDATE;

-- one_at_a_time --
SELECT pg_try_advisory_lock(%(lock)s);

-- let_others --
SELECT pg_advisory_unlock(%(lock)s);

-- note_check --
INSERT INTO ledger_checks (kind, subject, position, passed, result)
VALUES (%(kind)s, %(subject)s, %(position)s, %(passed)s, %(result)s)
ON CONFLICT (kind, subject) DO UPDATE
SET position = excluded.position, passed = excluded.passed, result = excluded.result, finished_at = now();

-- forget_checks --
-- Before the outcome of a verification is noted: what passed is old news, what failed stays until a run covers it.
-- A subject ends with the size of the checkpoint that was trusted, if one was.
DELETE FROM ledger_checks
WHERE kind = 'verify' AND (passed OR CASE result
    WHEN 'read model differs' THEN %(read_model)s
    WHEN 'other stream heads' THEN subject = %(subject)s
        OR (%(all_heads)s AND coalesce(substring(subject FROM '\d+$')::bigint, 0) >= %(since)s)
    ELSE coalesce(substring(subject FROM '\d+$')::bigint, 0) >= %(since)s
END);

-- note_standby --
INSERT INTO standby_tables (schema_name, table_name, position)
VALUES (%(schema)s, %(table)s, %(position)s)
ON CONFLICT (schema_name, table_name) DO UPDATE SET position = excluded.position, since = now();

-- forget_standby --
DELETE FROM standby_tables WHERE schema_name = %(schema)s AND table_name = %(table)s;

-- standby --
SELECT table_name, position FROM standby_tables WHERE schema_name = %(schema)s;

-- blockers --
-- Who holds a lock on one of these tables, for how long, and what kind of client it is.
SELECT DISTINCT pid, application_name, extract(epoch FROM now() - xact_start)::int
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation = ANY (%(tables)s::regclass[]::oid[]) AND granted AND pid <> pg_backend_pid();
