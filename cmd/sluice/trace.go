package main

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"

	"github.com/sluicehq/sluice"
)

// exportTime bounds the export of the last spans at the end of a process.
const exportTime = 5 * time.Second

// startTracing sends spans to the endpoint of OTEL_EXPORTER_OTLP_ENDPOINT, by
// HTTP, with what else OpenTelemetry's own variables say. Without an endpoint
// there are none. The end of the process calls stop.
func (a *app) startTracing(ctx context.Context, endpoint string) (stop func(), err error) {
	if endpoint == "" {
		return func() {}, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, sluice.Errorf(sluice.Config, "otlp_endpoint", "export traces", "see OTEL_EXPORTER_OTLP_ENDPOINT and its sister variables", "%w", err)
	}
	what := resource.NewSchemaless(semconv.ServiceName("sluice"), semconv.ServiceVersion(version()), semconv.ServiceInstanceID(hostname()))
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(what))
	otel.SetTracerProvider(provider)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), exportTime)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			a.note("Warning: the last traces could not be exported: " + err.Error())
		}
	}, nil
}
