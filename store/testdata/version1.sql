INSERT INTO sources (id, name, name_key, kind, config, secrets, region, host, labels, team, setup, problem, checked_at, created_by, version, created_at, updated_at)
VALUES ('src_1', 'Shop', 'shop', 'shop', '{}', '{"password":"sealed"}', '', '', '{}', '', 'connected', '', 0, '', 1, 1, 1);
INSERT INTO destinations (id, name, name_key, kind, config, secrets, region, host, labels, team, setup, problem, checked_at, created_by, version, created_at, updated_at)
VALUES ('dst_1', 'Warehouse', 'warehouse', 'duckdb', '{}', '', '', '', '{}', '', 'connected', '', 0, '', 1, 1, 1);
INSERT INTO connections (id, name, name_key, source_id, destination_id, schema_name, labels, team, schedule_kind, schedule, windows, names, drift, on_lost, nested, limits,
    objective, paused, all_streams, selected_streams, created_by, version, created_at, updated_at)
VALUES ('con_1', 'Orders', 'orders', 'src_1', 'dst_1', 'raw', '{}', '', 'interval', '{"kind":"interval","every":3600000000000}', '', '', 'allow_all', '', 'json', '{}',
    0, false, true, 1, '', 3, 1, 1);
INSERT INTO connection_status (connection_id, paused, planned, open, setup, state, rescheduled_for, next_run_at, last_sync_id, last_outcome, last_success_at,
    last_failure, freshness, delayed_at, waiting, failures, epoch)
VALUES ('con_1', false, true, false, 'connected', 'scheduled', 0, 0, 'syn_1', 'succeeded', 1, '', 'on_schedule', 0, '', 0, 4);
INSERT INTO streams (connection_id, namespace, name, name_key, selected, read_mode, write_mode, cursor_column, primary_key, table_name, nested, columns)
VALUES ('con_1', '', 'orders', 'orders', true, 'incremental', 'merge', 'at', '["id"]', '', '', '');
INSERT INTO syncs (id, connection_id, started_by, kind, state, outcome, region, host, destination_id, worker_id, attempts, epoch, due_at, queued_at, admitted_at, started_at,
    ended_at, retry_at, cancel_requested, restart_requested, requested_by, resync, rows_committed, bytes_read, rejected, deleted, changes, warnings, log_lines, logged, error, updated_at)
VALUES ('syn_1', 'con_1', 'schedule', 'incremental', 'ended', 'succeeded', '', '', 'dst_1', 'wrk_1', 1, 4, 1, 1, 1, 1, 2, 0, false, false, '', '', 12, 1, 0, 0, 0, 0, 0, false, '', 2);
