CREATE UNLOGGED TABLE "_sluice"."stage_1" ("id" bigint, "no""te" text, "doc" jsonb, "_sluice_id" text, "_sluice_synced_at" timestamp with time zone, "_sluice_op" smallint, "_sluice_seq" bigint);
