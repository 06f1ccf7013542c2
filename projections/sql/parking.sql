-- park --
INSERT INTO parked_streams (projection, organization_id, originator_id, originator_version, position, reason)
VALUES (%(projection)s, %(organization)s, %(stream)s, %(version)s, %(position)s, %(reason)s)
ON CONFLICT (projection, organization_id, originator_id) DO UPDATE
SET originator_version = excluded.originator_version, position = excluded.position, reason = excluded.reason;

-- release --
DELETE FROM parked_streams
WHERE projection = %(projection)s AND organization_id = %(organization)s AND originator_id = %(stream)s;

-- release_all --
DELETE FROM parked_streams WHERE projection = %(projection)s;

-- parked --
SELECT projection, organization_id, originator_id, originator_version, position, reason, parked_at
FROM parked_streams
WHERE projection = %(projection)s
ORDER BY position;

-- all_parked --
SELECT projection, organization_id, originator_id, originator_version, position, reason, parked_at
FROM parked_streams
ORDER BY projection, position;
