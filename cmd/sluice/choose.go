package main

import (
	"fmt"

	"github.com/sluicehq/sluice/job"
	"github.com/sluicehq/sluice/pipeline"
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
			return nil, usageError{fmt.Errorf("the pipeline has no stream %q", pattern)}
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
			return usageError{fmt.Errorf("--full-refresh: the pipeline has no stream %q", pattern)}
		}
	}
	return nil
}
