-- by_keys --
-- A patient is asked for in order, not by equality: with the statistics of a fast growing table, any index that has the
-- organization and the id looks as good as the key.
SELECT found.fold
FROM (
    SELECT DISTINCT patient_id FROM match_keys
    WHERE organization_id = %(organization)s
      AND (kind, key) IN (SELECT * FROM unnest(%(kinds)s::text[], %(keys)s::text[]))
    ORDER BY patient_id
    LIMIT %(limit)s
) AS hit
CROSS JOIN LATERAL (
    SELECT fold FROM patients
    WHERE organization_id = %(organization)s AND id >= patient_id AND id <= patient_id
    ORDER BY id LIMIT 1
) AS found;

-- by_name --
-- Ranges in place of LIKE, which finds no index when its pattern is a parameter; the order is the index's own. With a
-- first name and without are two statements: an OR between them is no condition of the index, and then every patient
-- whose last name fits is read.
SELECT found.fold
FROM unnest(%(lasts)s::text[], %(lasts_end)s::text[], %(firsts)s::text[], %(firsts_end)s::text[])
    AS wanted (last, last_end, first, first_end)
CROSS JOIN LATERAL (
    (
        SELECT fold FROM patients
        WHERE organization_id = %(organization)s AND last_name ~>=~ last AND last_name ~<~ last_end AND first = ''
        ORDER BY last_name USING ~<~, first_name USING ~<~, id
        LIMIT %(limit)s
    ) UNION ALL (
        SELECT fold FROM patients
        WHERE organization_id = %(organization)s AND last_name ~>=~ last AND last_name ~<~ last_end
          AND first <> '' AND first_name ~>=~ first AND first_name ~<~ first_end
        ORDER BY last_name USING ~<~, first_name USING ~<~, id
        LIMIT %(limit)s
    )
) AS found;

-- by_first_name --
-- Of a patient without a last name; one that was merged or erased has no first name here either.
SELECT fold FROM patients
WHERE organization_id = %(organization)s AND last_name IS NULL
  AND first_name ~>=~ %(first)s AND first_name ~<~ %(first_end)s
ORDER BY first_name USING ~<~, id
LIMIT %(limit)s;
