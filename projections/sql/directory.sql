-- list_organizations --
-- All of them, for their owner; in the order in which they were made.
SELECT id::text, fold->>'name' FROM organizations ORDER BY id;

-- write_organization --
-- What an append has handed out is filled in, as for patients.
INSERT INTO organizations (id, version, chain_hash, fold)
VALUES (%(id)s, %(version)s, coalesce(%(chain_hash)s, appended_chain(%(id)s)), timed(%(fold)s)::json)
ON CONFLICT (id) DO UPDATE
SET version = excluded.version, chain_hash = excluded.chain_hash, fold = excluded.fold;

-- write_keys --
INSERT INTO api_keys (organization_id, id, secret_hash, scopes, expires_at, revoked_at)
VALUES (%(organization_id)s, %(id)s, %(secret_hash)s, %(scopes)s, %(expires_at)s, timed(%(revoked_at)s)::timestamptz)
ON CONFLICT (organization_id, id) DO UPDATE
SET secret_hash = excluded.secret_hash, scopes = excluded.scopes,
    expires_at = excluded.expires_at, revoked_at = excluded.revoked_at;

-- find_api_key --
SELECT organization_id, secret_hash, scopes, expires_at, revoked_at FROM find_api_key(%(id)s);

-- note_use --
-- At most once a minute for a key: who uses it must not cost a write per request.
INSERT INTO api_key_uses (organization_id, id, last_used_at) VALUES (%(organization)s, %(id)s, now())
ON CONFLICT (organization_id, id) DO UPDATE SET last_used_at = now()
WHERE api_key_uses.last_used_at < now() - interval '1 minute';

-- key_uses --
SELECT id, last_used_at FROM api_key_uses WHERE organization_id = %(organization)s;

-- get_organization --
SELECT fold FROM organizations WHERE id = %(id)s;
