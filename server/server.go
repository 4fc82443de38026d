package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/health/runbook"
	"github.com/sluicehq/sluice/store"
)

// Config is what a Server is made of. Store, Control and Access are required.
type Config struct {
	Store   *store.Store
	Control *control.Control
	Access  *access.Access

	Version  string               // of the binary
	Registry *prometheus.Registry // where the server's metrics go, and what /metrics shows; nil: one of its own
	Log      *slog.Logger         // nil: slog.Default()
	Now      func() time.Time     // nil: time.Now

	// TrustedProxies are whose X-Forwarded-For and -Proto are believed.
	TrustedProxies []netip.Prefix
	// OpenMetrics lets /metrics be read without a token.
	OpenMetrics bool
	// PublicURL is where users reach the server, for links and OIDC; "" where
	// nobody said so.
	PublicURL string
	// RequestRate is how many requests a second each caller may make, for a
	// while twice as many; 0: 500. An address that has not signed in may make a
	// tenth.
	RequestRate float64
	// Settings are shown to those who may see them; no secrets.
	Settings []Setting
	// DataDir is the folder for what the platform keeps, whose file system is
	// shown; "": there is none.
	DataDir string
	// Runbooks say what to do about failures; nil: those that come with Sluice.
	Runbooks *runbook.Library
	// Web answers reads of all paths that are not of the API and its like: the web
	// interface. Without it a page of the server's own is behind one-time links.
	Web http.Handler
}

// A Server answers HTTP requests. It is safe for concurrent use.
type Server struct {
	s       *server
	handler http.Handler
}

type server struct {
	Config
	log       *slog.Logger
	now       func() time.Time
	metrics   *metrics
	started   time.Time
	perCaller *limiter // requests of who is signed in
	perClient *limiter // requests of an address that has not signed in
	heartbeat time.Duration
	streams   chan struct{} // a slot for each open stream
	closing   chan struct{} // closed when the server is about to end
	close     func()
	document  []byte
	rules     map[string]rule // by operation id
	fleet     fleetCache
	strips    stripCache
}

// New makes a Server. It starts nothing and does no I/O.
func New(c Config) (*Server, error) {
	s := &server{Config: c, log: c.Log, now: c.Now, heartbeat: heartbeat,
		streams: make(chan struct{}, streamsAtAll), closing: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.Registry == nil {
		s.Registry = prometheus.NewRegistry()
	}
	if s.Runbooks == nil {
		s.Runbooks = runbook.Builtin()
	}
	s.close = sync.OnceFunc(func() { close(s.closing) })
	s.metrics = newMetrics(s.Registry)
	if s.RequestRate == 0 {
		s.RequestRate = 500
	}
	s.perCaller = newLimiter(s.RequestRate, 2*s.RequestRate, s.now)
	s.perClient = newLimiter(s.RequestRate/10, s.RequestRate/5, s.now)
	s.started = s.now()

	router := chi.NewMux()
	router.Use(s.frame, compressed())
	api := s.register(router)
	var err error
	if s.document, err = json.Marshal(api.OpenAPI()); err != nil {
		return nil, err //nolint:wrapcheck // cannot happen: the test of the document marshals it
	}
	s.besides(router)
	return &Server{s: s, handler: router}, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the open streams and makes /readyz say that the server is stopping,
// so that http.Server.Shutdown need not wait for them. Streams' clients resume
// elsewhere, or here after a restart.
func (s *Server) Close() { s.s.close() }

// HTTP returns an http.Server with the limits that the API wants; the caller
// listens, and shuts it down.
func (s *Server) HTTP(base context.Context) *http.Server {
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      2 * answerTimeout, // of an answer; streams set their own, write by write
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.s.log.Handler(), slog.LevelDebug),
	}
	h.RegisterOnShutdown(s.Close)
	return h
}

// register makes the API on router, or for the document alone where it is nil.
func (s *server) register(router chi.Router) huma.API {
	prepareHuma()
	if router == nil {
		router = chi.NewMux()
	}
	s.rules = map[string]rule{}
	api := humachi.New(router, huma.Config{
		OpenAPI:       newDocument(s.Version),
		Formats:       formats(),
		DefaultFormat: "application/json",
	})
	for _, part := range []func(*server, huma.API){
		signRoutes, catalogueRoutes, checkRoutes, sourceRoutes, destinationRoutes, operationRoutes, connectionRoutes, streamRoutes,
		stateRoutes, schemaRoutes, planRoutes, syncRoutes, eventRoutes, userRoutes, tokenRoutes, grantRoutes, auditRoutes,
		fleetRoutes, overviewRoutes, timelineRoutes, runbookRoutes, systemRoutes,
		trackRoutes, incidentRoutes, trackerRoutes, channelRoutes, alertRoutes, deliveryRoutes, rotaRoutes, wallRoutes,
	} {
		part(s, api)
	}
	complete(api.OpenAPI())
	return api
}

// besides routes what is not of the API: its document and pages, health,
// metrics, profiles, and the answers to what is nowhere.
func (s *server) besides(router chi.Router) {
	get := func(path, name string, h http.HandlerFunc) {
		named := s.named(name, h)
		router.Get(path, named)
		router.Head(path, named)
	}
	get("/healthz", "healthz", s.healthz)
	get("/readyz", "readyz", s.readyz)
	get("/api/openapi.json", "openapi", static(s.document, "application/openapi+json"))
	get("/api/docs", "docs", page("docs.html", "text/html; charset=utf-8"))
	get("/api/docs/docs.css", "docs", page("docs.css", "text/css; charset=utf-8"))
	get("/api/docs/docs.js", "docs", page("docs.js", "text/javascript; charset=utf-8"))

	nowhere := func(w http.ResponseWriter, r *http.Request) {
		s.write(w, r, problem(http.StatusNotFound, "no_such_path", "there is nothing at this path", "see /api/docs for what there is"))
	}
	if s.Web == nil {
		for _, path := range []string{"/claim", "/password"} {
			get(path, "link", page("link.html", "text/html; charset=utf-8"))
		}
		get("/link.css", "link", page("link.css", "text/css; charset=utf-8"))
		get("/link.js", "link", page("link.js", "text/javascript; charset=utf-8"))
		get("/", "home", http.RedirectHandler("/api/docs", http.StatusFound).ServeHTTP)
		router.NotFound(nowhere)
	} else {
		site := s.named("web", s.Web.ServeHTTP)
		router.NotFound(func(w http.ResponseWriter, r *http.Request) {
			if p := r.URL.Path; strings.HasPrefix(p, "/api/") || strings.HasPrefix(p, "/debug/") || r.Method != http.MethodGet && r.Method != http.MethodHead {
				nowhere(w, r)
				return
			}
			site(w, r)
		})
	}

	metrics := scrape(s.Registry).ServeHTTP
	if !s.OpenMetrics {
		metrics = s.guarded("metrics", metrics)
	}
	get("/metrics", "metrics", metrics)
	get("/wall.html", "wall-page", s.guarded("wall-page", s.wallPage))
	get("/debug/pprof/", "pprof", s.guarded("pprof", pprof.Index))
	get("/debug/pprof/{profile}", "pprof", s.guarded("pprof", pprof.Index))
	get("/debug/pprof/cmdline", "pprof", s.guarded("pprof", pprof.Cmdline))
	get("/debug/pprof/profile", "pprof", s.guarded("pprof", pprof.Profile))
	get("/debug/pprof/symbol", "pprof", s.guarded("pprof", pprof.Symbol))
	get("/debug/pprof/trace", "pprof", s.guarded("pprof", pprof.Trace))

	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		s.write(w, r, problem(http.StatusMethodNotAllowed, "wrong_method", "this path does not know the method "+r.Method, "see /api/docs for what it knows"))
	})
}

// named gives the metrics and the log the name of a route that is not of the API.
func (s *server) named(name string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		infoOf(r.Context()).operation = name
		h(w, r)
	}
}

// guarded lets a route that is not of the API be used by who may: its row in the
// table of permissions says who.
func (s *server) guarded(name string, h http.HandlerFunc) http.HandlerFunc {
	rule := permissions[name]
	s.rules[name] = rule
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, err := s.admit(r, rule, nil)
		if err != nil {
			s.write(w, r, problemOf(err))
			return
		}
		h(w, r.WithContext(ctx))
	}
}

// write answers with a problem, outside huma.
func (s *server) write(w http.ResponseWriter, r *http.Request, p *Problem) {
	shown := *p
	shown.Instance, shown.Request = r.URL.Path, requestID(r.Context())
	h := w.Header()
	for name, values := range shown.GetHeaders() {
		h[name] = values
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(shown.Status)
	_ = json.NewEncoder(w).Encode(&shown) // the client has gone: nobody is left to tell
}
