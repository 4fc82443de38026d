-- +goose Up
CREATE TABLE sources (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL, -- lower case
    kind text COLLATE "C" NOT NULL,
    config text COLLATE "C" NOT NULL,
    secrets text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    team text COLLATE "C" NOT NULL,
    setup text COLLATE "C" NOT NULL,
    problem text COLLATE "C" NOT NULL,
    checked_at bigint NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX sources_name ON sources (name_key);
CREATE INDEX sources_created ON sources (created_at, id);
CREATE INDEX sources_updated ON sources (updated_at, id);
CREATE INDEX sources_kind ON sources (kind, id);

CREATE TABLE destinations (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    config text COLLATE "C" NOT NULL,
    secrets text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    team text COLLATE "C" NOT NULL,
    setup text COLLATE "C" NOT NULL,
    problem text COLLATE "C" NOT NULL,
    checked_at bigint NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX destinations_name ON destinations (name_key);
CREATE INDEX destinations_created ON destinations (created_at, id);
CREATE INDEX destinations_updated ON destinations (updated_at, id);
CREATE INDEX destinations_kind ON destinations (kind, id);

CREATE TABLE catalogue (
    source_id text COLLATE "C" NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    seen_at bigint NOT NULL,
    PRIMARY KEY (source_id, namespace, name)
);

CREATE TABLE connections (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    source_id text COLLATE "C" NOT NULL REFERENCES sources (id),
    destination_id text COLLATE "C" NOT NULL REFERENCES destinations (id),
    schema_name text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    team text COLLATE "C" NOT NULL,
    schedule_kind text COLLATE "C" NOT NULL,
    schedule text COLLATE "C" NOT NULL,
    windows text COLLATE "C" NOT NULL,
    names text COLLATE "C" NOT NULL,
    drift text COLLATE "C" NOT NULL,
    on_lost text COLLATE "C" NOT NULL,
    nested text COLLATE "C" NOT NULL,
    limits text COLLATE "C" NOT NULL,
    objective bigint NOT NULL, -- microseconds
    paused boolean NOT NULL,
    all_streams boolean NOT NULL,
    selected_streams bigint NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX connections_name ON connections (name_key);
CREATE INDEX connections_source ON connections (source_id, name_key, id);
CREATE INDEX connections_destination ON connections (destination_id, name_key, id);
CREATE INDEX connections_created ON connections (created_at, id);
CREATE INDEX connections_updated ON connections (updated_at, id);

-- What the scheduler writes of a connection, apart from what people set: it
-- changes with each sync, and its row is the lock of the connection's runs.
CREATE TABLE connection_status (
    connection_id text COLLATE "C" PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    paused boolean NOT NULL, -- as in connections
    planned boolean NOT NULL, -- runs by itself, so that it needs a next run
    open boolean NOT NULL, -- has a sync that has not ended
    setup text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    rescheduled_for bigint NOT NULL,
    next_run_at bigint NOT NULL,
    last_sync_id text COLLATE "C" NOT NULL,
    last_outcome text COLLATE "C" NOT NULL,
    last_success_at bigint NOT NULL,
    last_failure text COLLATE "C" NOT NULL,
    freshness text COLLATE "C" NOT NULL,
    delayed_at bigint NOT NULL,
    waiting text COLLATE "C" NOT NULL,
    failures bigint NOT NULL,
    epoch bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX connection_status_due ON connection_status (next_run_at) WHERE next_run_at > 0 AND NOT paused AND NOT open;
CREATE INDEX connection_status_unplanned ON connection_status (connection_id) WHERE next_run_at = 0 AND planned AND NOT paused AND NOT open;
CREATE INDEX connection_status_silent ON connection_status (delayed_at) WHERE delayed_at > 0 AND freshness = 'on_schedule' AND NOT paused;
CREATE INDEX connection_status_next ON connection_status (next_run_at, connection_id);
CREATE INDEX connection_status_success ON connection_status (last_success_at, connection_id);
CREATE INDEX connection_status_state ON connection_status (state, connection_id);

CREATE TABLE dependencies (
    connection_id text COLLATE "C" NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    depends_on text COLLATE "C" NOT NULL REFERENCES connections (id),
    PRIMARY KEY (connection_id, depends_on)
);
CREATE INDEX dependencies_on ON dependencies (depends_on);

CREATE TABLE streams (
    connection_id text COLLATE "C" NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    selected boolean NOT NULL,
    read_mode text COLLATE "C" NOT NULL,
    write_mode text COLLATE "C" NOT NULL,
    cursor_column text COLLATE "C" NOT NULL,
    primary_key text COLLATE "C" NOT NULL,
    table_name text COLLATE "C" NOT NULL,
    nested text COLLATE "C" NOT NULL,
    columns text COLLATE "C" NOT NULL,
    PRIMARY KEY (connection_id, namespace, name)
);

-- Syncs and what hangs on them outlive their connection until they are pruned.
CREATE TABLE syncs (
    id text COLLATE "C" PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL,
    started_by text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    destination_id text COLLATE "C" NOT NULL,
    worker_id text COLLATE "C" NOT NULL,
    attempts bigint NOT NULL,
    epoch bigint NOT NULL,
    due_at bigint NOT NULL,
    queued_at bigint NOT NULL,
    admitted_at bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    retry_at bigint NOT NULL,
    cancel_requested boolean NOT NULL,
    restart_requested boolean NOT NULL,
    requested_by text COLLATE "C" NOT NULL,
    resync text COLLATE "C" NOT NULL,
    rows_committed bigint NOT NULL,
    bytes_read bigint NOT NULL,
    rejected bigint NOT NULL,
    deleted bigint NOT NULL,
    changes bigint NOT NULL,
    warnings bigint NOT NULL,
    log_lines bigint NOT NULL,
    logged boolean NOT NULL, -- has lines that are kept
    error text COLLATE "C" NOT NULL,
    updated_at bigint NOT NULL
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX syncs_one_open ON syncs (connection_id) WHERE state <> 'ended'; -- one run per connection
CREATE INDEX syncs_waiting ON syncs (kind, due_at, id) WHERE state IN ('queued', 'retrying');
CREATE INDEX syncs_active ON syncs (admitted_at) WHERE state <> 'ended' AND admitted_at > 0; -- take a worker's slot
CREATE INDEX syncs_of_connection ON syncs (connection_id, queued_at, id);
CREATE INDEX syncs_queued ON syncs (queued_at, id);
CREATE INDEX syncs_ended ON syncs (ended_at, id);
CREATE INDEX syncs_outcome ON syncs (outcome, queued_at, id);
CREATE INDEX syncs_kind ON syncs (kind, queued_at, id);
CREATE INDEX syncs_started_by ON syncs (started_by, queued_at, id);
CREATE INDEX syncs_open ON syncs (queued_at, id) WHERE state <> 'ended';
CREATE INDEX syncs_worker ON syncs (worker_id, queued_at, id);
CREATE INDEX syncs_logged ON syncs (ended_at) WHERE logged AND ended_at > 0;

CREATE TABLE attempts (
    sync_id text COLLATE "C" NOT NULL REFERENCES syncs (id) ON DELETE CASCADE,
    n bigint NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    worker_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    started_at bigint NOT NULL,
    heartbeat_at bigint NOT NULL,
    lease_until bigint NOT NULL,
    ended_at bigint NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    error text COLLATE "C" NOT NULL,
    rows_committed bigint NOT NULL,
    bytes_read bigint NOT NULL,
    rejected bigint NOT NULL,
    deleted bigint NOT NULL,
    changes bigint NOT NULL,
    PRIMARY KEY (sync_id, n)
) WITH (fillfactor = 80);
CREATE INDEX attempts_open ON attempts (sync_id) WHERE ended_at = 0;

CREATE TABLE attempt_streams (
    sync_id text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    table_schema text COLLATE "C" NOT NULL,
    table_name text COLLATE "C" NOT NULL,
    phase text COLLATE "C" NOT NULL,
    rows_read bigint NOT NULL,
    bytes_read bigint NOT NULL,
    committed bigint NOT NULL,
    total bigint NOT NULL,
    extracted bigint NOT NULL,
    rejected bigint NOT NULL,
    filtered bigint NOT NULL,
    loaded bigint NOT NULL,
    deleted bigint NOT NULL,
    changes bigint NOT NULL,
    loads bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    error text COLLATE "C" NOT NULL,
    PRIMARY KEY (sync_id, n, namespace, name),
    FOREIGN KEY (sync_id, n) REFERENCES attempts (sync_id, n) ON DELETE CASCADE
) WITH (fillfactor = 80);

CREATE TABLE sync_logs (
    sync_id text COLLATE "C" NOT NULL REFERENCES syncs (id) ON DELETE CASCADE,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    level text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    message text COLLATE "C" NOT NULL,
    attrs text COLLATE "C" NOT NULL,
    PRIMARY KEY (sync_id, seq)
);

CREATE TABLE stream_stats (
    connection_id text COLLATE "C" NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    table_schema text COLLATE "C" NOT NULL,
    table_name text COLLATE "C" NOT NULL,
    rows_total bigint NOT NULL,
    bytes_total bigint NOT NULL,
    estimate bigint NOT NULL,
    last_sync text COLLATE "C" NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (connection_id, namespace, name)
) WITH (fillfactor = 80);

-- Loads between prepare and commit.
CREATE TABLE journal (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    load_id text COLLATE "C" NOT NULL,
    sync_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    manifest text COLLATE "C" NOT NULL,
    prepared_at bigint NOT NULL
);
CREATE UNIQUE INDEX journal_load ON journal (connection_id, load_id);
CREATE INDEX journal_order ON journal (connection_id, id);

CREATE TABLE state_history (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    positions text COLLATE "C" NOT NULL,
    load_id text COLLATE "C" NOT NULL,
    sync_id text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    restored_from bigint NOT NULL,
    made_by text COLLATE "C" NOT NULL
);
CREATE INDEX state_history_stream ON state_history (connection_id, namespace, name, id);
CREATE INDEX state_history_connection ON state_history (connection_id, id);

-- The current entry of each stream in state_history.
CREATE TABLE states (
    connection_id text COLLATE "C" NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    entry_id bigint NOT NULL,
    kept bigint NOT NULL, -- entries of the stream in state_history
    PRIMARY KEY (connection_id, namespace, name)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX states_entry ON states (entry_id);

CREATE TABLE schema_versions (
    connection_id text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    shape text COLLATE "C" NOT NULL,
    sync_id text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (connection_id, namespace, name, n)
);
CREATE INDEX schema_versions_at ON schema_versions (connection_id, at);

CREATE TABLE drift_events (
    id text COLLATE "C" PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL,
    sync_id text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    column_name text COLLATE "C" NOT NULL,
    before_shape text COLLATE "C" NOT NULL,
    after_shape text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    decided_by text COLLATE "C" NOT NULL,
    decided_at bigint NOT NULL
);
CREATE UNIQUE INDEX drift_events_pending ON drift_events (connection_id, namespace, name, kind, column_name) WHERE state = 'pending';
CREATE INDEX drift_events_connection ON drift_events (connection_id, id);
CREATE INDEX drift_events_state ON drift_events (state, id);

CREATE TABLE events (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    sync_id text COLLATE "C" NOT NULL,
    data text COLLATE "C" NOT NULL
);
CREATE INDEX events_connection ON events (connection_id, id);
CREATE INDEX events_sync ON events (sync_id, id);

CREATE TABLE users (
    id text COLLATE "C" PRIMARY KEY,
    email text COLLATE "C" NOT NULL,
    email_key text COLLATE "C" NOT NULL, -- lower case
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    password_hash text COLLATE "C" NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    disabled boolean NOT NULL,
    last_login_at bigint NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (email_key);
CREATE UNIQUE INDEX users_subject ON users (issuer, subject) WHERE subject <> '';
CREATE INDEX users_name ON users (name_key, id);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_last_login ON users (last_login_at, id);

CREATE TABLE sessions (
    hash text COLLATE "C" PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    csrf text COLLATE "C" NOT NULL,
    ip text COLLATE "C" NOT NULL,
    user_agent text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, seen_at);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE tokens (
    id text COLLATE "C" PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    hint text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    connections text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    last_used_ip text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE INDEX tokens_user ON tokens (user_id, created_at, id);
CREATE INDEX tokens_created ON tokens (created_at, id);
CREATE INDEX tokens_name ON tokens (name_key, id);
CREATE INDEX tokens_last_used ON tokens (last_used_at, id);
CREATE INDEX tokens_over ON tokens (expires_at) WHERE expires_at > 0;
CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at > 0;

CREATE TABLE grants (
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    connection_id text COLLATE "C" NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    role text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (user_id, connection_id)
);
CREATE INDEX grants_connection ON grants (connection_id, user_id);

CREATE TABLE one_times (
    hash text COLLATE "C" PRIMARY KEY,
    purpose text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    data text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint NOT NULL
);
CREATE INDEX one_times_purpose ON one_times (purpose, user_id);
CREATE INDEX one_times_expires ON one_times (expires_at);

CREATE TABLE counters (
    key text COLLATE "C" PRIMARY KEY,
    n bigint NOT NULL,
    until_at bigint NOT NULL
);
CREATE INDEX counters_until ON counters (until_at);

CREATE TABLE audit (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    actor_id text COLLATE "C" NOT NULL,
    actor_name text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    object_name text COLLATE "C" NOT NULL,
    before_value text COLLATE "C" NOT NULL,
    after_value text COLLATE "C" NOT NULL,
    ip text COLLATE "C" NOT NULL,
    user_agent text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL
);
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_actor ON audit (actor_id, at, id);
CREATE INDEX audit_object ON audit (object_id, at, id);
CREATE INDEX audit_type ON audit (object_type, at, id);
CREATE INDEX audit_action ON audit (action, at, id);

-- Entries before this time may be deleted; all others, and every change, the
-- triggers refuse.
CREATE TABLE audit_horizon (
    before_at bigint NOT NULL
);
INSERT INTO audit_horizon (before_at) VALUES (0);
-- +goose StatementBegin
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < (SELECT before_at FROM audit_horizon) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log cannot be changed';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

CREATE TABLE workers (
    id text COLLATE "C" PRIMARY KEY,
    region text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    pid bigint NOT NULL,
    capacity bigint NOT NULL,
    running bigint NOT NULL,
    queues text COLLATE "C" NOT NULL,
    draining boolean NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL
);
CREATE INDEX workers_region ON workers (region, id);
CREATE INDEX workers_seen ON workers (seen_at, id);
CREATE INDEX workers_started ON workers (started_at, id);

CREATE TABLE leases (
    name text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    until_at bigint NOT NULL,
    term bigint NOT NULL
);

CREATE TABLE plans (
    id text COLLATE "C" PRIMARY KEY,
    action text COLLATE "C" NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    request text COLLATE "C" NOT NULL,
    effects text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint NOT NULL,
    used_by text COLLATE "C" NOT NULL
);
CREATE INDEX plans_connection ON plans (connection_id, id);
CREATE INDEX plans_expires ON plans (expires_at);

CREATE TABLE operations (
    id text COLLATE "C" PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    done bigint NOT NULL,
    total bigint NOT NULL,
    message text COLLATE "C" NOT NULL,
    result text COLLATE "C" NOT NULL,
    error text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    cancel_requested boolean NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    ended_at bigint NOT NULL
);
CREATE INDEX operations_object ON operations (object_id, id);
CREATE INDEX operations_ended ON operations (ended_at) WHERE ended_at > 0;
CREATE INDEX operations_running ON operations (updated_at) WHERE state = 'running';

CREATE TABLE idempotency (
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    request text COLLATE "C" NOT NULL,
    done boolean NOT NULL,
    status bigint NOT NULL,
    header text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE settings (
    key text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    updated_at bigint NOT NULL
);

-- Connections that were deleted, until what they left behind is pruned.
CREATE TABLE deleted_connections (
    connection_id text COLLATE "C" PRIMARY KEY,
    at bigint NOT NULL
);
