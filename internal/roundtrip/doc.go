// Package roundtrip holds the proofs from end to end: the real binary, real
// servers and files, values compared one by one with where they came from. It
// has tests only.
package roundtrip
