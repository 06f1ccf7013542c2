-- columns --
SELECT attname, format_type(atttypid, atttypmod)
FROM pg_attribute
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum;

-- written_columns --
-- Those that are not generated from others.
SELECT attname
FROM pg_attribute
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum;

-- column_details --
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attgenerated::text, attidentity::text, attcollation,
    attstorage::text, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
FROM pg_attribute
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum;

-- settings --
-- Owner, row-level security, storage options and comment.
SELECT pg_get_userbyid(relowner), relrowsecurity, relforcerowsecurity, coalesce(reloptions, '{}'),
    obj_description(oid, 'pg_class')
FROM pg_class
WHERE oid = %(table)s::regclass;

-- policies --
SELECT polname, polpermissive, polcmd::text,
    ARRAY(SELECT CASE WHEN role = 0 THEN NULL ELSE pg_get_userbyid(role) END FROM unnest(polroles) AS role ORDER BY 1),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
FROM pg_policy
WHERE polrelid = %(table)s::regclass
ORDER BY polname;

-- grants --
-- Of the table, and of single columns; a role that is NULL is PUBLIC.
SELECT CASE WHEN grantee = 0 THEN NULL ELSE pg_get_userbyid(grantee) END, privilege_type, is_grantable, column_name
FROM (
    SELECT (aclexplode(relacl)).*, NULL::name AS column_name FROM pg_class WHERE oid = %(table)s::regclass
    UNION ALL
    SELECT (aclexplode(attacl)).*, attname FROM pg_attribute WHERE attrelid = %(table)s::regclass AND attnum > 0
) AS granted
ORDER BY 4 NULLS FIRST, 1, 2;

-- indexes --
-- Each index, and the constraint that it carries, if any.
SELECT index_class.relname, pg_get_indexdef(indexrelid), conname, contype::text,
    pg_get_constraintdef(pg_constraint.oid), obj_description(indexrelid, 'pg_class')
FROM pg_index
JOIN pg_class AS index_class ON index_class.oid = indexrelid
LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid AND contype IN ('p', 'u', 'x')
WHERE indrelid = %(table)s::regclass
ORDER BY contype NULLS LAST, index_class.relname;

-- index_definitions --
-- How each index is made, and its size in bytes.
SELECT pg_get_indexdef(indexrelid), pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = %(table)s::regclass;

-- constraints --
-- Those that no index carries.
SELECT conname, contype::text, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE conrelid = %(table)s::regclass AND contype IN ('c', 'f')
ORDER BY conname;

-- triggers --
SELECT tgname, pg_get_triggerdef(oid)
FROM pg_trigger
WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal
ORDER BY tgname;

-- primary_key --
SELECT ARRAY(
    SELECT attname::text FROM unnest(indkey::smallint[]) WITH ORDINALITY AS part (number, place)
    JOIN pg_attribute ON attrelid = indrelid AND attnum = number
    ORDER BY place)
FROM pg_index
WHERE indrelid = %(table)s::regclass AND indisprimary;

-- dependents --
-- What would stay with the old table when the new one takes its name: foreign keys of others, and views.
SELECT conrelid::regclass::text FROM pg_constraint
WHERE confrelid = %(table)s::regclass AND contype = 'f' AND conrelid <> confrelid
UNION
SELECT ev_class::regclass::text FROM pg_depend
JOIN pg_rewrite ON pg_rewrite.oid = objid AND classid = 'pg_rewrite'::regclass
WHERE refobjid = %(table)s::regclass AND ev_class <> refobjid;

-- tables_of --
SELECT relname FROM pg_class
WHERE relnamespace = %(schema)s::regnamespace AND relkind = 'r'
ORDER BY relname;
