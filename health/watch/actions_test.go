package watch_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
)

// What a review says is to be done is reminded of: before it is due, when it is,
// and each week after it, until it is done.
func TestActionItemsAreRemindedOf(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		page := &store.Channel{Name: "page", Kind: "webhook", Enabled: true, Config: json.RawMessage(`{}`)}
		w.check(w.store.CreateChannel(t.Context(), page))
		other := &store.Channel{Name: "others", Kind: "webhook", Enabled: true, Config: json.RawMessage(`{}`), Match: store.Match{Teams: []string{"finance"}}}
		w.check(w.store.CreateChannel(t.Context(), other))
		c := w.connect(1)[0]
		w.fail(c)
		w.ok(c, c)
		w.settle()
		i := w.incidents()[0]
		due := w.now().Add(10 * 24 * time.Hour)
		review := &store.Review{IncidentID: i.ID, Happened: "the token ended", Actions: []store.ActionItem{{What: "watch the end of tokens", Owner: "ann", DueAt: due}, {What: "nothing", Owner: "bob"}}}
		w.check(w.store.SaveReview(t.Context(), review))
		reminders := func() (texts []string) {
			for _, d := range w.deliveries() {
				if d.Kind == watch.TellAction {
					var m watch.Message
					w.check(json.Unmarshal(d.Payload, &m))
					texts = append(texts, m.Title)
					if d.Target != page.ID {
						t.Errorf("it is not of their team: %+v", d)
					}
				}
			}
			return texts
		}
		for _, step := range []struct {
			left time.Duration
			want int
			says string
		}{{4 * 24 * time.Hour, 0, ""}, {3*24*time.Hour - time.Minute, 1, "is due on"}, {24 * time.Hour, 1, "is due on"}, {0, 2, "is overdue since"},
			{-6 * 24 * time.Hour, 2, "is overdue since"}, {-7 * 24 * time.Hour, 3, "is overdue since"}} {
			w.pass(due.Add(-step.left).Sub(w.now()))
			w.pass(0)
			have := reminders()
			if len(have) != step.want || step.want > 0 && !strings.Contains(have[len(have)-1], "#1: watch the end of tokens (ann) "+step.says) {
				t.Fatalf("%s are left: %q", step.left, have)
			}
		}
		review.Actions[0].DoneAt = w.now()
		w.check(w.store.SaveReview(t.Context(), review))
		w.pass(30 * 24 * time.Hour)
		if have := reminders(); len(have) != 3 {
			t.Errorf("it is done: %q", have)
		}
	})
}
