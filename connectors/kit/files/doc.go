// Package files is what sources of files share: finding files by pattern or
// URL, telling whether they changed, decompressing them as they stream, and
// reading CSV, JSON and Parquet into batches.
//
// Readers belong to one goroutine. They hold one record, or one batch, in
// memory at a time, never a whole file.
package files
