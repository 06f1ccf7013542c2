-- How far followers are, of the whole ledger: for those who ask how the service is and belong to no organization.

CREATE FUNCTION follower_states() RETURNS TABLE (
    follower text, "position" bigint, lag_events bigint, lag_seconds double precision, instance text,
    beat_seconds double precision, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT name, reached, ledger_head.position - reached,
        coalesce(extract(epoch FROM clock_timestamp() - waiting.recorded_at), 0),
        followed.instance, extract(epoch FROM clock_timestamp() - followed.beat_at), followed.problem
    FROM (
        SELECT coalesce(h.follower, t.application_name) AS name, coalesce(t.notification_id, 0) AS reached,
            h.instance, h.beat_at, h.problem
        FROM follower_heartbeats h FULL JOIN follower_tracking t ON t.application_name = h.follower
    ) AS followed
    CROSS JOIN ledger_head
    LEFT JOIN ledger_events waiting ON waiting.position = reached + 1
    ORDER BY name
$$;
COMMENT ON FUNCTION follower_states() IS 'lag_seconds: for how long the next entry has been waiting.';
REVOKE ALL ON FUNCTION follower_states() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION follower_states() TO ledger_app, ledger_follower;

-- Why streams are parked, of all organizations; whose they are is told to their owner alone.
CREATE FUNCTION parked_reasons() RETURNS TABLE (projection text, reason text, streams bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT p.projection, p.reason, count(*) FROM parked_streams p GROUP BY p.projection, p.reason ORDER BY 1, 3 DESC, 2 $$;
REVOKE ALL ON FUNCTION parked_reasons() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION parked_reasons() TO ledger_app;
