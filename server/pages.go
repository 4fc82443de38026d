package server

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed pages
var pages embed.FS

// pagesPolicy lets pages load what this server serves, and nothing else: no inline
// script, no inline style, nothing from outside.
const pagesPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves one embedded file.
func page(name, contentType string) http.HandlerFunc {
	text, err := pages.ReadFile("pages/" + name)
	if err != nil {
		panic("server: " + err.Error()) // the file is not in the binary: no build passes its tests so
	}
	return static(text, contentType)
}

// static serves text, which never changes while the process lives.
func static(text []byte, contentType string) http.HandlerFunc {
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Security-Policy", pagesPolicy)
		h.Set("Cache-Control", "no-cache") // ask, and be told that it is unchanged
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	}
}
