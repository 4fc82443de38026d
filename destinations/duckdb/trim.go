package duckdb

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// All threads of a program with this package share one heap of C, from before
// any thread could have its own. GNU's C library would have a heap per thread and
// keep what is free in each, and Go moves loads between threads: a sync held the
// peak of one load several times over. It costs no time that could be measured.
__attribute__((constructor)) static void one_heap(void) {
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 1);
#endif
}

// DuckDB allocates blocks and vectors with a jemalloc of its own, where it has
// one (Linux), which keeps a heap per processor and what is free for seconds: as
// above, a sync held the peak of one commit several times over. jemalloc reads
// this variable when it starts; elsewhere it is not used.
const char *duckdb_je_malloc_conf_2_conf_harder = "narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0";

static void trim(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
*/
import "C"

// trim gives memory that DuckDB freed back to the system.
func trim() { C.trim() }
