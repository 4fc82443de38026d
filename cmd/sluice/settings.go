package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/store"
)

// settings are what the platform's processes are told: by flags, and where a
// flag is not given, by the environment. docs/operations.md lists them.
type settings struct {
	dataDir     string
	databaseURL string // empty: SQLite in the data folder

	listen         string
	publicURL      string
	tlsCert        string
	tlsKey         string
	trustedProxies []string
	insecure       bool

	region           string
	concurrency      int
	maxPerHost       int
	maxPerDest       int
	maxSyncs         int
	crossRegion      bool
	lease            time.Duration
	metricsListen    string
	keyFile          string
	encryptionKey    string
	egressAllow      []string
	egressDeny       []string
	egressStrict     bool
	secretsDir       string
	keep             store.Retention
	wrong            error // what the environment says and cannot be read
	oidcIssuer       string
	oidcClientID     string
	oidcClientSecret string
	oidcRoles        []string
	logFormat        string
	runbooksDir      string
	otlpEndpoint     string
}

// env returns an environment variable of ours, or other.
func (a *app) env(name, other string) string {
	if v, ok := a.lookup("SLUICE_" + name); ok && v != "" {
		return v
	}
	return other
}

// storeFlags are those of every command that opens the metadata store.
func (s *settings) storeFlags(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.dataDir, "data-dir", a.env("DATA_DIR", "sluice-data"), "folder for what the platform keeps (SLUICE_DATA_DIR)")
	f.StringVar(&s.databaseURL, "database-url", "", "metadata store, postgres://… or sqlite:PATH; by default SQLite in the data folder (SLUICE_DATABASE_URL)")
	s.databaseURL = a.env("DATABASE_URL", "")
	f.StringVar(&s.keyFile, "encryption-key-file", a.env("ENCRYPTION_KEY_FILE", ""), "file that holds the key of all secrets, if SLUICE_ENCRYPTION_KEY does not; made in the data folder at first start (SLUICE_ENCRYPTION_KEY_FILE)")
	s.encryptionKey = a.env("ENCRYPTION_KEY", "")
	f.StringVar(&s.secretsDir, "secrets-dir", a.env("SECRETS_DIR", ""), "folder of the files that ${file:PATH} in configurations may name; ${env:NAME} may name SLUICE_SECRET_* (SLUICE_SECRETS_DIR)")
}

// serverFlags are those of a command that serves the API.
func (s *settings) serverFlags(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", a.env("LISTEN", "127.0.0.1:8080"), "address to listen on (SLUICE_LISTEN)")
	f.StringVar(&s.publicURL, "public-url", a.env("PUBLIC_URL", ""), "address that people use, where it is not the one listened on (SLUICE_PUBLIC_URL)")
	f.StringVar(&s.tlsCert, "tls-cert", a.env("TLS_CERT", ""), "file with the certificate chain, PEM (SLUICE_TLS_CERT)")
	f.StringVar(&s.tlsKey, "tls-key", a.env("TLS_KEY", ""), "file with its private key, PEM (SLUICE_TLS_KEY)")
	f.StringSliceVar(&s.trustedProxies, "trusted-proxies", list(a.env("TRUSTED_PROXIES", "")), "networks of proxies in front that end TLS and say who asks, as 10.0.0.0/8 (SLUICE_TRUSTED_PROXIES)")
	f.BoolVar(&s.insecure, "insecure-listen", a.env("INSECURE_LISTEN", "") == "true", "listen beyond this machine without TLS all the same (SLUICE_INSECURE_LISTEN)")
	f.StringVar(&s.oidcIssuer, "oidc-issuer", a.env("OIDC_ISSUER", ""), "address of an OpenID Connect provider that people sign in with (SLUICE_OIDC_ISSUER)")
	f.StringVar(&s.oidcClientID, "oidc-client-id", a.env("OIDC_CLIENT_ID", ""), "this platform's client id there (SLUICE_OIDC_CLIENT_ID); its secret comes in SLUICE_OIDC_CLIENT_SECRET")
	f.StringSliceVar(&s.oidcRoles, "oidc-roles", list(a.env("OIDC_ROLES", "")), "who gets which role, as admin=group:data-team or viewer=domain:example.com (SLUICE_OIDC_ROLES)")
	s.oidcClientSecret = a.env("OIDC_CLIENT_SECRET", "")
	a.runbooksFlag(cmd, &s.runbooksDir)
	s.keep = store.DefaultRetention()
	s.maxFlags(a, cmd)
	s.keepFlags(a, cmd)
}

// keepFlags say for how long the metadata store keeps what is over.
func (s *settings) keepFlags(a *app, cmd *cobra.Command) {
	for _, k := range []struct {
		name, what string
		field      *time.Duration
	}{
		{"syncs", "syncs since their end, with attempts and counters", &s.keep.Syncs},
		{"logs", "logs of syncs", &s.keep.Logs},
		{"states", "former states of streams; the current ones stay", &s.keep.States},
		{"events", "events", &s.keep.Events},
		{"audit", "the audit log", &s.keep.Audit},
		{"health", "the history of connections' health", &s.keep.Health},
		{"incidents", "incidents since their end, with timelines, reviews and tickets", &s.keep.Incidents},
		{"alerts", "alerts and silences since their end", &s.keep.Alerts},
		{"deliveries", "the log of deliveries", &s.keep.Deliveries},
	} {
		variable := "KEEP_" + strings.ToUpper(k.name)
		span := interval{k.field}
		if text := a.env(variable, ""); text != "" {
			s.wrong = errors.Join(s.wrong, named("SLUICE_"+variable, span.Set(text)))
		}
		cmd.Flags().Var(span, "keep-"+k.name, "how long to keep "+k.what+", as 30d or 12h (SLUICE_"+variable+")")
	}
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return usageError{fmt.Errorf("%s: %w", name, err)}
}

// interval is a flag such as 90d.
type interval struct{ to *time.Duration }

// String implements pflag.Value.
func (i interval) String() string {
	if i.to == nil {
		return ""
	}
	return config.FormatInterval(*i.to)
}

// Set implements pflag.Value.
func (i interval) Set(text string) (err error) {
	*i.to, err = config.ParseInterval(text)
	return err
}

// Type implements pflag.Value.
func (interval) Type() string { return "duration" }

// maxFlags bound what runs at once over all workers.
func (s *settings) maxFlags(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.maxSyncs, "max-syncs", a.number("MAX_SYNCS", 0), "syncs at once, over all workers; 0: as many as the workers take (SLUICE_MAX_SYNCS)")
	f.IntVar(&s.maxPerHost, "max-syncs-per-host", a.number("MAX_SYNCS_PER_HOST", 4), "syncs at once that read from one host (SLUICE_MAX_SYNCS_PER_HOST)")
	f.IntVar(&s.maxPerDest, "max-syncs-per-destination", a.number("MAX_SYNCS_PER_DESTINATION", 8), "syncs at once into one destination (SLUICE_MAX_SYNCS_PER_DESTINATION)")
}

// workerFlags are those of a command that runs syncs.
func (s *settings) workerFlags(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.region, "region", a.env("REGION", "default"), "region whose syncs this worker runs (SLUICE_REGION)")
	f.IntVar(&s.concurrency, "concurrency", a.number("CONCURRENCY", max(2, min(runtime.NumCPU(), 8))), "syncs that this worker runs at once (SLUICE_CONCURRENCY)")
	f.DurationVar(&s.lease, "lease", 60*time.Second, "how long a worker may be silent before its syncs are given to another one")
	f.StringVar(&s.metricsListen, "metrics-listen", a.env("METRICS_LISTEN", ""), "address on which this process shows its metrics to anyone, without a token; empty: none (SLUICE_METRICS_LISTEN)")
	s.egressFlags(a, cmd)
}

// regionFlag belongs to all who may make or run a connection.
func (s *settings) regionFlag(a *app, cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.crossRegion, "cross-region", a.env("CROSS_REGION", "true") == "true", "allow a connection between two regions (SLUICE_CROSS_REGION)")
}

// egressFlags say what HTTP sources may reach, in checks and in syncs.
func (s *settings) egressFlags(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&s.egressAllow, "egress-allow", list(a.env("EGRESS_ALLOW", "")), "networks and hosts that HTTP sources may reach although a rule denies them (SLUICE_EGRESS_ALLOW)")
	f.StringSliceVar(&s.egressDeny, "egress-deny", list(a.env("EGRESS_DENY", "")), "networks and hosts that HTTP sources must not reach (SLUICE_EGRESS_DENY)")
	f.BoolVar(&s.egressStrict, "egress-strict", a.env("EGRESS_STRICT", "") == "true", "deny HTTP sources this machine and private networks, too (SLUICE_EGRESS_STRICT)")
}

// logFlags are those of every process that stays.
func (s *settings) logFlags(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.logFormat, "log-format", a.env("LOG_FORMAT", "text"), "how this process logs: text or json (SLUICE_LOG_FORMAT)")
	s.otlpEndpoint, _ = a.lookup("OTEL_EXPORTER_OTLP_ENDPOINT")
}

func (a *app) number(name string, other int) int {
	if n, err := strconv.Atoi(a.env(name, "")); err == nil {
		return n
	}
	return other
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// storeURL returns the address of the metadata store; the data folder is made
// where the store is in it.
func (s *settings) storeURL() (string, error) {
	if s.databaseURL != "" {
		return s.databaseURL, nil
	}
	if err := s.makeDataDir(); err != nil {
		return "", err
	}
	return "sqlite:" + filepath.Join(s.dataDir, "sluice.db"), nil
}

func (s *settings) makeDataDir() error {
	if err := os.MkdirAll(s.dataDir, 0o700); err != nil {
		return sluice.Errorf(sluice.Config, "data_dir", "make the data folder", "choose a folder that can be written, with --data-dir or SLUICE_DATA_DIR", "%w", err)
	}
	return nil
}

// checkListen refuses to listen beyond this machine without TLS: tokens and
// passwords would cross the network in clear.
func (s *settings) checkListen() error {
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return usageError{fmt.Errorf("--tls-cert and --tls-key belong together: one of them is missing")}
	}
	for _, p := range s.trustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			return usageError{fmt.Errorf("--trusted-proxies: %q is no network such as 10.0.0.0/8", p)}
		}
	}
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen: %q is no address such as 127.0.0.1:8080", s.listen)}
	}
	if s.tlsCert != "" || len(s.trustedProxies) > 0 || s.insecure || loopback(host) {
		return nil
	}
	return sluice.Errorf(sluice.Config, "listen_insecure", "listen on "+s.listen,
		"give --tls-cert and --tls-key; or --trusted-proxies, where a proxy in front ends TLS; or --insecure-listen, if the network is to be trusted",
		"passwords and tokens would cross the network in clear")
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// address returns where people reach the server that listens on addr.
func (s *settings) address(addr net.Addr) (*url.URL, error) {
	if s.publicURL != "" {
		u, err := url.Parse(s.publicURL)
		if err != nil || u.Host == "" {
			return nil, usageError{fmt.Errorf("--public-url: %q is no address such as https://sluice.example.com", s.publicURL)}
		}
		return u, nil
	}
	scheme := "http"
	if s.tlsCert != "" {
		scheme = "https"
	}
	return &url.URL{Scheme: scheme, Host: addr.String()}, nil
}

func (s *settings) secretDirs() []string {
	if s.secretsDir == "" {
		return nil
	}
	return []string{s.secretsDir}
}

// oidc returns how people sign in by a provider; nil: they do not.
func (s *settings) oidc() (*access.OIDC, error) {
	if s.oidcIssuer == "" {
		return nil, nil
	}
	roles, err := access.ParseRoleRules(s.oidcRoles)
	return &access.OIDC{Issuer: s.oidcIssuer, ClientID: s.oidcClientID, ClientSecret: s.oidcClientSecret, Roles: roles}, err
}

// heldDataDir is the data folder, "" where it is not there: a server on PostgreSQL
// may need none.
func (s *settings) heldDataDir() string {
	if _, err := os.Stat(s.dataDir); err != nil {
		return ""
	}
	return s.dataDir
}

// lockDataDir makes sure that no other process uses the data folder, where the
// store is in it.
func (s *settings) lockDataDir() (unlock func(), err error) {
	if s.databaseURL != "" {
		return func() {}, nil
	}
	if err := s.makeDataDir(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.dataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, sluice.Errorf(sluice.Config, "data_dir", "lock the data folder", "choose a folder that can be written, with --data-dir or SLUICE_DATA_DIR", "%w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(sluice.Errorf(sluice.Config, "data_dir_taken", "lock the data folder", "end the other process, or give this one a data folder of its own with --data-dir",
			"another sluice uses %s", s.dataDir), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
