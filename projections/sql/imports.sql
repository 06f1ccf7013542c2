-- landed --
SELECT line FROM imports WHERE organization_id = %(organization)s AND file_sha256 = %(file)s;

-- note --
INSERT INTO imports (organization_id, file_sha256, line) VALUES (%(organization)s, %(file)s, %(line)s)
ON CONFLICT (organization_id, file_sha256) DO UPDATE SET line = excluded.line, updated_at = now();
