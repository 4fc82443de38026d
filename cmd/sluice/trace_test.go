package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
)

// TestTracesAreExported sets the environment of the process, as OpenTelemetry's
// exporter reads it, and so runs before what runs in parallel.
func TestTracesAreExported(t *testing.T) {
	paths := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		paths <- r.URL.Path
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	a, _, errOut := testApp()
	stop, err := a.startTracing(t.Context(), collector.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(t.Context(), "sync")
	span.End()
	stop()
	if len(paths) != 1 || <-paths != "/v1/traces" {
		t.Errorf("the collector got no trace; %s", errOut)
	}
}

func TestKeepFlags(t *testing.T) {
	t.Parallel()
	a, _, _ := testApp()
	a.lookup = func(name string) (string, bool) {
		v, ok := map[string]string{"SLUICE_KEEP_LOGS": "3d", "SLUICE_KEEP_EVENTS": "soon"}[name]
		return v, ok
	}
	var s settings
	s.serverFlags(a, &cobra.Command{})
	if s.keep.Logs.Hours() != 72 || s.keep.Syncs.Hours() != 90*24 {
		t.Errorf("%+v", s.keep)
	}
	if s.wrong == nil {
		t.Error("SLUICE_KEEP_EVENTS=soon was taken")
	}
}
