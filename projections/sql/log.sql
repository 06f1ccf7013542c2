-- head --
SELECT position FROM ledger_head;

-- entries --
-- The newest that fit of those behind a position, oldest first. No index has requests or actors: they are asked for
-- when something went wrong.
SELECT * FROM (
    SELECT position, recorded_at, organization_id::text, originator_id::text AS stream_id,
        originator_version AS version, topic AS event, actor, source, request_id
    FROM ledger_events
    WHERE position > %(behind)s AND position <= %(position)s
      AND (%(request_id)s::text IS NULL OR request_id = %(request_id)s)
      AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    ORDER BY position DESC
    LIMIT %(last)s
) AS newest
ORDER BY position;
