package pipeline_test

import (
	"context"
	"slices"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

// TestSpansShowTheDataPath finds the spans of one sync among those of the tests
// that run beside it, and holds them to the path: sync, stream, window, stage and
// merge.
func TestSpansShowTheDataPath(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		if err := sendRow(ctx, to, 1, "a"); err != nil {
			return err
		}
		return sendRow(ctx, to, 2, "b")
	}}
	c := config(src, newMemory())
	c.Run = "traced"
	if err := pipeline.New(c).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	ended := spans.Ended()
	at := slices.IndexFunc(ended, func(s trace.ReadOnlySpan) bool {
		return s.Name() == "sync" && slices.Contains(s.Attributes(), attribute.String("sluice.run", "traced"))
	})
	if at < 0 {
		t.Fatal("the sync has no span")
	}
	ours, names := ended[at].SpanContext().TraceID(), map[string]string{}
	for _, s := range ended {
		if s.SpanContext().TraceID() == ours {
			names[s.SpanContext().SpanID().String()] = s.Name()
		}
	}
	count := map[string]int{}
	for _, s := range ended {
		if s.SpanContext().TraceID() == ours {
			count[names[s.Parent().SpanID().String()]+" → "+s.Name()]++
		}
	}
	// Two windows of a row each, and the last, which says that the read is complete.
	for edge, n := range map[string]int{" → sync": 1, "sync → stream": 1, "stream → window": 3, "window → stage": 2, "window → merge": 3} {
		if count[edge] != n {
			t.Errorf("%d spans %s, want %d; all: %v", count[edge], edge, n, count)
		}
	}
}
