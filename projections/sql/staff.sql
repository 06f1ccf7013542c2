-- add --
INSERT INTO staff (organization_id, id, login, name, role, password)
VALUES (%(organization)s, %(id)s, %(login)s, %(name)s, %(role)s, %(password)s);

-- find_by_login --
SELECT organization_id, id FROM find_staff(%(login)s);

-- list --
SELECT id, login, name, role, password IS NOT NULL, created_at, last_signed_in_at, locked_until, disabled_at
FROM staff
WHERE organization_id = %(organization)s
ORDER BY login;

-- take_try --
-- A try is counted before its password is looked at, so that tries made at once count as well. The fifth wrong one locks;
-- a locked or disabled login yields no row.
UPDATE staff
SET wrong_tries = CASE WHEN locked_until IS NULL THEN wrong_tries + 1 ELSE 1 END,
    locked_until = CASE WHEN locked_until IS NULL AND wrong_tries + 1 >= %(most)s THEN now() + %(rest)s END
WHERE organization_id = %(organization)s AND id = %(id)s AND disabled_at IS NULL
  AND (locked_until IS NULL OR locked_until <= now())
RETURNING name, password;

-- signed_in --
UPDATE staff
SET wrong_tries = 0, locked_until = NULL, last_signed_in_at = now()
WHERE organization_id = %(organization)s AND id = %(id)s AND disabled_at IS NULL
RETURNING name;

-- set_password --
UPDATE staff
SET password = %(password)s, wrong_tries = 0, locked_until = NULL
WHERE organization_id = %(organization)s AND id = %(id)s;

-- disable --
UPDATE staff SET disabled_at = now()
WHERE organization_id = %(organization)s AND id = %(id)s AND disabled_at IS NULL;

-- end_sessions --
DELETE FROM staff_sessions WHERE organization_id = %(organization)s AND staff_id = %(id)s;

-- add_session --
INSERT INTO staff_sessions (token_hash, organization_id, staff_id)
VALUES (%(token_hash)s, %(organization)s, %(id)s);

-- find_session --
SELECT organization_id, id, login, name, role, seen_at < now() - interval '1 minute' FROM find_staff_session(%(token_hash)s)
WHERE started_at > now() - %(longest)s AND seen_at > now() - %(idle)s;

-- note_session --
-- About once a minute: looking at pages must not cost a write each.
UPDATE staff_sessions SET seen_at = now() WHERE token_hash = %(token_hash)s;

-- end_session --
DELETE FROM staff_sessions WHERE token_hash = %(token_hash)s;

-- end_old_sessions --
DELETE FROM staff_sessions
WHERE organization_id = %(organization)s AND (started_at < now() - %(longest)s OR seen_at < now() - %(idle)s);

-- add_link --
INSERT INTO staff_links (token_hash, organization_id, staff_id, expires_at)
VALUES (%(token_hash)s, %(organization)s, %(id)s, now() + %(valid)s)
RETURNING expires_at;

-- end_old_links --
DELETE FROM staff_links WHERE organization_id = %(organization)s AND expires_at < now();

-- find_link --
SELECT organization_id, id, name FROM find_staff_link(%(token_hash)s);

-- use_link --
DELETE FROM staff_links WHERE token_hash = %(token_hash)s AND expires_at > now() RETURNING staff_id;
