package egress

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
)

func parse(t testing.TB, preset string, allow, deny []string) Policy {
	t.Helper()
	p, err := Parse(preset, allow, deny)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// addresses are what each preset does with an address: d default, s strict.
var addresses = map[string]string{
	"93.184.216.34": "ds", "8.8.8.8": "ds", "2606:2800:220:1::1": "ds", "64:ff9b::808:808": "ds", "2002:808:808::1": "ds",

	"127.0.0.1": "d", "127.9.9.9": "d", "::1": "d", "10.0.0.1": "d", "172.16.0.1": "d", "172.31.255.255": "d", "192.168.1.1": "d",
	"100.64.0.1": "d", "fd12:3456::1": "d", "fc00::1": "d", "192.0.2.1": "d", "198.18.0.1": "d", "2001:db8::1": "d",
	"::ffff:127.0.0.1": "d", "::ffff:10.0.0.1": "d", "64:ff9b::a00:1": "d", "2002:a00:1::1": "d", "::7f00:1": "d", "::2": "",
	"2001:0:5ef5:79fd:0:59a:f5ff:fffe": "d", // Teredo of 10.0.0.1

	"169.254.169.254": "", "169.254.0.1": "", "169.254.170.2": "", "fe80::1": "", "fe80::1%eth0": "", "fe80::a9fe:a9fe": "",
	"::ffff:169.254.169.254": "", "::ffff:a9fe:a9fe": "", "::169.254.169.254": "", "64:ff9b::a9fe:a9fe": "", "64:ff9b:1::a9fe:a9fe": "",
	"2002:a9fe:a9fe::1": "", "2001:0:0:0:0:0:5601:5601": "", // Teredo of 169.254.169.254
	"fd00:ec2::254": "", "fd00:ec2::23": "", "fd20:ce::254": "", "100.100.100.200": "", "192.0.0.192": "", "168.63.129.16": "",
	"224.0.0.1": "", "239.255.255.255": "", "ff02::1": "", "0.0.0.0": "", "0.1.2.3": "", "::": "", "255.255.255.255": "", "240.0.0.1": "",
}

func TestPresets(t *testing.T) {
	t.Parallel()
	for text, letters := range addresses {
		addr := netip.MustParseAddr(text)
		for preset, letter := range map[string]string{"": "d", Default: "d", Strict: "s", Closed: "c"} {
			err := parse(t, preset, nil, nil).Check(text, addr)
			if (err == nil) != strings.Contains(letters, letter) {
				t.Errorf("%q, %s: %v", preset, text, err)
			}
			if err == nil {
				continue
			}
			if e := sluice.AsError(err); e.Class != sluice.Config || e.Code != "egress_denied" || e.Hint == "" || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %+v", text, e)
			}
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		preset      string
		allow, deny []string
		host, addr  string
		want        bool
	}{
		"allowed address":             {Strict, []string{"10.1.0.0/16"}, nil, "x", "10.1.2.3", true},
		"beside the allowed network":  {Strict, []string{"10.1.0.0/16"}, nil, "x", "10.2.2.3", false},
		"allowed, mapped":             {Strict, []string{"10.1.0.0/16"}, nil, "x", "::ffff:10.1.2.3", true},
		"allowed metadata":            {Default, []string{"169.254.169.254"}, nil, "x", "169.254.169.254", true},
		"beside it":                   {Default, []string{"169.254.169.254"}, nil, "x", "169.254.169.253", false},
		"allowed name":                {Strict, []string{"db.internal"}, nil, "DB.internal.", "10.0.0.1", true},
		"another name":                {Strict, []string{"db.internal"}, nil, "xdb.internal", "10.0.0.1", false},
		"allowed below":               {Strict, []string{"*.internal"}, nil, "a.b.internal", "10.0.0.1", true},
		"not the name itself":         {Strict, []string{"*.internal"}, nil, "internal", "10.0.0.1", false},
		"a name opens no metadata":    {Closed, []string{"*.internal"}, nil, "a.internal", "169.254.169.254", false},
		"denied address":              {Default, nil, []string{"10.0.0.0/8"}, "x", "10.0.0.1", false},
		"denied, mapped":              {Default, nil, []string{"10.0.0.0/8"}, "x", "::ffff:10.0.0.1", false},
		"denied, inside NAT64":        {Default, nil, []string{"8.8.8.8"}, "x", "64:ff9b::808:808", false},
		"denied comes before allowed": {Default, []string{"10.0.0.0/8"}, []string{"10.0.0.1"}, "x", "10.0.0.1", false},
		"denied name":                 {Default, []string{"8.8.8.8"}, []string{"*.evil.test"}, "a.evil.test", "8.8.8.8", false},
		"closed":                      {Closed, []string{"8.8.8.8"}, nil, "x", "8.8.4.4", false},
		"closed, allowed":             {Closed, []string{" 8.8.8.8 ", ""}, nil, "x", "8.8.8.8", true},
		"zone":                        {Default, nil, []string{"fd12::1"}, "x", "fd12::1%eth0", false},
	} {
		err := parse(t, c.preset, c.allow, c.deny).Check(c.host, netip.MustParseAddr(c.addr))
		if (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	if _, err := Parse("strickt", nil, nil); sluice.ClassOf(err) != sluice.Config {
		t.Errorf("preset: %v", err)
	}
	for _, entry := range []string{"10.0.0.0/33", "10.0.0", "1234", "http://x/", "a:80", "*", "*x.test", "a.*.test", "me@x", "::ffff:10.0.0.0/104", "a b"} {
		if _, err := Parse("", nil, []string{entry}); sluice.AsError(err).Code != "egress_policy" {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func TestAPolicyTravels(t *testing.T) {
	t.Parallel()
	for _, p := range []Policy{{}, parse(t, Strict, []string{"10.0.0.0/8", "*.x.test"}, []string{"8.8.8.8"})} {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Policy
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(back); string(again) != string(b) {
			t.Errorf("%s became %s", b, again)
		}
	}
	for _, text := range []string{`{"preset":"x"}`, `{"allows":["x"]}`, `[]`, `{"deny":["*"]}`} {
		var p Policy
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s is a policy", text)
		}
	}
	ctx := With(context.Background(), parse(t, Closed, nil, nil))
	if From(ctx).preset != Closed || From(context.Background()).preset != "" {
		t.Error("the context loses the policy")
	}
}

func FuzzCheck(f *testing.F) {
	for text := range addresses {
		b := netip.MustParseAddr(text).As16()
		f.Add(b[:])
	}
	strict, normal := parse(f, Strict, nil, nil), Policy{}
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		plain := addr.Unmap()
		if strict.Check("", addr) == nil && (normal.Check("", addr) != nil || plain.IsPrivate() || plain.IsLoopback()) {
			t.Errorf("strict allows %s", addr)
		}
		if normal.Check("", addr) == nil && (plain.IsLinkLocalUnicast() || plain.IsMulticast() || plain.IsUnspecified()) {
			t.Errorf("default allows %s", addr)
		}
		if mapped := netip.AddrFrom16(addr.As16()); (normal.Check("", addr) == nil) != (normal.Check("", mapped) == nil) {
			t.Errorf("%s and %s differ", addr, mapped)
		}
	})
}
