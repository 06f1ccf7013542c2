-- An append in one statement: whoever holds the head row is not waited for while he travels or computes.

-- Hands out positions and the instant, completes the hashes (domain/hashing.py) and stores the entries. prefixes: what
-- is hashed before the place is known; before: the chain hash before the entry, or NULL where `earlier` is the place in
-- this list of the entry before it. For the rest of the transaction `ledger.chains` tells each stream's last chain hash,
-- and what is `timed` the instant for `pending`.
CREATE FUNCTION append_events(
    pending text, organization_ids uuid[], originator_ids uuid[], originator_versions bigint[], topics text[],
    schema_versions bigint[], states bytea[], request_ids text[], actors text[], sources text[], salts bytea[],
    state_hashes bytea[], prefixes bytea[], before bytea[], earlier bigint[],
    OUT last_position bigint, OUT at timestamptz)
LANGUAGE plpgsql AS
$$
DECLARE
    entries bigint := cardinality(prefixes);
    of_eight_bytes bytea := int4send(8);
    moment bytea;
    leaves bytea[];
    chains bytea[];
BEGIN
    -- Time never decreases. A rollback gives the positions back.
    UPDATE ledger_head
    SET position = ledger_head.position + entries, recorded_at = greatest(ledger_head.recorded_at, clock_timestamp())
    RETURNING ledger_head.position, ledger_head.recorded_at INTO last_position, at;
    moment := of_eight_bytes || int8send((extract(epoch FROM at) * 1000000)::bigint);
    FOR place IN 1..entries LOOP
        leaves[place] := sha256(prefixes[place] || of_eight_bytes || int8send(last_position - entries + place) || moment);
        chains[place] := sha256(coalesce(before[place], chains[earlier[place]]) || leaves[place]);
    END LOOP;
    INSERT INTO ledger_events (
        position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,
        request_id, actor, source, salt, state_hash, leaf_hash, chain_hash)
    SELECT last_position - entries + place, organization, originator, version, topic, schema, state, at,
        request, actor, source, salt, state_hash, leaf, chain
    FROM unnest(
        organization_ids, originator_ids, originator_versions, topics, schema_versions, states, request_ids, actors,
        sources, salts, state_hashes, leaves, chains
    ) WITH ORDINALITY AS entry (organization, originator, version, topic, schema, state, request, actor,
        source, salt, state_hash, leaf, chain, place);
    PERFORM set_config('ledger.chains', (
            SELECT jsonb_object_agg(originator, encode(chain, 'hex') ORDER BY place)
            FROM unnest(originator_ids, chains) WITH ORDINALITY AS entry (originator, chain, place))::text, true),
        set_config('ledger.pending', pending, true),
        set_config('ledger.recorded_at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), true);
END
$$;
REVOKE ALL ON FUNCTION append_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_events TO ledger_app;

-- The chain hash of the last entry that this transaction appended to a stream; NULL when it appended none.
CREATE FUNCTION appended_chain(stream uuid) RETURNS bytea
LANGUAGE sql STABLE AS
$$ SELECT decode(nullif(current_setting('ledger.chains', true), '')::jsonb ->> stream::text, 'hex') $$;
REVOKE ALL ON FUNCTION appended_chain FROM PUBLIC;
GRANT EXECUTE ON FUNCTION appended_chain TO ledger_app;

-- What was written before the instant was known, with the instant.
CREATE FUNCTION timed(written text) RETURNS text
LANGUAGE sql STABLE AS
$$
    SELECT CASE WHEN coalesce(current_setting('ledger.pending', true), '') = '' THEN written
        ELSE replace(written, current_setting('ledger.pending'), current_setting('ledger.recorded_at')) END
$$;
REVOKE ALL ON FUNCTION timed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION timed TO ledger_app;
