CREATE SCHEMA IF NOT EXISTS "_sluice";
CREATE TABLE IF NOT EXISTS "_sluice"."connections" (connection text PRIMARY KEY, owner text NOT NULL, epoch bigint NOT NULL,
	run text NOT NULL, positions text NOT NULL, begun_at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS "_sluice"."loads" (load_id text NOT NULL, ordinal integer NOT NULL, connection text NOT NULL, run text NOT NULL,
	epoch bigint NOT NULL, seq bigint NOT NULL, table_schema text, table_name text, mode text,
	rows_extracted bigint NOT NULL, rows_loaded bigint NOT NULL, rows_deleted bigint NOT NULL, rows_rejected bigint NOT NULL, rows_filtered bigint NOT NULL,
	swapped boolean NOT NULL, positions text, committed_at timestamptz NOT NULL, PRIMARY KEY (load_id, ordinal));
CREATE TABLE IF NOT EXISTS "_sluice"."rejected" (load_id text NOT NULL, connection text NOT NULL, run text NOT NULL, stream_schema text, stream_name text,
	part integer NOT NULL, row_key text, column_name text, value text NOT NULL, reason text NOT NULL, whole_row boolean NOT NULL, rejected_at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS "_sluice"."shadows" (connection text NOT NULL, refresh text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL,
	shadow_name text NOT NULL, PRIMARY KEY (table_schema, shadow_name));
