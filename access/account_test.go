package access

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldAt(t, url)
		w.user("ana@example.com", Admin)
		ana := w.in("ana@example.com")
		con := w.connection("one")
		text, token, err := w.CreateToken(t.Context(), ana.Principal, TokenRequest{Name: " nightly ", Role: Operator, Connections: []string{con}}, home)
		if err != nil {
			t.Fatal(err)
		}
		if token.Name != "nightly" || !strings.HasSuffix(text, token.Hint) || token.UserID != ana.User.ID || token.ExpiresAt.Sub(w.clock.Now()) != DefaultTokenTTL {
			t.Errorf("%+v", token)
		}
		p, err := w.Authenticate(bearer(text), home) // a change, without any CSRF token
		if err != nil || p.ID != token.ID || p.UserID != ana.User.ID || p.IsSession() || !Can(p, Run, con) || Can(p, Edit, con) || Can(p, Read, "") {
			t.Fatalf("%+v, %v", p, err)
		}
		used := func() *store.Token {
			u, err := w.store.Token(t.Context(), token.ID)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		first := used().LastUsedAt
		w.clock.pass(59 * time.Second)
		if _, err := w.Authenticate(bearer(text), home); err != nil || !used().LastUsedAt.Equal(first) {
			t.Errorf("written twice in a minute, %v", err)
		}
		w.clock.pass(time.Second)
		if _, err := w.Authenticate(bearer(text), at("198.51.100.3")); err != nil || !used().LastUsedAt.Equal(w.clock.Now()) || used().LastUsedIP != "198.51.100.3" {
			t.Errorf("%+v, %v", used(), err)
		}
		if err := w.RevokeToken(t.Context(), ana.Principal, token.ID, home); err != nil {
			t.Fatal(err)
		}
		_, err = w.Authenticate(bearer(text), home)
		w.wantCode(err, "token_revoked")
	})
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, _, err := w.CreateToken(t.Context(), System, TokenRequest{Name: "x", Role: Owner, TTL: time.Hour}, home)
	if err != nil {
		t.Fatal(err)
	}
	lasting, _, err := w.CreateToken(t.Context(), System, TokenRequest{Name: "y", Role: Viewer, TTL: -1}, home)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := w.Authenticate(bearer(text), home); err != nil || p.UserID != "" || !Can(p, Own, "") {
		t.Errorf("%+v, %v", p, err)
	}
	w.clock.pass(time.Hour)
	_, err = w.Authenticate(bearer(text), home)
	w.wantCode(err, "token_expired")
	w.clock.pass(10 * 365 * 24 * time.Hour)
	if _, err := w.Authenticate(bearer(lasting), home); err != nil {
		t.Error(err)
	}
	if !slices.Contains(w.audited(), "token.use token_expired") {
		t.Errorf("audit: %v", w.audited())
	}
}

func TestATokenIsNoMoreThanItsUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.user("ana@example.com", Admin)
	ana := w.in("ana@example.com")
	con := w.connection("one")
	if _, err := w.SetGrant(t.Context(), w.owner.Principal, u.ID, con, Admin, home); err != nil {
		t.Fatal(err)
	}
	text, _, err := w.CreateToken(t.Context(), ana.Principal, TokenRequest{Name: "x", Role: Operator}, home)
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := w.Authenticate(bearer(text), home); !Can(p, Run, "") || Can(p, Edit, con) {
		t.Errorf("%+v", p)
	}
	role, yes := Viewer, true
	if _, err := w.UpdateUser(t.Context(), w.owner.Principal, u.ID, 0, UserChange{Role: &role}, home); err != nil {
		t.Fatal(err)
	}
	if p, _ := w.Authenticate(bearer(text), home); Can(p, Run, "") || !Can(p, Read, "") || !Can(p, Run, con) {
		t.Errorf("%+v", p)
	}
	if _, err := w.UpdateUser(t.Context(), w.owner.Principal, u.ID, 0, UserChange{Disabled: &yes}, home); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Authenticate(bearer(text), home); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("a locked user's token: %v", err)
	}
}

func TestWhoMayMakeWhichTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := map[Role]string{Owner: w.owner.User.ID}
	who := map[string]Principal{"owner": w.owner.Principal, "system": System, "nobody": {}}
	for _, r := range []Role{Admin, Operator, Viewer} {
		ids[r] = w.user(string(r)+"@example.com", r).ID
		who[string(r)] = w.in(string(r) + "@example.com").Principal
	}
	con, other := w.connection("one"), w.connection("two")
	if _, err := w.SetGrant(t.Context(), w.owner.Principal, ids[Viewer], con, Operator, home); err != nil {
		t.Fatal(err)
	}
	text, _, err := w.CreateToken(t.Context(), who["admin"], TokenRequest{Name: "bound", Role: Operator, Connections: []string{con}, TTL: time.Hour}, home)
	if err != nil {
		t.Fatal(err)
	}
	viewer, err := w.Authenticate(request(http.MethodGet, w.in("viewer@example.com"), home), home)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := w.Authenticate(bearer(text), home)
	if err != nil {
		t.Fatal(err)
	}
	who["bound"], who["granted"] = bound, viewer
	for name, c := range map[string]struct {
		who  string
		q    TokenRequest
		code string
	}{
		"their own role":             {"operator", TokenRequest{Name: "x", Role: Operator}, ""},
		"less":                       {"admin", TokenRequest{Name: "x", Role: Viewer}, ""},
		"more":                       {"operator", TokenRequest{Name: "x", Role: Admin}, "token_role"},
		"as owner":                   {"admin", TokenRequest{Name: "x", Role: Owner}, "token_role"},
		"by a grant":                 {"granted", TokenRequest{Name: "x", Role: Operator, Connections: []string{con}}, ""},
		"by a grant, elsewhere":      {"granted", TokenRequest{Name: "x", Role: Operator, Connections: []string{con, other}}, "token_role"},
		"by a grant, everywhere":     {"granted", TokenRequest{Name: "x", Role: Operator}, "token_role"},
		"of another":                 {"admin", TokenRequest{Name: "x", Role: Viewer, UserID: ids[Viewer]}, ""},
		"of the owner":               {"admin", TokenRequest{Name: "x", Role: Viewer, UserID: ids[Owner]}, "forbidden"},
		"of another, as operator":    {"operator", TokenRequest{Name: "x", Role: Viewer, UserID: ids[Viewer]}, "forbidden"},
		"by a bound token":           {"bound", TokenRequest{Name: "x", Role: Viewer, Connections: []string{con}, TTL: time.Minute}, ""},
		"as long as its maker":       {"bound", TokenRequest{Name: "x", Role: Viewer, Connections: []string{con}}, ""},
		"unbound by a bound token":   {"bound", TokenRequest{Name: "x", Role: Viewer, TTL: time.Minute}, "token_role"},
		"elsewhere by a bound token": {"bound", TokenRequest{Name: "x", Role: Viewer, Connections: []string{other}, TTL: time.Minute}, "token_role"},
		"longer than its maker":      {"bound", TokenRequest{Name: "x", Role: Viewer, Connections: []string{con}, TTL: 2 * time.Hour}, "token_ttl"},
		"for ever by a token":        {"bound", TokenRequest{Name: "x", Role: Viewer, Connections: []string{con}, TTL: -1}, "token_ttl"},
		"by the machine":             {"system", TokenRequest{Name: "x", Role: Owner}, ""},
		"by nobody":                  {"nobody", TokenRequest{Name: "x", Role: Viewer}, "not_signed_in"},
		"without a name":             {"owner", TokenRequest{Name: " ", Role: Viewer}, "token_name"},
		"without a role":             {"owner", TokenRequest{Name: "x"}, "role_unknown"},
		"for two years":              {"owner", TokenRequest{Name: "x", Role: Viewer, TTL: 2 * MaxTokenTTL}, "token_ttl"},
	} {
		_, _, err := w.CreateToken(t.Context(), who[c.who], c.q, home)
		if c.code == "" && err != nil || c.code != "" && (err == nil || sluice.AsError(err).Code != c.code) {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func TestRevoking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("ana@example.com", Viewer)
	w.user("bo@example.com", Operator)
	ana, bo := w.in("ana@example.com").Principal, w.in("bo@example.com").Principal
	_, token, err := w.CreateToken(t.Context(), ana, TokenRequest{Name: "x", Role: Viewer}, home)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RevokeToken(t.Context(), bo, token.ID, home); !errors.Is(err, ErrForbidden) {
		t.Errorf("another's: %v", err)
	}
	for _, who := range []Principal{ana, w.owner.Principal} {
		if err := w.RevokeToken(t.Context(), who, token.ID, home); err != nil {
			t.Error(err)
		}
	}
	if err := w.RevokeToken(t.Context(), ana, "tok_none", home); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
}

func TestGuessingTokensIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, _, err := w.CreateToken(t.Context(), System, TokenRequest{Name: "x", Role: Viewer}, home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Authenticate(bearer(good), home); err != nil {
		t.Fatal(err)
	}
	for i := range triesToken {
		text := newTokenText()
		if i%2 == 0 {
			text = "slc_" + text
		}
		_, err := w.Authenticate(bearer(text), home)
		w.wantCode(err, "token_invalid")
	}
	_, err = w.Authenticate(bearer(newTokenText()), home)
	w.wantCode(err, "too_many_attempts")
	if _, err := w.Authenticate(bearer(good), home); err != nil {
		t.Errorf("a good token is shut out by its neighbour: %v", err)
	}
	w.clock.pass(tokenWindow)
	_, err = w.Authenticate(bearer(newTokenText()), home)
	w.wantCode(err, "token_invalid")
	for range 10 * triesToken { // good ones are not counted
		if _, err := w.Authenticate(bearer(good), at("198.51.100.9")); err != nil {
			t.Fatal(err)
		}
	}
	for _, header := range []string{"", "Bearer", "Basic dXNlcjpwYXNz", "slc_x", "Bearer  "} {
		r := bearer("")
		r.Header.Set("Authorization", header)
		_, err := w.Authenticate(r, at("198.51.100.10"))
		w.wantCode(err, "token_invalid")
	}
	r := request(http.MethodGet, w.owner, home)
	r.Header.Set("Authorization", "Bearer x")
	_, err = w.Authenticate(r, at("198.51.100.11"))
	w.wantCode(err, "token_invalid") // the cookie does not help out
	r, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, "https://sluice.test/", nil)
	_, err = w.Authenticate(r, home)
	w.wantCode(err, "not_signed_in")
}

func TestTheLastOwnerStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldAt(t, url)
		me, id := w.owner.Principal, w.owner.User.ID
		role, yes := Admin, true
		for name, try := range map[string]func() error{
			"delete": func() error { return w.DeleteUser(t.Context(), me, id, 0, home) },
			"demote": func() error {
				_, err := w.UpdateUser(t.Context(), me, id, 0, UserChange{Role: &role}, home)
				return err
			},
			"lock": func() error {
				_, err := w.UpdateUser(t.Context(), me, id, 0, UserChange{Disabled: &yes}, home)
				return err
			},
		} {
			if err := try(); sluice.AsError(err).Code != "last_owner" {
				t.Errorf("%s: %v", name, err)
			}
		}
		second := w.user("second@example.com", Owner)
		// Two owners remove each other at once: one stays.
		var all sync.WaitGroup
		errs := make([]error, 2)
		for i, other := range []string{id, second.ID} {
			all.Go(func() { errs[i] = w.DeleteUser(t.Context(), System, other, 0, home) })
		}
		all.Wait()
		if n, err := w.store.CountUsers(t.Context()); err != nil || n["owner"] != 1 {
			t.Errorf("%v owners, %v", n, err)
		}
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("%v", errs)
		}
	})
}

func TestWhoMayChangeUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids, who := map[Role]string{}, map[Role]Principal{Owner: w.owner.Principal}
	for _, r := range []Role{Admin, Operator, Viewer} {
		ids[r] = w.user(string(r)+"@example.com", r).ID
		who[r] = w.in(string(r) + "@example.com").Principal
	}
	ids[Owner] = w.user("second@example.com", Owner).ID
	name, owner, viewer := "New", Owner, Viewer
	for i, c := range []struct {
		who  Role
		whom Role
		c    UserChange
		want bool
	}{
		{Viewer, Viewer, UserChange{Name: &name}, true},
		{Viewer, Operator, UserChange{Name: &name}, false},
		{Operator, Operator, UserChange{Role: &owner}, false},
		{Operator, Viewer, UserChange{Role: &viewer}, false},
		{Admin, Viewer, UserChange{Role: &viewer}, true},
		{Admin, Viewer, UserChange{Role: &owner}, false},
		{Admin, Admin, UserChange{Role: &owner}, false},
		{Admin, Owner, UserChange{Name: &name}, false},
		{Admin, Owner, UserChange{Role: &viewer}, false},
		{Owner, Viewer, UserChange{Role: &owner}, true},
		{Owner, Owner, UserChange{Role: &viewer}, true},
	} {
		_, err := w.UpdateUser(t.Context(), who[c.who], ids[c.whom], 0, c.c, home)
		if (err == nil) != c.want || err != nil && !errors.Is(err, ErrForbidden) {
			t.Errorf("%d: %s changes %s: %v", i, c.who, c.whom, err)
		}
	}
	token, _, err := w.CreateToken(t.Context(), who[Operator], TokenRequest{Name: "x", Role: Operator}, home)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Authenticate(bearer(token), home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.UpdateUser(t.Context(), p, ids[Operator], 0, UserChange{Name: &name}, home); !errors.Is(err, ErrForbidden) {
		t.Errorf("a token changes its user: %v", err)
	}
	for _, r := range []Role{Operator, Viewer} {
		if _, err := w.CreateUser(t.Context(), who[r], NewUser{Email: "x@example.com", Role: Viewer}, home); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s makes users: %v", r, err)
		}
		if err := w.DeleteUser(t.Context(), who[r], ids[Admin], 0, home); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s deletes users: %v", r, err)
		}
	}
	if _, err := w.CreateUser(t.Context(), who[Admin], NewUser{Email: "x@example.com", Role: Owner}, home); !errors.Is(err, ErrForbidden) {
		t.Errorf("an admin makes owners: %v", err)
	}
	_, err = w.CreateUser(t.Context(), who[Admin], NewUser{Email: "VIEWER@example.com", Role: Viewer}, home)
	w.wantCode(err, "name_taken")
	if _, err := w.UpdateUser(t.Context(), w.owner.Principal, ids[Admin], 99, UserChange{Name: &name}, home); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an old version: %v", err)
	}
}

func TestGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.user("ana@example.com", Viewer)
	in, con := w.in("ana@example.com"), w.connection("one")
	can := func() bool {
		p, err := w.Authenticate(request(http.MethodGet, in, home), home)
		if err != nil {
			t.Fatal(err)
		}
		return Can(p, Run, con) && !Can(p, Run, "") && !Can(p, Run, "con_other")
	}
	if can() {
		t.Error("a viewer runs")
	}
	if _, err := w.SetGrant(t.Context(), in.Principal, u.ID, con, Operator, home); !errors.Is(err, ErrForbidden) {
		t.Errorf("they grant themselves: %v", err)
	}
	_, err := w.SetGrant(t.Context(), w.owner.Principal, u.ID, con, Owner, home)
	w.wantCode(err, "grant_role")
	if _, err := w.SetGrant(t.Context(), w.owner.Principal, u.ID, con, Operator, home); err != nil {
		t.Fatal(err)
	}
	if !can() {
		t.Error("the grant does not count")
	}
	if err := w.DeleteGrant(t.Context(), in.Principal, u.ID, con, home); !errors.Is(err, ErrForbidden) {
		t.Errorf("they take grants: %v", err)
	}
	if err := w.DeleteGrant(t.Context(), w.owner.Principal, u.ID, con, home); err != nil || can() {
		t.Errorf("the grant still counts: %v", err)
	}
}

func TestPasswordLinks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldAt(t, url)
		u, err := w.CreateUser(t.Context(), w.owner.Principal, NewUser{Email: "ana@example.com", Role: Admin}, home)
		if err != nil {
			t.Fatal(err)
		}
		link := func(who Principal, id string) (string, error) {
			secret, _, err := w.PasswordLink(t.Context(), who, id, home)
			return secret, err
		}
		old, err := link(w.owner.Principal, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := link(w.owner.Principal, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.UsePasswordLink(t.Context(), old, password, home)
		w.wantCode(err, "link_invalid")
		_, err = w.UsePasswordLink(t.Context(), secret, "ana ana ana ana", home)
		w.wantCode(err, "password_weak")
		_, err = w.ClaimOwner(t.Context(), secret, NewUser{Email: "x@example.com", Password: password}, home)
		w.wantCode(err, "link_invalid") // of another purpose
		in, err := w.UsePasswordLink(t.Context(), secret, password, home)
		if err != nil || in.Principal.Role != Admin {
			t.Fatalf("%+v, %v", in, err)
		}
		_, err = w.UsePasswordLink(t.Context(), secret, password, home)
		w.wantCode(err, "link_invalid")
		if _, err := link(in.Principal, w.owner.User.ID); !errors.Is(err, ErrForbidden) {
			t.Errorf("an admin takes the owner's account: %v", err)
		}
		again, err := link(w.owner.Principal, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		w.clock.pass(PasswordLinkTTL)
		_, err = w.UsePasswordLink(t.Context(), again, password, home)
		w.wantCode(err, "link_invalid")
	})
}

func TestAuditShowsNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.user("ana@example.com", Viewer)
	in := w.in("ana@example.com")
	text, _, err := w.CreateToken(t.Context(), in.Principal, TokenRequest{Name: "x", Role: Viewer}, home)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.SignIn(t.Context(), "hunter2-typed-into-the-wrong-field", "x", home)
	name := "Ana"
	if _, err := w.UpdateUser(t.Context(), in.Principal, u.ID, 0, UserChange{Name: &name}, home); err != nil {
		t.Fatal(err)
	}
	list, _, err := w.store.ListAudit(t.Context(), store.AuditFilter{}, store.Page{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		shown := e.ActorName + e.ObjectName + string(e.Before) + string(e.After) + e.Outcome
		for _, secret := range []string{password, text, hash(text), in.secret, "hunter2", "argon2id"} {
			if strings.Contains(shown, secret) {
				t.Errorf("%s shows %q", e.Action, secret)
			}
		}
		if e.IP != "192.0.2.1" || e.UserAgent != "browser" || e.RequestID != "req" || e.At.IsZero() {
			t.Errorf("from where: %+v", e)
		}
	}
	if e := list[0]; e.Action != "user.update" || !strings.Contains(string(e.Before), `"name":""`) || !strings.Contains(string(e.After), `"name":"Ana"`) {
		t.Errorf("%s: %s, %s", e.Action, e.Before, e.After)
	}
}
