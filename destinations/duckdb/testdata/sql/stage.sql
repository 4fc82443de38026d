CREATE TABLE "stage_1"."main"."rows" ("id" BIGINT, "no""te" VARCHAR, "doc" JSON, "_sluice_id" VARCHAR, "_sluice_synced_at" TIMESTAMP WITH TIME ZONE, "_sluice_op" smallint, "_sluice_seq" bigint);
