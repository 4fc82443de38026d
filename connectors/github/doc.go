// Package github reads repositories and what is in them from GitHub's REST API,
// of github.com or an Enterprise server.
//
// What the API makes of its lists decides how each stream is read, so that
// nothing slips through:
//
//   - issues, comments and review comments can be filtered and sorted by their
//     last change: each page is asked for as the first one since the last value,
//     so that records that move while the list is read hide no other one;
//   - pull requests cannot be filtered: the first read goes by creation, which
//     never changes, and later ones by the last change, newest first, down to
//     where the read before began;
//   - commits can be pushed, or merged, long after their dates: the head that was
//     read is remembered, and the next read asks for the commits reachable from
//     the new head and not from the old one;
//   - workflow runs come in windows of creation time with at most 1,000 runs each,
//     beginning at the oldest run that was not complete;
//   - repositories, releases and users come whole, but only the pages that
//     changed, by their ETags.
package github
