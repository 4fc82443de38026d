package server

import (
	"io"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/klauspost/compress/gzip"
)

// isStream reports whether a path is that of a stream of events.
func isStream(path string) bool {
	return path == "/api/v1/events" || strings.HasPrefix(path, "/api/v1/") && strings.HasSuffix(path, "/stream")
}

// compressed answers JSON and pages gzipped to those who take it. Streams of
// events stay as they are: each event must go out at once.
func compressed() func(http.Handler) http.Handler {
	c := middleware.NewCompressor(gzip.BestSpeed, "application/json", "application/problem+json", "application/openapi+json",
		"text/html", "text/css", "text/javascript", "image/svg+xml")
	c.SetEncoder("gzip", func(w io.Writer, level int) io.Writer {
		z, err := gzip.NewWriterLevel(w, level)
		if err != nil {
			panic("server: " + err.Error()) // for a level that is none
		}
		return z
	})
	return func(next http.Handler) http.Handler {
		zipped := c.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isStream(r.URL.Path) {
				next.ServeHTTP(w, r)
				return
			}
			zipped.ServeHTTP(w, r)
		})
	}
}
