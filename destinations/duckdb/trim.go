package duckdb

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static void trim(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
*/
import "C"

// trim gives memory that DuckDB freed back to the system. GNU's C library has a
// heap per thread and keeps what is free in each, and Go moves loads between
// threads: without it a sync holds the peak of one load several times over.
func trim() { C.trim() }
