package duckdb_test

func isChild() bool { return false }
