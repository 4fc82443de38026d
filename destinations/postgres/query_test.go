package postgres

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/destinationtest"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// TestQueryReadsOnly: a question cannot change the data, nor leave its transaction.
func TestQueryReadsOnly(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.NewDatabase(t)
	run(t, url, `CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE SEQUENCE s;
	CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM t; RETURN 1; END';
	CREATE PROCEDURE leaves(INOUT n int) LANGUAGE plpgsql AS 'BEGIN COMMIT; DELETE FROM t; COMMIT; END';
	CREATE PROCEDURE unlocks(INOUT n int) LANGUAGE plpgsql AS 'BEGIN SET TRANSACTION READ WRITE; DELETE FROM t; END'`)
	d := openAt(t, url, "")
	defer d.Close()
	file := filepath.Join(server.Dir, t.Name())
	for query, ok := range map[string]bool{
		"SELECT 1;": true, "SELECT 1 -- one": true, "VALUES (1), (2)": true, "TABLE t": true, "SHOW search_path": true, "EXPLAIN SELECT 1": true,
		"SELECT FROM t WHERE id = $1": false, "": false, "SELEC 1": false, "SELECT 1/0": false, "SELECT * FROM missing": false,
		"DROP TABLE t": false, "DELETE FROM t": false, "DELETE FROM t RETURNING id": false, "WITH d AS (DELETE FROM t RETURNING id) SELECT * FROM d": false,
		"EXPLAIN ANALYZE DELETE FROM t": false, "SELECT * INTO u FROM t": false, "CREATE TABLE u AS SELECT 1": false, "CREATE TEMPORARY TABLE u (id int)": false,
		"COMMIT; DROP TABLE t": false, "SELECT 1; COMMIT; DROP TABLE t": false, "COMMIT": false, "ROLLBACK": false, "BEGIN READ WRITE": false,
		"SET TRANSACTION READ WRITE": false, "SET transaction_read_only = off": false, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE": false,
		"SELECT set_config('transaction_read_only', 'off', false)": false, "SELECT set_config('transaction_read_only', 'off', true), writes()": false,
		"SELECT writes()": false, "CALL leaves(1)": false, "CALL unlocks(1)": false, "DO 'BEGIN DELETE FROM t; END'": false, "SELECT nextval('s')": false,
		"COPY t TO '" + file + "'": false, "COPY t TO PROGRAM 'cat > " + file + "'": false, "COPY t TO STDOUT": false, "COPY t FROM STDIN": false,
		"PREPARE p AS DELETE FROM t": false, "LISTEN c": false, "LOCK TABLE t": false, "DECLARE c CURSOR FOR SELECT 1": false,
	} {
		_, err := destinationtest.Query(d, query)
		if (err == nil) != ok {
			t.Errorf("%s: %v", query, err)
		}
		if e := sluice.AsError(err); err != nil && (e.Class != sluice.Config || e.Code != "postgres_query") {
			t.Errorf("%s: %v %s, %v", query, e.Class, e.Code, err)
		}
		if rows, err := destinationtest.Query(d, "SELECT id, NULL, 1.50 FROM public.t"); err != nil || len(rows) != 1 || rows[0][0] != "1" || rows[0][1] != nil || rows[0][2] != "1.50" {
			t.Fatalf("after %s: %v, %v", query, rows, err)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a query wrote a file: %v", err)
	}
	run(t, url, "DROP TABLE t") // nothing holds a lock on it
}
