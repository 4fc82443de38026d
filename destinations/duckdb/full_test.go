package duckdb

import (
	"errors"
	"testing"

	"github.com/sluicehq/sluice"
)

// TestAFullDiskIsNoLackOfMemory: where DuckDB cannot spill it calls it one, and it
// passes as soon as there is space.
func TestAFullDiskIsNoLackOfMemory(t *testing.T) {
	t.Parallel()
	err := sluice.AsError(classify(t.Context(), "insert rows", errors.New("Out of Memory Error: failed to offload data block of size 256.0 KiB (0 bytes/154.7 KiB used).\nThis limit was set by the 'max_temp_directory_size' setting.")))
	if err.Code != "duckdb_disk_full" || err.Class != sluice.Transient {
		t.Errorf("%s, class %s", err.Code, err.Class)
	}
}
