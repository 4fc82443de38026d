INSERT INTO "raw"."orders" ("id", "no""te", "doc", "_sluice_id", "_sluice_synced_at") SELECT r."id", r."no""te", r."doc", r."_sluice_id", r."_sluice_synced_at" FROM (SELECT ("id")::bigint AS "id", ("no""te")::text AS "no""te", "doc", "_sluice_id", CAST(NULL AS timestamp with time zone) AS "_sluice_synced_at", "_sluice_op", "_sluice_seq" + 1099511627776 AS "_sluice_pos" FROM "_sluice"."stage_1" UNION ALL SELECT "id", "no""te", "doc", "_sluice_id", "_sluice_synced_at", "_sluice_op", "_sluice_seq" + 2199023255552 AS "_sluice_pos" FROM "_sluice"."stage_2") r WHERE TRUE;
INSERT INTO "raw"."orders__lines" ("_sluice_parent_id", "_sluice_index", "_sluice_id", "sku") SELECT r."_sluice_parent_id", r."_sluice_index", r."_sluice_id", r."sku" FROM (SELECT "_sluice_parent_id", "_sluice_index", "_sluice_id", "sku", "_sluice_op", "_sluice_seq" + 1099511627776 AS "_sluice_pos" FROM "_sluice"."stage_3") r WHERE TRUE;
INSERT INTO "raw"."orders__lines__taxes" ("_sluice_parent_id", "_sluice_index", "_sluice_id", "sku") SELECT r."_sluice_parent_id", r."_sluice_index", r."_sluice_id", r."sku" FROM (SELECT "_sluice_parent_id", "_sluice_index", "_sluice_id", "sku", "_sluice_op", "_sluice_seq" + 1099511627776 AS "_sluice_pos" FROM "_sluice"."stage_4") r WHERE TRUE;
DROP TABLE "_sluice"."stage_1";
DROP TABLE "_sluice"."stage_2";
DROP TABLE "_sluice"."stage_3";
DROP TABLE "_sluice"."stage_4";
