package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/sluicehq/sluice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names is a name server: each question for a name takes the next of its answers,
// and the last for ever.
type names struct {
	mu      sync.Mutex
	answers map[string][]string
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.serve(server)
		return client, nil
	}}
}

// serve answers as DNS over TCP.
func (n *names) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		raw := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, raw); err != nil {
			return
		}
		answer := n.answer(raw)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func (n *names) answer(raw []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	q := m.Questions[0]
	list, ok := n.answers[strings.TrimSuffix(q.Name.String(), ".")]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	} else if addr := netip.MustParseAddr(list[0]); addr.Is4() == (q.Type == dnsmessage.TypeA) {
		header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}
		var body dnsmessage.ResourceBody = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		if addr.Is4() {
			body = &dnsmessage.AResource{A: addr.As4()}
		}
		m.Answers = []dnsmessage.Resource{{Header: header, Body: body}}
		if len(list) > 1 {
			n.answers[strings.TrimSuffix(q.Name.String(), ".")] = list[1:]
		}
	}
	packed, _ := m.Pack()
	return packed
}

// client follows redirects, as sources do.
func client(t *testing.T, p Policy, n *names, proxy string) *http.Client {
	t.Helper()
	if n == nil {
		n = &names{}
	}
	var choose func(*http.Request) (*url.URL, error)
	if proxy != "" {
		choose = func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }
	}
	transport := newTransport(p, func(h *http.Transport) { h.DisableKeepAlives = true }, net.Dialer{Resolver: n.resolver()}, choose)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, c *http.Client, address string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

func wantDenied(t *testing.T, what string, err error) {
	t.Helper()
	e, ok := errors.AsType[*sluice.Error](err)
	if !ok || e.Class != sluice.Config || e.Code != "egress_denied" {
		t.Errorf("%s: %v", what, err)
	}
}

// server answers, and redirects /to?URL; port is its port.
func server(t *testing.T) (address, port string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			http.Redirect(w, r, r.URL.RawQuery, http.StatusFound)
		}
	}))
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return s.URL, port
}

func TestDirectConnections(t *testing.T) {
	t.Parallel()
	address, port := server(t)
	n := &names{answers: map[string][]string{"local.test": {"127.0.0.1"}, "meta.test": {"169.254.169.254"}, "six.test": {"fe80::1"},
		"mapped.test": {"::ffff:169.254.169.254"}, "2852039166": {"169.254.169.254"}, "0xa9.254.43518": {"169.254.169.254"}}}
	c := client(t, Policy{}, n, "")
	for _, ok := range []string{address, "http://local.test:" + port, "http://[::ffff:127.0.0.1]:" + port, address + "/to?" + address} {
		if err := get(t, c, ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []string{"http://169.254.169.254/latest/meta-data", "http://[fe80::a9fe:a9fe]/", "http://[fe80::1%25lo]/", "http://[::ffff:169.254.169.254]/",
		"http://[::ffff:a9fe:a9fe]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[fd00:ec2::254]/", "http://0.0.0.0:" + port, "http://[::]:" + port,
		"http://meta.test/", "http://six.test/", "http://mapped.test/", "http://2852039166/", "http://0xa9.254.43518/", "https://169.254.169.254/",
		address + "/to?http://169.254.169.254/", address + "/to?http://meta.test/", address + "/to?" + address + "/to?http://[fe80::1]/"} {
		wantDenied(t, bad, get(t, c, bad))
	}
}

func TestStrictConnections(t *testing.T) {
	t.Parallel()
	address, port := server(t)
	n := &names{answers: map[string][]string{"local.test": {"127.0.0.1"}, "other.test": {"127.0.0.1"}}}
	c := client(t, parse(t, Strict, []string{"local.test"}, nil), n, "")
	if err := get(t, c, "http://local.test:"+port); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{address, "http://other.test:" + port, "http://local.test:" + port + "/to?" + address, "http://10.0.0.1/", "http://localhost:" + port} {
		wantDenied(t, bad, get(t, c, bad))
	}
	if err := get(t, client(t, parse(t, Strict, []string{"127.0.0.1"}, nil), n, ""), address); err != nil {
		t.Error(err)
	}
}

func TestANameThatChangesItsAddress(t *testing.T) {
	t.Parallel()
	_, port := server(t)
	n := &names{answers: map[string][]string{"rebind.test": {"127.0.0.1", "169.254.169.254"}}}
	c := client(t, Policy{}, n, "")
	if err := get(t, c, "http://rebind.test:"+port); err != nil {
		t.Error(err)
	}
	wantDenied(t, "the second time", get(t, c, "http://rebind.test:"+port))
}

func TestProxies(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Host == "redirect.test" {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}
	}))
	t.Cleanup(proxy.Close)
	n := &names{answers: map[string][]string{"public.test": {"8.8.8.8"}, "redirect.test": {"8.8.8.8"}, "inside.test": {"10.0.0.1"}}}
	c := client(t, parse(t, Strict, nil, nil), n, proxy.URL) // the proxy itself is on loopback
	for _, ok := range []string{"http://public.test/", "http://only-the-proxy-knows.test/", "http://8.8.8.8/"} {
		if err := get(t, c, ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	if asked.Swap(0) != 3 {
		t.Error("the proxy was not used")
	}
	for _, bad := range []string{"http://169.254.169.254/", "http://inside.test/", "http://[::ffff:10.0.0.1]/", "http://metadata.google.internal/", "https://inside.test/",
		"http://2852039166/", "http://0xa9fea9fe/"} {
		wantDenied(t, bad, get(t, c, bad))
	}
	if asked.Load() != 0 {
		t.Error("the proxy was asked for what is denied")
	}
	wantDenied(t, "redirect", get(t, c, "http://redirect.test/"))
	closed := client(t, parse(t, Closed, []string{"known.test"}, []string{"bad.test"}), n, proxy.URL)
	if err := get(t, closed, "http://known.test/"); err != nil {
		t.Error(err)
	}
	wantDenied(t, "unknown", get(t, closed, "http://unknown.test/"))
	wantDenied(t, "bad", get(t, closed, "http://bad.test/"))
}

func TestTheProxyTransportNeverGoesWithoutAProxy(t *testing.T) {
	t.Parallel()
	address, _ := server(t)
	transport := newTransport(Policy{}, nil, net.Dialer{}, nil)
	if err := get(t, &http.Client{Transport: transport.proxied}, address); err == nil {
		t.Error("it connected past the policy")
	}
}

func TestUnixSockets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := Policy{}.Dial(t.Context(), net.Dialer{}, "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	for _, preset := range []string{Strict, Closed} {
		_, err := parse(t, preset, nil, nil).Dial(t.Context(), net.Dialer{}, "unix", path)
		wantDenied(t, preset, err)
	}
}

func TestControlKnowsOnlyTheInternet(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"unix", "/run/docker.sock"}, {"ip4:icmp", "8.8.8.8"}, {"tcp", "nonsense"}} {
		wantDenied(t, c[0], Policy{}.Control("x")(t.Context(), c[0], c[1], nil))
	}
	if err := (Policy{}).Control("x")(t.Context(), "tcp4", "8.8.8.8:443", nil); err != nil {
		t.Error(err)
	}
}
