package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// A Transport is an http.RoundTripper whose connections keep to a policy. Where the
// environment names a proxy, the connection to it is the operator's wish and is
// made; what the proxy is asked for must still keep to the policy, as far as this
// side can tell: names are resolved here for the check, and once more by the proxy.
// A proxy that untrusted users are sent through should have a policy of its own.
type Transport struct {
	policy   Policy
	direct   *http.Transport
	proxied  *http.Transport
	proxy    func(*http.Request) (*url.URL, error)
	resolver *net.Resolver
}

// NewTransport returns a Transport with the settings of http.DefaultTransport, but
// for what shape, which may be nil, changes. Shape must leave alone how
// connections are made: Proxy, and whatever dials.
func NewTransport(p Policy, shape func(*http.Transport)) *Transport {
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return newTransport(p, shape, dialer, http.ProxyFromEnvironment)
}

func newTransport(p Policy, shape func(*http.Transport), d net.Dialer, proxy func(*http.Request) (*url.URL, error)) *Transport {
	base := http.DefaultTransport.(*http.Transport).Clone()
	if shape != nil {
		shape(base)
	}
	base.DialTLSContext, base.DialTLS, base.Dial = nil, nil, nil //nolint:staticcheck // so that nothing dials past the policy
	t := &Transport{policy: p, direct: base, proxied: base.Clone(), proxy: proxy, resolver: d.Resolver}
	t.direct.Proxy = nil
	t.direct.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return p.Dial(ctx, d, network, address)
	}
	t.proxied.Proxy = chosenProxy
	t.proxied.DialContext = d.DialContext
	return t
}

type proxyKey struct{}

// chosenProxy returns the proxy that RoundTrip found. It never returns none, which
// would make the transport connect without a check.
func chosenProxy(r *http.Request) (*url.URL, error) {
	if u, ok := r.Context().Value(proxyKey{}).(*url.URL); ok && u != nil {
		return u, nil
	}
	return nil, errors.New("no proxy was chosen")
}

// RoundTrip implements http.RoundTripper. Where the policy denies the address, its
// error wraps a *sluice.Error of code egress_denied.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.proxy == nil {
		return t.direct.RoundTrip(r)
	}
	proxy, err := t.proxy(r)
	if err != nil {
		return nil, err
	}
	if proxy == nil {
		return t.direct.RoundTrip(r)
	}
	if err := t.checkProxied(r.Context(), r.URL.Hostname()); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return t.proxied.RoundTrip(r.WithContext(context.WithValue(r.Context(), proxyKey{}, proxy)))
}

// checkProxied checks a host that a proxy is to be asked for. A name that does not
// resolve here may do so there.
func (t *Transport) checkProxied(ctx context.Context, host string) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return t.policy.Check(host, addr)
	}
	resolver := t.resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	addrs, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return t.policy.checkUnresolved(host)
	}
	for _, addr := range addrs {
		if err := t.policy.Check(host, addr); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// CloseIdleConnections closes connections that nothing uses.
func (t *Transport) CloseIdleConnections() {
	t.direct.CloseIdleConnections()
	t.proxied.CloseIdleConnections()
}
