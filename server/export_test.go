package server

import (
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

// Route is a route of the router, for tests.
type Route struct{ Method, Path, Operation string }

// Rules returns the ids that have a rule in force.
func Rules(s *Server) map[string]bool {
	ids := map[string]bool{}
	for id := range s.s.rules {
		ids[id] = true
	}
	return ids
}

// Routes walks the router. HEAD of what has GET is left out.
func Routes(t *testing.T, s *Server) (all []Route) {
	t.Helper()
	named := map[string]string{}
	api := (&server{}).register(nil)
	for path, item := range api.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
			http.MethodPatch: item.Patch, http.MethodDelete: item.Delete} {
			if op != nil {
				named[method+" "+path] = op.OperationID
			}
		}
	}
	err := chi.Walk(s.handler.(chi.Routes), func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		id := named[method+" "+path]
		switch {
		case path == "/metrics":
			id = "metrics"
		case path == "/wall.html":
			id = "wall-page"
		case len(path) > 6 && path[:6] == "/debug":
			id = "pprof"
		}
		if method != http.MethodHead {
			all = append(all, Route{method, path, id})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
