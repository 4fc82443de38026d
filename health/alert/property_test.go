package alert

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ear is what one group of one channel has heard.
type ear struct {
	told map[string]bool // subjects as firing
	last time.Time
}

// TestWhatIsTold lets connections fail and recover at random under random silences
// and checks all that the package promises.
func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minutes := func(name string, from, to int) time.Duration {
			return time.Duration(rapid.IntRange(from, to).Draw(t, name)) * time.Minute
		}
		rhythm := Rhythm{GroupBy: []string{rapid.SampledFrom([]string{"rule", "connection", "team"}).Draw(t, "by")},
			GroupWait: minutes("wait", 1, 5), GroupInterval: minutes("interval", 1, 20), Repeat: minutes("repeat", 20, 120)}
		rule := Rule{ID: "r", Name: "r", Kind: ConnectionHealth, States: []string{"down"}, For: minutes("for", 0, 10), Clear: minutes("clear", 0, 10)}
		plan := Plan{Rules: []Rule{rule}, Channels: []string{"x", "y"}, Routes: []Route{
			{Name: "first", Channels: []string{"x"}, Continue: true, Rhythm: rhythm},
			{Name: "second", Channels: []string{"y"}, Match: []Matcher{{Label: "connection", Is: []string{"c0", "c1"}}}, Rhythm: rhythm}}}
		for i := range rapid.IntRange(0, 3).Draw(t, "silences") {
			from := start.Add(minutes("from", 0, 600))
			plan.Silences = append(plan.Silences, Silence{ID: fmt.Sprint(i), Reason: "r", From: from, Until: from.Add(minutes("until", 1, 200)),
				Match: []Matcher{{Label: "connection", Is: []string{fmt.Sprint("c", rapid.IntRange(0, 3).Draw(t, "of"))}}}})
		}
		policy, err := New(plan)
		if err != nil {
			t.Fatal(err)
		}
		const connections = 4
		down := [connections]bool{}
		since := [connections]time.Time{}
		snap := func() *Snapshot {
			s := &Snapshot{}
			for i := range connections {
				c := Connection{ID: fmt.Sprint("c", i), Name: fmt.Sprint("c", i), Team: fmt.Sprint("t", i%2), Health: "healthy", Since: since[i]}
				if down[i] {
					c.Health = "down"
				}
				s.Connections = append(s.Connections, c)
			}
			return s
		}
		silenced := func(subject string, now time.Time) bool {
			for _, s := range plan.Silences {
				if s.Match[0].Is[0] == subject && !now.Before(s.From) && now.Before(s.Until) {
					return true
				}
			}
			return false
		}
		var state State
		now := start
		ears := map[string]*ear{}
		ids := map[string]bool{}
		step := func(d time.Duration) {
			now = now.Add(d)
			twinState, twin := again(t, policy, state, snap(), now)
			r := policy.Evaluate(&state, snap(), now)
			if a, b := text(t, r), text(t, twin); a != b {
				t.Fatalf("of the same state\n%s\nand\n%s", a, b)
			}
			if text(t, state) != text(t, twinState) {
				t.Fatal("the state depends on more than the state")
			}
			for _, n := range r.Notifications {
				if ids[n.ID] {
					t.Fatalf("%s is sent twice", n.ID)
				}
				ids[n.ID] = true
				heard(t, ears, n, rhythm, silenced)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if i := rapid.IntRange(-2, connections-1).Draw(t, "toggle"); i >= 0 {
				down[i], since[i] = !down[i], now
			}
			step(time.Duration(rapid.IntRange(1, 1800).Draw(t, "seconds")) * time.Second)
		}
		now = now.Add(900 * time.Minute) // all silences are over
		for range 6 {
			step(30 * time.Minute)
		}
		for _, channel := range plan.Channels {
			for i := range connections {
				subject := fmt.Sprint("c", i)
				told := 0
				for key, e := range ears {
					if key[:1] == channel && e.told[subject] {
						told++
					}
				}
				want := 0
				if down[i] && (channel == "x" || i < 2) {
					want = 1
				}
				if told != want {
					t.Fatalf("%s believes %d times that %s is down; it is %v", channel, told, subject, down[i])
				}
			}
		}
	})
}

// heard checks one notification against all that its group was told before.
func heard(t *rapid.T, ears map[string]*ear, n Notification, rhythm Rhythm, silenced func(string, time.Time) bool) {
	key := n.Channel + text(t, n.Labels)
	e := ears[key]
	if e == nil {
		e = &ear{told: map[string]bool{}}
		ears[key] = e
	}
	if !e.last.IsZero() && n.At.Sub(e.last) < rhythm.GroupInterval {
		t.Fatalf("told again after %v", n.At.Sub(e.last))
	}
	if n.Repeat && n.At.Sub(e.last) < rhythm.Repeat {
		t.Fatalf("repeated after %v", n.At.Sub(e.last))
	}
	e.last = n.At
	for _, i := range n.Items {
		if silenced(i.Subject, n.At) {
			t.Fatalf("%s is told while it is silenced", i.Subject)
		}
		if e.told[i.Subject] == (i.What == Fired) {
			t.Fatalf("%s is told as %s, but was told before: %v", i.Subject, i.What, e.told[i.Subject])
		}
		e.told[i.Subject] = i.What != Resolved
	}
	left := 0
	for _, yes := range e.told {
		if yes {
			left++
		}
	}
	if n.Resolved != (left == 0) || len(n.Items) == 0 || n.Repeat != (n.Fired+n.Ended == 0) {
		t.Fatalf("%+v, with %d left", n, left)
	}
}

// TestOneFireAndOneResolve is of episodes that are long enough and not silenced: each
// is told exactly twice, whatever the steps of time.
func TestOneFireAndOneResolve(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := mail(downRule())
		plan.Routes[0].Repeat = -1
		policy, err := New(plan)
		if err != nil {
			t.Fatal(err)
		}
		var state State
		now, fired, resolved := start, 0, 0
		episodes := rapid.IntRange(1, 5).Draw(t, "episodes")
		for range episodes {
			for _, health := range []string{"down", "healthy"} {
				since := now
				for end := now.Add(2 * time.Hour); now.Before(end); now = now.Add(time.Duration(rapid.IntRange(5, 900).Draw(t, "step")) * time.Second) {
					r := policy.Evaluate(&state, &Snapshot{Connections: []Connection{{ID: "c", Name: "c", Health: health, Since: since}}}, now)
					for _, n := range r.Notifications {
						fired += n.Fired
						resolved += n.Ended
						if n.Firing > 0 {
							t.Fatal("told again")
						}
					}
				}
			}
		}
		if fired != episodes || resolved != episodes {
			t.Fatalf("%d episodes, told %d and %d times", episodes, fired, resolved)
		}
	})
}

func text(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
