// Package web holds the web interface: what its build has made of src, in the
// binary, and the handler that serves it. The interface uses the API alone.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// placeholder is the file that is there before a build, for go:embed wants one.
const placeholder = "placeholder.txt"

// nonceWords stand in the built page where the nonce of each answer comes.
const nonceWords = "__CSP_NONCE__"

// policy lets the page load what this server serves, and nothing else. Styles that
// are made at run time carry the nonce; scripts need none, since all are files. No
// text becomes markup: the page's one policy of trusted types refuses what has any.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; connect-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"

// A file is one that the build made.
type file struct {
	plain, zipped []byte // zipped is nil where it would be no smaller
	contentType   string
	tag           string
	immutable     bool // its name has the hash of what is in it
}

// Handler serves the interface built into this binary: its files by their names,
// and its page for every other path, so that each view has an address. Paths that
// look like files and are none are answered with 404. It is nil in a binary that
// was built without the interface.
func Handler() http.Handler {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: " + err.Error()) // dist is a valid path
	}
	return handler(sub)
}

func handler(built fs.FS) http.Handler {
	files := map[string]file{}
	err := fs.WalkDir(built, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(built, name)
		if err == nil {
			files[name] = newFile(name, text)
		}
		return err
	})
	if err != nil {
		panic("web: " + err.Error()) // the files are in the binary
	}
	page, found := files["index.html"]
	if !found {
		return nil
	}
	delete(files, "index.html")
	delete(files, placeholder)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this page can only be read", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, "/")
		if f, found := files[name]; found {
			f.serve(w, r)
		} else if strings.HasPrefix(name, "assets/") || path.Ext(name) != "" && !strings.Contains(name, "/") {
			secure(w.Header(), "")
			http.Error(w, "there is no such file; the page may belong to another version: load it again", http.StatusNotFound)
		} else {
			servePage(w, r, page.plain)
		}
	})
}

func newFile(name string, text []byte) file {
	sum := sha256.Sum256(text)
	f := file{plain: text, contentType: mime.TypeByExtension(path.Ext(name)), tag: hex.EncodeToString(sum[:8]), immutable: strings.HasPrefix(name, "assets/")}
	switch path.Ext(name) { // the machine's table may say otherwise
	case ".js":
		f.contentType = "text/javascript; charset=utf-8"
	case ".css":
		f.contentType = "text/css; charset=utf-8"
	case ".svg":
		f.contentType = "image/svg+xml"
	}
	if f.contentType == "" {
		f.contentType = "application/octet-stream"
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	if _, err := z.Write(text); err == nil && z.Close() == nil && b.Len() < len(text)*9/10 {
		f.zipped = b.Bytes()
	}
	return f
}

// secure sets what every answer says: nothing may be framed, guessed or told on.
func secure(h http.Header, nonce string) {
	h.Set("Content-Security-Policy", fmt.Sprintf(policy, nonce))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	secure(h, newNonce())
	h.Set("Content-Type", f.contentType)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache") // ask, and be told that it is unchanged
	if f.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	text, tag := f.plain, f.tag
	if f.zipped != nil && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		text, tag = f.zipped, f.tag+"-gz"
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// servePage serves the page with a nonce of its own.
func servePage(w http.ResponseWriter, r *http.Request, page []byte) {
	nonce := newNonce()
	h := w.Header()
	secure(h, nonce)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if r.Method != http.MethodHead {
		_, _ = w.Write(bytes.ReplaceAll(page, []byte(nonceWords), []byte(nonce))) // the client has gone: nobody is left to tell
	}
}

func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawStdEncoding.EncodeToString(b[:])
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" && !strings.HasPrefix(strings.TrimSpace(params), "q=0") {
			return true
		}
	}
	return false
}
