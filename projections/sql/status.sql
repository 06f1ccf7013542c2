-- head --
SELECT position, recorded_at FROM ledger_head;

-- followers --
SELECT follower, position, lag_events, lag_seconds, instance, beat_seconds, problem FROM follower_states();

-- checks --
SELECT kind, subject, position, passed, result, finished_at, extract(epoch FROM clock_timestamp() - finished_at)
FROM ledger_checks;

-- parked_reasons --
SELECT projection, reason, streams FROM parked_reasons();
