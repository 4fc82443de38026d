// Package thin spares tests that go through very many cases most of them while the
// race detector is on: it makes each take ten to fifteen times as long, and finds in
// a few what it finds in all. `make test` runs the packages of such tests without it
// as well (SAMPLED in the Makefile, which a test holds to be all of them).
package thin

// By returns n under the race detector, else 1: one in so many cases is to be run.
func By(n int) int {
	if raced {
		return n
	}
	return 1
}
