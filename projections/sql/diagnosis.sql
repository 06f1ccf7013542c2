-- server --
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_user,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()),
    pg_is_in_recovery(), pg_database_size(current_database());

-- settings --
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'max_connections', 'data_checksums')
ORDER BY name;

-- roles --
-- May this user work as the role, and is the role as weak as it should be?
SELECT wanted.name, pg_roles.oid IS NOT NULL, coalesce(pg_has_role(current_user, pg_roles.oid, 'MEMBER'), false),
    coalesce(rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb, false)
FROM unnest(ARRAY['ledger_app', 'ledger_eraser', 'ledger_follower']) AS wanted (name)
LEFT JOIN pg_roles ON rolname = wanted.name;

-- excess_grants --
-- Who besides the owner may change what is append-only.
SELECT grantee, table_name, privilege_type FROM (
    SELECT coalesce(pg_get_userbyid(nullif(acl.grantee, 0)), 'PUBLIC') AS grantee, relname AS table_name, privilege_type
    FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) AS acl
    WHERE oid = 'ledger_events'::regclass AND acl.grantee <> relowner
) AS granted
WHERE privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES')
  AND (grantee, privilege_type) <> ('ledger_eraser', 'UPDATE');

-- missing_grants --
SELECT role, name, privilege
FROM (VALUES
    ('ledger_app', 'ledger_events', 'SELECT'), ('ledger_app', 'ledger_events', 'INSERT'),
    ('ledger_app', 'ledger_head', 'SELECT'), ('ledger_app', 'ledger_head', 'UPDATE'),
    ('ledger_app', 'patients', 'SELECT'), ('ledger_app', 'patients', 'INSERT'), ('ledger_app', 'patients', 'UPDATE'),
    ('ledger_app', 'match_keys', 'SELECT'), ('ledger_app', 'match_keys', 'INSERT'),
    ('ledger_app', 'match_keys', 'DELETE'), ('ledger_app', 'organizations', 'SELECT'),
    ('ledger_app', 'organizations', 'INSERT'), ('ledger_app', 'organizations', 'UPDATE'),
    ('ledger_app', 'api_keys', 'SELECT'), ('ledger_app', 'api_keys', 'INSERT'), ('ledger_app', 'api_keys', 'UPDATE'),
    ('ledger_follower', 'ledger_events', 'SELECT'), ('ledger_follower', 'follower_tracking', 'INSERT'),
    ('ledger_follower', 'follower_heartbeats', 'UPDATE')
) AS needed (role, name, privilege)
WHERE NOT has_table_privilege(role, name, privilege);

-- guards --
-- The triggers that refuse a change of the ledger, and whether they fire.
SELECT count(*) FILTER (WHERE tgenabled IN ('O', 'A'))
FROM pg_trigger
WHERE tgrelid = 'ledger_events'::regclass AND NOT tgisinternal
  AND tgfoid = 'refuse_change_of_ledger'::regproc;

-- unprotected --
-- Tables with rows of organizations that have no row-level security, or no policy.
SELECT relname
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  AND (relname = 'organizations' OR EXISTS (
      SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'organization_id' AND NOT attisdropped))
  AND (NOT relrowsecurity OR NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid))
ORDER BY relname;

-- clock --
SELECT clock_timestamp(), recorded_at, extract(epoch FROM clock_timestamp() - recorded_at) FROM ledger_head;

-- positions --
SELECT (SELECT position FROM ledger_head), count(*), coalesce(max(position), 0) FROM ledger_events;

-- broken_streams --
-- Streams whose versions are not 1, 2, 3, …
SELECT count(*) FROM (
    SELECT FROM ledger_events GROUP BY organization_id, originator_id
    HAVING count(*) <> max(originator_version) OR min(originator_version) <> 1
) AS broken;

-- stale_rows --
-- Rows of the read model that are not at the head of their stream, or lack a stream; and streams that lack a row,
-- as only those of erased patients should.
SELECT count(*) FROM (
    SELECT organization_id, originator_id, max(originator_version) AS version
    FROM ledger_events GROUP BY organization_id, originator_id
) AS head
FULL JOIN (
    SELECT organization_id, id AS originator_id, version FROM patients
    UNION ALL
    SELECT id, id, version FROM organizations
) AS held USING (organization_id, originator_id)
WHERE head.version IS DISTINCT FROM held.version
  AND NOT (held.version IS NULL AND EXISTS (
      SELECT FROM ledger_events AS entry
      WHERE entry.organization_id = head.organization_id AND entry.originator_id = head.originator_id
        AND entry.originator_version = head.version AND entry.topic = 'PatientErased'));

-- long_transactions --
SELECT pid, coalesce(application_name, ''), extract(epoch FROM clock_timestamp() - xact_start)::int
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - interval '5 minutes'
ORDER BY xact_start;

-- previous --
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(since))::int, 0), coalesce((
    SELECT sum(pg_total_relation_size(oid)) FROM pg_class
    WHERE relnamespace = 'ledger_previous'::regnamespace AND relkind = 'r'), 0)
FROM standby_tables;
