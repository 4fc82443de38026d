package pipeline

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluicehq/sluice"
)

// tracer makes the spans sync → stream → window → stage and merge. They cost
// next to nothing where the process exports none.
var tracer = otel.Tracer("github.com/sluicehq/sluice/pipeline")

// endSpan ends a span; an error's class and code go with it, its text, which may
// hold values of rows, does not.
func endSpan(span trace.Span, err error) {
	if err != nil {
		e := sluice.AsError(err)
		span.SetStatus(codes.Error, e.Code)
		span.SetAttributes(attribute.String("error.type", e.Code), attribute.String("sluice.error.class", e.Class.String()))
	}
	span.End()
}

// beginSpan begins the span of a window.
func (w *window) beginSpan() {
	_, w.span = tracer.Start(w.lane.group.commits, "window", trace.WithAttributes(
		attribute.String("sluice.load", string(w.load)), attribute.Int("sluice.part", w.lane.part)))
}

// inSpan begins a span below that of the window.
func (w *window) inSpan(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	return tracer.Start(trace.ContextWithSpan(ctx, w.span), name, trace.WithAttributes(attrs...))
}
