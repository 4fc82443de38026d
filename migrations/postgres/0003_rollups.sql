-- +goose Up
-- What syncs did, by connection and day (of UTC, counted from 1970), for strips
-- and charts: kept longer than the syncs.
CREATE TABLE connection_days (
    day bigint NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    succeeded bigint NOT NULL,
    warned bigint NOT NULL,
    failed bigint NOT NULL,
    rescheduled bigint NOT NULL,
    cancelled bigint NOT NULL,
    rows_committed bigint NOT NULL,
    bytes_read bigint NOT NULL,
    took bigint NOT NULL, -- microseconds from start to end
    PRIMARY KEY (day, connection_id)
);

-- The same of all connections by hour, counted from 1970.
CREATE TABLE fleet_hours (
    hour bigint PRIMARY KEY,
    succeeded bigint NOT NULL,
    warned bigint NOT NULL,
    failed bigint NOT NULL,
    rescheduled bigint NOT NULL,
    cancelled bigint NOT NULL,
    rows_committed bigint NOT NULL,
    bytes_read bigint NOT NULL,
    took bigint NOT NULL
);

-- The last sync that has ended, so that lists of all connections need not look
-- for it; rev grows with each change of the row.
ALTER TABLE connection_status ADD COLUMN ended_sync_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE connection_status ADD COLUMN ended_at bigint NOT NULL DEFAULT 0;
ALTER TABLE connection_status ADD COLUMN ended_rows bigint NOT NULL DEFAULT 0;
ALTER TABLE connection_status ADD COLUMN ended_took bigint NOT NULL DEFAULT 0;
ALTER TABLE connection_status ADD COLUMN rev bigint NOT NULL DEFAULT 0;
UPDATE connection_status SET ended_sync_id = last_sync_id,
    ended_at = (SELECT y.ended_at FROM syncs y WHERE y.id = last_sync_id),
    ended_rows = (SELECT y.rows_committed FROM syncs y WHERE y.id = last_sync_id),
    ended_took = (SELECT CASE WHEN y.started_at > 0 THEN y.ended_at - y.started_at ELSE 0 END FROM syncs y WHERE y.id = last_sync_id)
WHERE NOT open AND EXISTS (SELECT 1 FROM syncs y WHERE y.id = last_sync_id AND y.ended_at > 0);
