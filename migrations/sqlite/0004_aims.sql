-- +goose Up
-- Connections of which the scheduler has yet to work out when they are late: new
-- ones, and those whose objective or schedule has changed.
ALTER TABLE connection_status ADD COLUMN unaimed boolean NOT NULL DEFAULT true;
CREATE INDEX connection_status_unaimed ON connection_status (connection_id) WHERE unaimed;
