-- +goose Up
-- Who loads a table, of all connections: names of tables are compared whatever the case.
CREATE INDEX stream_stats_table ON stream_stats (lower(table_name));
