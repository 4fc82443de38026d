-- +goose Up
-- How each connection is, as the health tracker sees it: a connection without a
-- row has not been seen yet, and counts as healthy.
CREATE TABLE connection_health (
    connection_id text COLLATE "C" PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    health text COLLATE "C" NOT NULL,
    since bigint NOT NULL,
    reason text COLLATE "C" NOT NULL,
    failing_since bigint NOT NULL,
    last_success_at bigint NOT NULL,
    last_failure_at bigint NOT NULL,
    failures bigint NOT NULL,
    successes bigint NOT NULL,
    flapping boolean NOT NULL,
    failure text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    incident_id text COLLATE "C" NOT NULL,
    memory text COLLATE "C" NOT NULL, -- the tracker's own
    updated_at bigint NOT NULL
);
CREATE INDEX connection_health_health ON connection_health (health, since, connection_id);
CREATE INDEX connection_health_incident ON connection_health (incident_id) WHERE incident_id <> '';

-- to_at of what still lasts is the largest number, so that one index finds all
-- that reaches into a period.
CREATE TABLE health_history (
    connection_id text COLLATE "C" NOT NULL,
    from_at bigint NOT NULL,
    to_at bigint NOT NULL,
    health text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    incident_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (connection_id, from_at)
);
CREATE INDEX health_history_to ON health_history (to_at, connection_id, from_at);
CREATE INDEX health_history_connection ON health_history (connection_id, to_at);

-- One row: how far the tracker has read the events. Its row is the lock of all
-- that the tracker keeps.
CREATE TABLE health_cursor (
    name text COLLATE "C" PRIMARY KEY,
    event_id bigint NOT NULL,
    revision bigint NOT NULL,
    incidents bigint NOT NULL, -- the last number that was given
    memory text COLLATE "C" NOT NULL,
    updated_at bigint NOT NULL
);
INSERT INTO health_cursor (name, event_id, revision, incidents, memory, updated_at) VALUES ('health', 0, 0, 0, '', 0);

CREATE TABLE incidents (
    id text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    severity text COLLATE "C" NOT NULL,
    severity_set boolean NOT NULL,
    title text COLLATE "C" NOT NULL,
    title_key text COLLATE "C" NOT NULL, -- lower case
    connector text COLLATE "C" NOT NULL,
    connector_version text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    class text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    op text COLLATE "C" NOT NULL,
    template text COLLATE "C" NOT NULL,
    sample text COLLATE "C" NOT NULL,
    team text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    connections bigint NOT NULL, -- that are in it now
    failures bigint NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    filed_at bigint NOT NULL,
    due_at bigint NOT NULL,
    acknowledged_at bigint NOT NULL,
    acknowledged_by text COLLATE "C" NOT NULL,
    assignee text COLLATE "C" NOT NULL,
    level bigint NOT NULL,
    escalated_at bigint NOT NULL,
    reminded_at bigint NOT NULL,
    resolved_at bigint NOT NULL,
    resolved_by text COLLATE "C" NOT NULL,
    downtime bigint NOT NULL, -- microseconds in which one of its connections failed
    connection_downtime bigint NOT NULL, -- summed over its connections
    reopened bigint NOT NULL,
    merged_into text COLLATE "C" NOT NULL,
    memory text COLLATE "C" NOT NULL, -- the tracker's own
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
    incident_id text COLLATE "C" NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    connection_id text COLLATE "C" NOT NULL,
    joined_at bigint NOT NULL,
    left_at bigint NOT NULL,
    failing_since bigint NOT NULL,
    last_failed_at bigint NOT NULL,
    failures bigint NOT NULL,
    last_error text COLLATE "C" NOT NULL,
    last_sync_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (incident_id, connection_id)
);
CREATE INDEX incident_connections_connection ON incident_connections (connection_id, incident_id);
CREATE INDEX incident_connections_joined ON incident_connections (incident_id, joined_at, connection_id);

-- The timeline: rows are only added, and go with their incident.
CREATE TABLE incident_events (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    incident_id text COLLATE "C" NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    at bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    actor_id text COLLATE "C" NOT NULL,
    actor_name text COLLATE "C" NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    message text COLLATE "C" NOT NULL,
    data text COLLATE "C" NOT NULL
);
CREATE INDEX incident_events_incident ON incident_events (incident_id, id);

CREATE TABLE incident_reviews (
    incident_id text COLLATE "C" PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE,
    happened text COLLATE "C" NOT NULL,
    cause text COLLATE "C" NOT NULL,
    impact text COLLATE "C" NOT NULL,
    lessons text COLLATE "C" NOT NULL,
    author text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

CREATE TABLE incident_actions (
    incident_id text COLLATE "C" NOT NULL REFERENCES incident_reviews (incident_id) ON DELETE CASCADE,
    n bigint NOT NULL,
    what text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    due_at bigint NOT NULL,
    done_at bigint NOT NULL,
    reminded_at bigint NOT NULL,
    PRIMARY KEY (incident_id, n)
);
CREATE INDEX incident_actions_due ON incident_actions (due_at) WHERE due_at > 0 AND done_at = 0;

CREATE TABLE ticket_trackers (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    enabled boolean NOT NULL,
    config text COLLATE "C" NOT NULL,
    secrets text COLLATE "C" NOT NULL,
    matches text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX ticket_trackers_name ON ticket_trackers (name_key);

CREATE TABLE tickets (
    id text COLLATE "C" PRIMARY KEY,
    incident_id text COLLATE "C" NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    tracker_id text COLLATE "C" NOT NULL,
    external_key text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    problem text COLLATE "C" NOT NULL,
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
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    enabled boolean NOT NULL,
    config text COLLATE "C" NOT NULL,
    secrets text COLLATE "C" NOT NULL,
    matches text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX channels_name ON channels (name_key);

CREATE TABLE alert_rules (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    enabled boolean NOT NULL,
    config text COLLATE "C" NOT NULL,
    matches text COLLATE "C" NOT NULL,
    severity text COLLATE "C" NOT NULL,
    channels text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX alert_rules_name ON alert_rules (name_key);

CREATE TABLE silences (
    id text COLLATE "C" PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    matches text COLLATE "C" NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL, -- the largest number: never
    weekly text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE INDEX silences_ends ON silences (ends_at, id);
CREATE INDEX silences_starts ON silences (starts_at, id);

CREATE TABLE alerts (
    id text COLLATE "C" PRIMARY KEY,
    rule_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    severity text COLLATE "C" NOT NULL,
    team text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    incident_id text COLLATE "C" NOT NULL,
    summary text COLLATE "C" NOT NULL,
    data text COLLATE "C" NOT NULL,
    since bigint NOT NULL,
    resolved_at bigint NOT NULL,
    notified_at bigint NOT NULL,
    notifications bigint NOT NULL,
    silenced_by text COLLATE "C" NOT NULL,
    memory text COLLATE "C" NOT NULL, -- of who evaluates the rules
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
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    incident_id text COLLATE "C" NOT NULL,
    alert_id text COLLATE "C" NOT NULL,
    payload text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    attempts bigint NOT NULL,
    next_at bigint NOT NULL,
    claimed_by text COLLATE "C" NOT NULL,
    claimed_until bigint NOT NULL,
    claim bigint NOT NULL,
    last_error text COLLATE "C" NOT NULL,
    answer text COLLATE "C" NOT NULL,
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
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    enabled boolean NOT NULL,
    plan text COLLATE "C" NOT NULL,
    matches text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX rotas_name ON rotas (name_key);
