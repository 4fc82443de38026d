// Package egress keeps addresses that users give from leading into networks that
// they have no business in: the machine's link-local network, where clouds answer
// with credentials, and whatever else the operator denies. A Policy is checked for
// each connection after its name was resolved, so that neither a redirect nor a
// name server that changes its mind gets around it.
//
// All HTTP sources connect through a Transport of this package. The host hands the
// policy of the installation to connector processes; connectors get it from the
// context that they are opened with, by From.
package egress

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/sluicehq/sluice"
)

// Presets say what is denied where no list says otherwise.
const (
	// Default denies link-local and metadata addresses, multicast, and what is no
	// address of a machine. Loopback and private networks are allowed: databases
	// and internal APIs live there.
	Default = "default"
	// Strict denies loopback, private and shared networks as well: only the public
	// internet is left. It is meant for installations whose users are strangers.
	Strict = "strict"
	// Closed denies all but what the allow list names.
	Closed = "closed"
)

// A Policy says where connections may go. The zero Policy is the Default. It does
// not change, and is safe for concurrent use.
//
// The deny list comes before the allow list, and that before the preset. A name in
// a list stands for the addresses it resolves to; a name that is allowed opens the
// Strict and Closed presets, but never what Default denies: whoever runs a name
// server could otherwise lead to the metadata of this machine.
type Policy struct {
	preset      string
	allow, deny list
}

// list is the entries of an allow or deny list.
type list struct {
	texts []string // as given
	nets  []netip.Prefix
	names []string // in lower case; "*.example.com" is stored as ".example.com"

	folders []string // of local files, or files themselves
}

// Parse makes a Policy. Entries are addresses (10.0.0.7), networks (10.0.0.0/8),
// host names (db.example.com), all names below one (*.example.com), or absolute
// paths of local files and folders. Its error has class Config and code
// egress_policy.
func Parse(preset string, allow, deny []string) (Policy, error) {
	p := Policy{preset: preset}
	if !slices.Contains([]string{"", Default, Strict, Closed}, preset) {
		return p, policyError("use one of default, strict and closed", "there is no preset %q", preset)
	}
	var err error
	if p.allow, err = parseList(allow); err != nil {
		return Policy{}, err
	}
	p.deny, err = parseList(deny)
	if err != nil {
		return Policy{}, err
	}
	return p, nil
}

func policyError(hint, text string, args ...any) error {
	return sluice.Errorf(sluice.Config, "egress_policy", "outbound policy", hint, text, args...)
}

func parseList(entries []string) (l list, err error) {
	for _, e := range entries {
		if e = strings.TrimSpace(e); e == "" {
			continue
		}
		if filepath.IsAbs(e) {
			l.texts, l.folders = append(l.texts, e), append(l.folders, filepath.Clean(e))
			continue
		}
		e = strings.ToLower(e)
		l.texts = append(l.texts, e)
		if prefix, err := netip.ParsePrefix(e); err == nil {
			if prefix.Addr().Is4In6() {
				return list{}, policyError("write the network as IPv4", "%s holds an IPv4 network", e)
			}
			l.nets = append(l.nets, prefix.Masked())
			continue
		}
		if addr, err := netip.ParseAddr(e); err == nil {
			addr = addr.Unmap().WithZone("")
			l.nets = append(l.nets, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(e, "*"), ".")
		if strings.ContainsAny(name, "*/:@ ") || strings.HasPrefix(e, "*") && !strings.HasPrefix(name, ".") || strings.Trim(name, ".0123456789") == "" {
			return list{}, policyError("give an address, a network such as 10.0.0.0/8, a name such as db.example.com or *.example.com, or an absolute path", "%q is none", e)
		}
		l.names = append(l.names, name)
	}
	return l, nil
}

func (l list) holds(addr netip.Addr) bool {
	return slices.ContainsFunc(l.nets, func(n netip.Prefix) bool { return n.Contains(addr) })
}

func (l list) covers(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return slices.ContainsFunc(l.names, func(n string) bool {
		return host == n || strings.HasPrefix(n, ".") && strings.HasSuffix(host, n)
	})
}

type policyText struct {
	Preset string   `json:"preset,omitempty"`
	Allow  []string `json:"allow,omitempty"`
	Deny   []string `json:"deny,omitempty"`
}

// MarshalJSON writes what UnmarshalJSON reads.
func (p Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(policyText{p.preset, p.allow.texts, p.deny.texts})
}

// UnmarshalJSON reads an object with preset, allow and deny, all optional. What it
// does not know is an error: a policy that is misread could allow too much.
func (p *Policy) UnmarshalJSON(b []byte) error {
	var t policyText
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return policyError("this is a bug; please report it", "read the policy: %w", err)
	}
	parsed, err := Parse(t.Preset, t.Allow, t.Deny)
	if err == nil {
		*p = parsed
	}
	return err
}

type contextKey struct{}

// With returns a context that carries the policy to what is opened with it.
func With(ctx context.Context, p Policy) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the policy that ctx carries, or else the Default.
func From(ctx context.Context) Policy {
	p, _ := ctx.Value(contextKey{}).(Policy)
	return p
}

// Check returns an error, of class Config and code egress_denied, where the policy
// does not let host be reached at addr, an address that it resolved to. For a host
// that is an address itself, host is that.
func (p Policy) Check(host string, addr netip.Addr) error {
	reason := p.reason(host, addr)
	if reason == "" {
		return nil
	}
	what := addr.String()
	if host != "" && host != what {
		what = host + " (" + what + ")"
	}
	return denied("connect to "+what, "the address", reason)
}

// metadataNames are names of metadata services that resolve inside clouds only,
// and then maybe for a proxy alone.
var metadataNames = list{names: []string{"metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"}}

// checkUnresolved is Check for a name of which only a proxy knows the address.
func (p Policy) checkUnresolved(host string) error {
	reason := ""
	switch {
	case p.deny.covers(host):
		reason = onDenyList
	case metadataNames.covers(host):
		reason = "gives away credentials of a machine: it is a cloud's metadata service"
	case numeric(host):
		reason = "is not written as four numbers"
	case p.preset == Closed && !p.allow.covers(host):
		reason = "is not on the allow list"
	default:
		return nil
	}
	return denied("connect to "+host, "the address", reason)
}

// numeric reports whether host is an IPv4 address in one of the old forms, such as
// 0x7f.1 or 2852039166, which some resolvers read and others do not.
func numeric(host string) bool {
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(host), "."), ".")
	last := labels[len(labels)-1]
	return last != "" && (strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "")
}

const onDenyList = "is on the deny list"

func denied(op, what, reason string) error {
	hint := "give another one; if this one is meant, the operator of Sluice can allow it with SLUICE_EGRESS_ALLOW"
	if reason == onDenyList {
		hint = "give another one; the operator of Sluice has put this one on the deny list, SLUICE_EGRESS_DENY"
	}
	return sluice.Errorf(sluice.Config, "egress_denied", op, hint, "the outbound policy does not allow it: %s %s", what, reason)
}

// reason says why an address is denied, or nothing.
func (p Policy) reason(host string, addr netip.Addr) string {
	if p.deny.covers(host) {
		return onDenyList
	}
	named := p.allow.covers(host)
	for _, a := range meanings(addr) {
		if p.deny.holds(a) {
			return onDenyList
		}
		if p.allow.holds(a) {
			continue
		}
		if r := find(never, a); r != "" {
			return r
		}
		if named {
			continue
		}
		switch p.preset {
		case Strict:
			if r := find(internal, a); r != "" {
				return r
			}
		case Closed:
			return "is not on the allow list"
		}
	}
	return ""
}

// meanings returns the address, and the IPv4 address inside where it is one of the
// forms in which IPv6 carries those: each must be allowed.
func meanings(addr netip.Addr) []netip.Addr {
	addr = addr.WithZone("").Unmap()
	all := []netip.Addr{addr}
	if !addr.Is6() || addr.IsLoopback() || addr.IsUnspecified() {
		return all
	}
	b := addr.As16()
	for prefix, at := range embedded {
		if !prefix.Contains(addr) {
			continue
		}
		v4 := [4]byte(b[at.offset : at.offset+4])
		for i := range v4 {
			v4[i] ^= at.mask
		}
		all = append(all, netip.AddrFrom4(v4))
	}
	return all
}

type place struct {
	offset int
	mask   byte
}

// embedded are the networks whose addresses hold one of IPv4: NAT64 (RFC 6052 and
// 8215), 6to4 (RFC 3056), Teredo's clients, inverted (RFC 4380), and addresses
// that are compatible with IPv4 (RFC 4291, given up).
var embedded = map[netip.Prefix]place{
	netip.MustParsePrefix("64:ff9b::/96"):   {12, 0},
	netip.MustParsePrefix("64:ff9b:1::/48"): {12, 0},
	netip.MustParsePrefix("2002::/16"):      {2, 0},
	netip.MustParsePrefix("2001::/32"):      {12, 0xff},
	netip.MustParsePrefix("::/96"):          {12, 0},
}

type network struct {
	prefix netip.Prefix
	reason string
}

func networks(reason string, prefixes ...string) (all []network) {
	for _, p := range prefixes {
		all = append(all, network{netip.MustParsePrefix(p), reason})
	}
	return all
}

func find(all []network, a netip.Addr) string {
	for _, n := range all {
		if n.prefix.Contains(a) {
			return n.reason
		}
	}
	return ""
}

// never is what every preset denies. Where clouds answer with metadata outside of
// the link-local network: AWS fd00:ec2::, GCP fd20:ce::254, Alibaba
// 100.100.100.200, Oracle 192.0.0.192, Azure's agent 168.63.129.16.
var never = slices.Concat(
	networks("gives away credentials of this machine: it is a cloud's metadata service",
		"169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::/32", "fd20:ce::254/128",
		"100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fe80::a9fe:a9fe/128"),
	networks("is link-local", "169.254.0.0/16", "fe80::/10"),
	networks("is multicast", "224.0.0.0/4", "ff00::/8"),
	networks("is not the address of a machine", "0.0.0.0/8", "::/128", "255.255.255.255/32", "240.0.0.0/4", "100::/64"),
)

// internal is what Strict denies besides: what is not globally reachable by the
// IANA registries of special-purpose addresses.
var internal = slices.Concat(
	networks("is this machine itself", "127.0.0.0/8", "::1/128"),
	networks("is in a private network", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
	networks("is in a network that a provider shares", "100.64.0.0/10"),
	networks("is reserved", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "192.88.99.0/24",
		"2001:db8::/32", "2001:2::/48", "3fff::/20", "5f00::/16", "64:ff9b:1::/48", "::ffff:0:0:0/96"),
)

// Control returns what a net.Dialer takes as ControlContext: it checks the address
// of each connection to host that is about to be made.
func (p Policy) Control(host string) func(ctx context.Context, network, address string, _ syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		addr, err := netip.ParseAddrPort(address)
		if err != nil || !strings.HasPrefix(network, "tcp") && !strings.HasPrefix(network, "udp") {
			return sluice.Errorf(sluice.Config, "egress_denied", "connect to "+host, "give an http or https address", "%s %q is no internet address", network, address)
		}
		return p.Check(host, addr.Addr())
	}
}

// Dial is what d.DialContext does, under the policy. A Unix socket is this machine
// itself: the Default allows it.
func (p Policy) Dial(ctx context.Context, d net.Dialer, network, address string) (net.Conn, error) {
	if network == "unix" {
		if p.preset == Strict || p.preset == Closed {
			return nil, denied("connect to a Unix socket", "it", "is this machine itself")
		}
		d.Control, d.ControlContext = nil, nil
		return d.DialContext(ctx, network, address)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if _, err := netip.ParseAddr(host); err != nil && numeric(host) {
		return nil, denied("connect to "+host, "the address", "is not written as four numbers")
	}
	d.Control, d.ControlContext = nil, p.Control(host)
	return d.DialContext(ctx, network, address)
}
