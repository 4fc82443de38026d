package store_test

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/store"
)

func TestUser(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		want := &store.User{Email: "Ann@Example.com", Name: "Ann", PasswordHash: "$argon2id$x", Issuer: "https://i", Subject: "1", Role: "owner"}
		x.must(x.CreateUser(x.ctx, want))
		for _, get := range []func() (*store.User, error){
			func() (*store.User, error) { return x.User(x.ctx, want.ID) },
			func() (*store.User, error) { return x.UserByEmail(x.ctx, "ann@example.COM") },
			func() (*store.User, error) { return x.UserBySubject(x.ctx, "https://i", "1") },
		} {
			got, err := get()
			x.must(err)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got  %+v\nwant %+v", got, want)
			}
		}
		x.code(x.CreateUser(x.ctx, &store.User{Email: "ANN@example.com"}), store.CodeNameTaken)
		x.code(x.CreateUser(x.ctx, &store.User{Email: "b", Issuer: "https://i", Subject: "1"}), store.CodeNameTaken)
		x.must(x.CreateUser(x.ctx, &store.User{Email: "b", Role: "viewer"}))
		x.must(x.CreateUser(x.ctx, &store.User{Email: "c", Role: "viewer"})) // many without an identity elsewhere
		_, err := x.UserBySubject(x.ctx, "", "")
		x.is(err, store.ErrNotFound)

		session := &store.Session{Hash: "h1", UserID: want.ID, CSRF: "c", IP: "1.2.3.4", UserAgent: "a", CreatedAt: x.Now(), SeenAt: x.Now(), ExpiresAt: x.Now().Add(time.Hour)}
		x.must(x.CreateSession(x.ctx, session))
		x.is(x.CreateSession(x.ctx, &store.Session{Hash: "h2", UserID: "usr_none"}), store.ErrNotFound)
		gotSession, err := x.Session(x.ctx, "h1")
		x.must(err)
		if !reflect.DeepEqual(gotSession, session) {
			t.Errorf("%+v", gotSession)
		}
		x.must(x.TouchSession(x.ctx, "h1", x.Now().Add(time.Minute), x.Now().Add(2*time.Hour)))
		x.must(x.CreateSession(x.ctx, &store.Session{Hash: "h3", UserID: want.ID, SeenAt: x.Now()}))
		all, err := x.Sessions(x.ctx, want.ID)
		x.must(err)
		if len(all) != 2 || all[0].Hash != "h1" || !all[0].ExpiresAt.Equal(x.Now().Add(2*time.Hour)) {
			t.Errorf("%+v", all)
		}
		x.must(x.DeleteSessions(x.ctx, want.ID, "h1"))
		_, err = x.Session(x.ctx, "h3")
		x.is(err, store.ErrNotFound)

		token := &store.Token{UserID: want.ID, Name: "CI", Hash: "t1", Hint: "wxyz", Role: "operator", Connections: []string{"con_1"}, CreatedBy: want.ID, ExpiresAt: x.Now().Add(time.Hour)}
		x.must(x.CreateToken(x.ctx, token))
		gotToken, err := x.TokenByHash(x.ctx, "t1")
		x.must(err)
		if !reflect.DeepEqual(gotToken, token) {
			t.Errorf("got  %+v\nwant %+v", gotToken, token)
		}
		x.must(x.TouchToken(x.ctx, token.ID, x.Now(), "1.1.1.1"))
		x.must(x.CreateToken(x.ctx, &store.Token{Name: "other", Hash: "t2"}))
		mine, _, err := x.ListTokens(x.ctx, want.ID, store.Page{})
		x.must(err)
		every, _, err := x.ListTokens(x.ctx, "", store.Page{})
		x.must(err)
		if len(mine) != 1 || len(every) != 2 || mine[0].LastUsedIP != "1.1.1.1" || !mine[0].LastUsedAt.Equal(x.Now()) {
			t.Errorf("%+v, %+v", mine, every)
		}

		want.Disabled = true
		x.must(x.UpdateUser(x.ctx, want))
		_, err = x.Session(x.ctx, "h1")
		x.is(err, store.ErrNotFound)
		if gotToken, err = x.Token(x.ctx, token.ID); err != nil || !gotToken.RevokedAt.Equal(x.Now()) {
			t.Errorf("the token of a disabled user: %+v, %v", gotToken, err)
		}
		x.Add(time.Minute)
		x.must(x.RevokeToken(x.ctx, token.ID)) // keeps the first time
		if gotToken, err = x.Token(x.ctx, token.ID); err != nil || gotToken.RevokedAt.Equal(x.Now()) {
			t.Errorf("%+v, %v", gotToken, err)
		}
		x.is(x.RevokeToken(x.ctx, "tok_none"), store.ErrNotFound)
		counts, err := x.CountUsers(x.ctx)
		x.must(err)
		if !reflect.DeepEqual(counts, map[string]int64{"viewer": 2}) {
			t.Error(counts)
		}
		x.must(x.TouchLogin(x.ctx, want.ID, x.Now()))
		disabled := true
		list, _, err := x.ListUsers(x.ctx, store.UserFilter{Disabled: &disabled, Search: "ANN@", Role: "owner"}, store.Page{Sort: "-last_login"})
		x.must(err)
		if len(list) != 1 || !list[0].LastLoginAt.Equal(x.Now()) || list[0].Version != 2 {
			t.Errorf("%+v", list)
		}
		x.is(x.DeleteUser(x.ctx, want.ID, 1), store.ErrConflict)
		x.must(x.DeleteUser(x.ctx, want.ID, 2))
		x.is(x.DeleteUser(x.ctx, want.ID, 0), store.ErrNotFound)
	})
}

func TestGrants(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		u := &store.User{Email: "a", Role: "viewer"}
		x.must(x.CreateUser(x.ctx, u))
		c := x.connection("c")
		g := &store.Grant{UserID: u.ID, ConnectionID: c.ID, Role: "operator", CreatedBy: "x"}
		x.must(x.SetGrant(x.ctx, g))
		g.Role = "admin"
		x.must(x.SetGrant(x.ctx, g))
		of, err := x.Grants(x.ctx, u.ID)
		x.must(err)
		on, err := x.GrantsOn(x.ctx, c.ID)
		x.must(err)
		if len(of) != 1 || !reflect.DeepEqual(of, on) || of[0] != *g {
			t.Errorf("%+v, %+v", of, on)
		}
		x.is(x.SetGrant(x.ctx, &store.Grant{UserID: "usr_none", ConnectionID: c.ID}), store.ErrNotFound)
		x.must(x.DeleteGrant(x.ctx, u.ID, c.ID))
		x.must(x.DeleteGrant(x.ctx, u.ID, c.ID))
		x.must(x.SetGrant(x.ctx, g))
		x.must(x.DeleteConnection(x.ctx, c.ID, 0))
		if of, err = x.Grants(x.ctx, u.ID); err != nil || len(of) != 0 {
			t.Errorf("grants on a deleted connection: %+v, %v", of, err)
		}
	})
}

func TestOneTime(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		make := func(hash string, alone bool) {
			t.Helper()
			x.must(x.CreateOneTime(x.ctx, &store.OneTime{Hash: hash, Purpose: "owner", Data: []byte(`{"a":1}`), CreatedAt: x.Now(), ExpiresAt: x.Now().Add(time.Hour)}, alone))
		}
		make("a", false)
		make("b", true) // the only one now
		_, err := x.UseOneTime(x.ctx, "a", "owner", x.Now())
		x.is(err, store.ErrNotFound)
		_, err = x.UseOneTime(x.ctx, "b", "other", x.Now())
		x.is(err, store.ErrNotFound)
		var used atomic.Int64
		together(5, func(int) {
			if o, err := x.UseOneTime(x.ctx, "b", "owner", x.Now()); err == nil && string(o.Data) == `{"a":1}` {
				used.Add(1)
			}
		})
		if used.Load() != 1 {
			t.Errorf("used %d times", used.Load())
		}
		_, err = x.UseOneTime(x.ctx, "b", "owner", x.Now())
		x.is(err, store.ErrUsed)
		make("c", false)
		_, err = x.UseOneTime(x.ctx, "c", "owner", x.Add(time.Hour))
		x.is(err, store.ErrExpired)
	})
}

func TestCount(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		until := x.Now().Add(time.Minute)
		together(10, func(int) {
			if _, _, err := x.Count(x.ctx, "k", time.Minute, x.Now()); err != nil {
				t.Error(err)
			}
		})
		n, got, err := x.Counted(x.ctx, "k", x.Now())
		x.must(err)
		if n != 10 || !got.Equal(until) {
			t.Errorf("%d until %v", n, got)
		}
		n, got, err = x.Count(x.ctx, "k", time.Minute, until)
		x.must(err)
		if n != 1 || !got.Equal(until.Add(time.Minute)) {
			t.Errorf("a new window begins with %d until %v", n, got)
		}
		x.must(x.ResetCount(x.ctx, "k"))
		if n, _, err = x.Counted(x.ctx, "k", x.Now()); err != nil || n != 0 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestAudit(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		want := &store.AuditEntry{ActorID: "usr_1", ActorName: "Ann", Action: "connection.update", ObjectType: "connection", ObjectID: "con_1", ObjectName: "c",
			Before: []byte(`{"a":1}`), After: []byte(`{"a":2}`), IP: "1.1.1.1", UserAgent: "u", RequestID: "r", Outcome: "done"}
		x.must(x.AppendAudit(x.ctx, want))
		x.Add(time.Hour)
		for i := range 5 {
			x.must(x.AppendAudit(x.ctx, &store.AuditEntry{ActorID: "usr_2", Action: fmt.Sprint("user.a", i)}))
		}
		for name, c := range map[string]struct {
			f    store.AuditFilter
			want int
		}{
			"all": {store.AuditFilter{}, 6}, "actor": {store.AuditFilter{ActorID: "usr_1"}, 1}, "action": {store.AuditFilter{Action: "user.a1"}, 1},
			"actions": {store.AuditFilter{Action: "user."}, 5}, "object": {store.AuditFilter{ObjectType: "connection", ObjectID: "con_1"}, 1},
			"after": {store.AuditFilter{After: x.Now()}, 5}, "before": {store.AuditFilter{Before: x.Now()}, 1},
		} {
			got, _, err := x.ListAudit(x.ctx, c.f, store.Page{})
			x.must(err)
			if len(got) != c.want {
				t.Errorf("%s: %d entries, want %d", name, len(got), c.want)
			}
		}
		got, _, err := x.ListAudit(x.ctx, store.AuditFilter{ActorID: "usr_1"}, store.Page{})
		x.must(err)
		if !reflect.DeepEqual(&got[0], want) {
			t.Errorf("got  %+v\nwant %+v", got[0], want)
		}
	})
}

// TestAuditCannotBeChanged goes to the database itself.
func TestAuditCannotBeChanged(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		x.must(x.AppendAudit(x.ctx, &store.AuditEntry{Action: "a"}))
		db := raw(t, x.url)
		statements := []string{"UPDATE audit SET action = 'b'", "DELETE FROM audit"}
		if x.Dialect() == "postgres" {
			statements = append(statements, "TRUNCATE audit")
		}
		for _, s := range statements {
			if _, err := db.ExecContext(x.ctx, s); err == nil {
				t.Errorf("%s was let through", s)
			}
		}
		if got, _, err := x.ListAudit(x.ctx, store.AuditFilter{Action: "a"}, store.Page{}); err != nil || len(got) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
