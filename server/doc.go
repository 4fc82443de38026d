// Package server is the REST API under /api/v1 and what stands beside it: the
// OpenAPI document, its browsable pages, metrics, health and profiles. Handlers
// translate between HTTP and the packages that decide (control, access, store);
// a rule that an operator could meet lives there and not here.
//
// Every operation is registered with huma from its Go types, so the document
// cannot drift from the code, and every operation has a row in the table of
// permissions, without which it is refused.
package server

//go:generate go run -tags duckdb_arrow ./openapigen ../docs/openapi.json
