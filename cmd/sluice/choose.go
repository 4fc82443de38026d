package main

import (
	"fmt"
	"strings"

	"github.com/sluicehq/sluice/job"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/spec"
)

// restrict keeps the streams that --streams names.
func restrict(streams []pipeline.Stream, only []string) ([]pipeline.Stream, error) {
	if len(only) == 0 {
		return streams, nil
	}
	var kept []pipeline.Stream
	for _, pattern := range only {
		before := len(kept)
		for _, s := range streams {
			if job.Matches(pattern, s.Selection.Stream.Name) {
				kept = append(kept, s)
			}
		}
		if len(kept) == before {
			return nil, noStream("--streams", streams, pattern)
		}
	}
	return kept, nil
}

// resync marks the streams that --full-refresh names.
func resync(streams []pipeline.Stream, patterns []string) error {
	for _, pattern := range patterns {
		found := false
		for i := range streams {
			if job.Matches(pattern, streams[i].Selection.Stream.Name) {
				streams[i].Resync, found = true, true
			}
		}
		if !found {
			return noStream("--full-refresh", streams, pattern)
		}
	}
	return nil
}

// noStream says that a flag names no stream of the pipeline, and the nearest one.
func noStream(flag string, streams []pipeline.Stream, name string) error {
	var names []string
	for _, s := range streams {
		known := s.Selection.Stream.Name
		if names = append(names, known.Name); strings.Contains(name, ".") {
			names = append(names, known.String())
		}
	}
	return usageError{fmt.Errorf("%s: the pipeline has no stream %q%s", flag, name, spec.DidYouMean(name, names))}
}
