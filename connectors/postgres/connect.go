package postgres

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// connectConfig translates the user's configuration, without any I/O.
func connectConfig(c Config, p egress.Policy) (*pgconn.Config, error) {
	text := c.URL
	if text == "" {
		text = hostURL(c)
	}
	text, err := withMode(text, c)
	if err != nil {
		return nil, err
	}
	base, err := pgconn.ParseConfig(text)
	if err != nil {
		return nil, configError(c, err)
	}
	if c.Password != "" {
		base.Password = c.Password
	}
	base.ConnectTimeout = time.Duration(c.ConnectTimeout)
	base.DialFunc = dialUnder(p)
	if err := addCertificates(base, c); err != nil {
		return nil, err
	}
	base.RuntimeParams["application_name"] = c.ApplicationName
	return base, nil
}

// dialer notices within a minute and a half that a server is gone without a word.
var dialer = net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6}}

// dialUnder returns what connects to servers, as far as the outbound policy lets
// it. It gets addresses: names in the policy's lists do not count here.
func dialUnder(p egress.Policy) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := p.Dial(ctx, dialer, network, address)
		if err != nil {
			return nil, err
		}
		return newGatherer(c), nil
	}
}

func hostURL(c Config) string {
	u := url.URL{Scheme: "postgres", Path: "/" + c.Database}
	if c.User != "" {
		u.User = url.User(c.User)
	}
	q := url.Values{"host": {c.Host}, "port": {strconv.Itoa(c.Port)}}
	u.RawQuery = q.Encode()
	return u.String()
}

// withMode adds the TLS mode to a connection string of either form. A root
// certificate raises require to verify-ca, as in libpq.
func withMode(text string, c Config) (string, error) {
	mode := c.SSLMode
	if mode == "require" && c.SSLRootCert != "" {
		mode = "verify-ca"
	}
	if mode == "" {
		return text, nil
	}
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return text + " sslmode=" + mode, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", configError(c, errors.New("it is not a valid URL; percent-encode special characters of the password"))
	}
	q := u.Query()
	q.Set("sslmode", mode)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func configError(c Config, err error) error {
	return sluice.Errorf(sluice.Config, "postgres_config", "read connection settings", "see `sluice spec postgres`", "%s", hideSecrets(c, err.Error()))
}

// hideSecrets takes what is secret out of a driver's message.
func hideSecrets(c Config, message string) string {
	secrets := []string{c.Password, c.URL}
	if u, err := url.Parse(c.URL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password)
	}
	for _, s := range secrets {
		if s != "" {
			message = strings.ReplaceAll(message, s, "xxxxx")
		}
	}
	return message
}

// addCertificates puts the user's PEMs into every TLS configuration that the
// mode calls for.
func addCertificates(base *pgconn.Config, c Config) error {
	var roots *x509.CertPool
	if c.SSLRootCert != "" {
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM([]byte(c.SSLRootCert)) {
			return configError(c, errors.New("sslrootcert holds no PEM certificate"))
		}
	}
	var own []tls.Certificate
	if c.SSLCert != "" {
		pair, err := tls.X509KeyPair([]byte(c.SSLCert), []byte(c.SSLKey))
		if err != nil {
			return configError(c, fmt.Errorf("sslcert and sslkey: %w", err))
		}
		own = []tls.Certificate{pair}
	}
	set := func(t *tls.Config) {
		if t != nil && roots != nil {
			t.RootCAs = roots
		}
		if t != nil && own != nil {
			t.Certificates = own
		}
	}
	set(base.TLSConfig)
	for _, f := range base.Fallbacks {
		set(f.TLSConfig)
	}
	return nil
}

// pool keeps idle connections for the next stream: a thousand small tables must
// not cost a thousand connections. It is safe for concurrent use.
type pool struct {
	base   *pgconn.Config
	config Config
	mu     sync.Mutex
	idle   []*conn
	closed bool
}

const maxIdle = 8

// get returns a connection that is not in a transaction; reused says that it may
// have died while it was idle.
func (p *pool) get(ctx context.Context) (c *conn, reused bool, err error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
		p.mu.Unlock()
		return c, true, nil
	}
	p.mu.Unlock()
	c, err = p.connect(ctx)
	return c, false, err
}

func (p *pool) connect(ctx context.Context) (*conn, error) {
	config := p.base.Copy()
	var w *wire
	config.BuildFrontend = func(r io.Reader, to io.Writer) *pgproto3.Frontend {
		w = &wire{r: r}
		return pgproto3.NewFrontend(w, to)
	}
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fail(ctx, "connect to "+net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), p.clean(err))
	}
	return &conn{pg: pg, wire: w, gatherer: gathererOf(pg.Conn())}, nil
}

// clean keeps secrets out of the messages of errors that the driver made of the
// configuration. The error's chain stays as it is.
func (p *pool) clean(err error) error {
	message := err.Error()
	password := p.base.Password
	if hidden := hideSecrets(p.config, message); hidden != message || password != "" && strings.Contains(message, password) {
		return &cleaned{message: strings.ReplaceAll(hidden, cmp.Or(password, "\x00"), "xxxxx"), err: err}
	}
	return err
}

// cleaned is an error whose message holds no secret.
type cleaned struct {
	message string
	err     error
}

func (e *cleaned) Error() string { return e.message }
func (e *cleaned) Unwrap() error { return e.err }

// put takes a connection back. One that is not idle is closed.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	if !p.closed && !c.broken && !c.pg.IsClosed() && (c.ended || c.pg.TxStatus() == 'I') && len(p.idle) < maxIdle {
		p.idle = append(p.idle, c)
		c = nil
	}
	p.mu.Unlock()
	if c != nil {
		c.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.drain()
}

// drain closes the idle connections.
func (p *pool) drain() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

// rowsOf returns the rows of result number i; none where there is no such result.
func rowsOf(results []*pgconn.Result, i int) [][][]byte {
	if i >= len(results) {
		return nil
	}
	return slices.Clip(results[i].Rows)
}

func integer(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64)
	return n
}

func truth(b []byte) bool { return bytes.Equal(b, []byte("t")) }
