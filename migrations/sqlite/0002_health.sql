-- +goose Up
-- How each connection is, as the health tracker sees it: a connection without a
-- row has not been seen yet, and counts as healthy.
CREATE TABLE connection_health (
    connection_id text PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    health text NOT NULL,
    since bigint NOT NULL,
    reason text NOT NULL,
    failing_since bigint NOT NULL,
    last_success_at bigint NOT NULL,
    last_failure_at bigint NOT NULL,
    failures bigint NOT NULL,
    successes bigint NOT NULL,
    flapping boolean NOT NULL,
    failure text NOT NULL,
    fingerprint text NOT NULL,
    incident_id text NOT NULL,
    memory text NOT NULL, -- the tracker's own
    updated_at bigint NOT NULL
);
CREATE INDEX connection_health_health ON connection_health (health, since, connection_id);
CREATE INDEX connection_health_incident ON connection_health (incident_id) WHERE incident_id <> '';

-- to_at of what still lasts is the largest number, so that one index finds all
-- that reaches into a period.
CREATE TABLE health_history (
    connection_id text NOT NULL,
    from_at bigint NOT NULL,
    to_at bigint NOT NULL,
    health text NOT NULL,
    reason text NOT NULL,
    incident_id text NOT NULL,
    PRIMARY KEY (connection_id, from_at)
);
CREATE INDEX health_history_to ON health_history (to_at, connection_id, from_at);
CREATE INDEX health_history_connection ON health_history (connection_id, to_at);

-- One row: how far the tracker has read the events. Its row is the lock of all
-- that the tracker keeps.
CREATE TABLE health_cursor (
    name text PRIMARY KEY,
    event_id bigint NOT NULL,
    revision bigint NOT NULL,
    incidents bigint NOT NULL, -- the last number that was given
    memory text NOT NULL,
    updated_at bigint NOT NULL
);
INSERT INTO health_cursor (name, event_id, revision, incidents, memory, updated_at) VALUES ('health', 0, 0, 0, '', 0);

CREATE TABLE incidents (
    id text PRIMARY KEY,
    number bigint NOT NULL,
    fingerprint text NOT NULL,
    scope text NOT NULL,
    subject text NOT NULL,
    state text NOT NULL,
    severity text NOT NULL,
    severity_set boolean NOT NULL,
    title text NOT NULL,
    title_key text NOT NULL, -- lower case
    connector text NOT NULL,
    connector_version text NOT NULL,
    code text NOT NULL,
    class text NOT NULL,
    stream text NOT NULL,
    op text NOT NULL,
    template text NOT NULL,
    sample text NOT NULL,
    team text NOT NULL,
    labels text NOT NULL,
    connections bigint NOT NULL, -- that are in it now
    failures bigint NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    filed_at bigint NOT NULL,
    due_at bigint NOT NULL,
    acknowledged_at bigint NOT NULL,
    acknowledged_by text NOT NULL,
    assignee text NOT NULL,
    level bigint NOT NULL,
    escalated_at bigint NOT NULL,
    reminded_at bigint NOT NULL,
    resolved_at bigint NOT NULL,
    resolved_by text NOT NULL,
    downtime bigint NOT NULL, -- microseconds in which one of its connections failed
    connection_downtime bigint NOT NULL, -- summed over its connections
    reopened bigint NOT NULL,
    merged_into text NOT NULL,
    memory text NOT NULL, -- the tracker's own
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX incidents_number ON incidents (number);
CREATE INDEX incidents_state ON incidents (state, number);
CREATE INDEX incidents_open ON incidents (number) WHERE state IN ('open', 'acknowledged');
CREATE INDEX incidents_fingerprint ON incidents (fingerprint, number);
CREATE INDEX incidents_connector ON incidents (connector, number);
CREATE INDEX incidents_team ON incidents (team, number);
CREATE INDEX incidents_assignee ON incidents (assignee, number);
CREATE INDEX incidents_severity ON incidents (severity, id);
CREATE INDEX incidents_first_seen ON incidents (first_seen, id);
CREATE INDEX incidents_last_seen ON incidents (last_seen, id);
CREATE INDEX incidents_due ON incidents (due_at, id);
CREATE INDEX incidents_connections ON incidents (connections, id);
CREATE INDEX incidents_resolved ON incidents (resolved_at) WHERE resolved_at > 0;

CREATE TABLE incident_connections (
    incident_id text NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    connection_id text NOT NULL,
    joined_at bigint NOT NULL,
    left_at bigint NOT NULL,
    failing_since bigint NOT NULL,
    last_failed_at bigint NOT NULL,
    failures bigint NOT NULL,
    last_error text NOT NULL,
    last_sync_id text NOT NULL,
    PRIMARY KEY (incident_id, connection_id)
);
CREATE INDEX incident_connections_connection ON incident_connections (connection_id, incident_id);
CREATE INDEX incident_connections_joined ON incident_connections (incident_id, joined_at, connection_id);

-- The timeline: rows are only added, and go with their incident.
CREATE TABLE incident_events (
    id integer PRIMARY KEY AUTOINCREMENT,
    incident_id text NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    at bigint NOT NULL,
    kind text NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    connection_id text NOT NULL,
    message text NOT NULL,
    data text NOT NULL
);
CREATE INDEX incident_events_incident ON incident_events (incident_id, id);

CREATE TABLE incident_reviews (
    incident_id text PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE,
    happened text NOT NULL,
    cause text NOT NULL,
    impact text NOT NULL,
    lessons text NOT NULL,
    author text NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

CREATE TABLE incident_actions (
    incident_id text NOT NULL REFERENCES incident_reviews (incident_id) ON DELETE CASCADE,
    n bigint NOT NULL,
    what text NOT NULL,
    owner text NOT NULL,
    due_at bigint NOT NULL,
    done_at bigint NOT NULL,
    reminded_at bigint NOT NULL,
    PRIMARY KEY (incident_id, n)
);
CREATE INDEX incident_actions_due ON incident_actions (due_at) WHERE due_at > 0 AND done_at = 0;

CREATE TABLE ticket_trackers (
    id text PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL,
    kind text NOT NULL,
    enabled boolean NOT NULL,
    config text NOT NULL,
    secrets text NOT NULL,
    matches text NOT NULL,
    created_by text NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX ticket_trackers_name ON ticket_trackers (name_key);

CREATE TABLE tickets (
    id text PRIMARY KEY,
    incident_id text NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    tracker_id text NOT NULL,
    external_key text NOT NULL,
    url text NOT NULL,
    state text NOT NULL,
    problem text NOT NULL,
    reopened bigint NOT NULL,
    commented_at bigint NOT NULL,
    opened_at bigint NOT NULL,
    closed_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX tickets_one ON tickets (incident_id, tracker_id);
CREATE INDEX tickets_tracker ON tickets (tracker_id, id);
CREATE INDEX tickets_state ON tickets (state, id);

CREATE TABLE channels (
    id text PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL,
    kind text NOT NULL,
    enabled boolean NOT NULL,
    config text NOT NULL,
    secrets text NOT NULL,
    matches text NOT NULL,
    created_by text NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX channels_name ON channels (name_key);

CREATE TABLE alert_rules (
    id text PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL,
    kind text NOT NULL,
    enabled boolean NOT NULL,
    config text NOT NULL,
    matches text NOT NULL,
    severity text NOT NULL,
    channels text NOT NULL,
    created_by text NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX alert_rules_name ON alert_rules (name_key);

CREATE TABLE silences (
    id text PRIMARY KEY,
    kind text NOT NULL,
    reason text NOT NULL,
    matches text NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL, -- the largest number: never
    weekly text NOT NULL,
    created_by text NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE INDEX silences_ends ON silences (ends_at, id);
CREATE INDEX silences_starts ON silences (starts_at, id);

CREATE TABLE alerts (
    id text PRIMARY KEY,
    rule_id text NOT NULL,
    subject text NOT NULL,
    state text NOT NULL,
    severity text NOT NULL,
    team text NOT NULL,
    labels text NOT NULL,
    connection_id text NOT NULL,
    incident_id text NOT NULL,
    summary text NOT NULL,
    data text NOT NULL,
    since bigint NOT NULL,
    resolved_at bigint NOT NULL,
    notified_at bigint NOT NULL,
    notifications bigint NOT NULL,
    silenced_by text NOT NULL,
    memory text NOT NULL, -- of who evaluates the rules
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX alerts_one ON alerts (rule_id, subject) WHERE state = 'firing';
CREATE INDEX alerts_firing ON alerts (since, id) WHERE state = 'firing';
CREATE INDEX alerts_since ON alerts (since, id);
CREATE INDEX alerts_rule ON alerts (rule_id, since, id);
CREATE INDEX alerts_connection ON alerts (connection_id, since, id);
CREATE INDEX alerts_incident ON alerts (incident_id, since, id);
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at > 0;

-- All that is to leave the house, and the log of what has.
CREATE TABLE outbox (
    seq integer PRIMARY KEY AUTOINCREMENT,
    id text NOT NULL,
    key text NOT NULL,
    kind text NOT NULL,
    target text NOT NULL,
    lane text NOT NULL,
    incident_id text NOT NULL,
    alert_id text NOT NULL,
    payload text NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    next_at bigint NOT NULL,
    claimed_by text NOT NULL,
    claimed_until bigint NOT NULL,
    claim bigint NOT NULL,
    last_error text NOT NULL,
    answer text NOT NULL,
    created_at bigint NOT NULL,
    ended_at bigint NOT NULL
);
CREATE UNIQUE INDEX outbox_id ON outbox (id);
CREATE UNIQUE INDEX outbox_key ON outbox (key);
CREATE INDEX outbox_due ON outbox (next_at, seq) WHERE state = 'waiting';
CREATE INDEX outbox_lane ON outbox (lane, seq) WHERE state = 'waiting';
CREATE INDEX outbox_state ON outbox (state, seq);
CREATE INDEX outbox_target ON outbox (target, seq);
CREATE INDEX outbox_incident ON outbox (incident_id, seq);
CREATE INDEX outbox_alert ON outbox (alert_id, seq);
CREATE INDEX outbox_ended ON outbox (ended_at) WHERE ended_at > 0;

CREATE TABLE rotas (
    id text PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL,
    enabled boolean NOT NULL,
    plan text NOT NULL,
    matches text NOT NULL,
    created_by text NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX rotas_name ON rotas (name_key);
