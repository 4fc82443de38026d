package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice/health/alert"
	"github.com/sluicehq/sluice/store"
)

// SilenceSpec is a silence as users write it.
type SilenceSpec struct {
	Kind     string        `json:"kind,omitempty" enum:"silence,maintenance" default:"silence" doc:"Why it is quiet: somebody wants it so, or work is done." example:"maintenance"`
	Reason   string        `json:"reason" required:"true" doc:"Why, for those who wonder." example:"the warehouse moves"`
	Match    []MatcherSpec `json:"match" required:"true" doc:"The alerts that nobody is told of: those that match all of these."`
	StartsAt time.Time     `json:"starts_at,omitzero" doc:"When it begins; left out: now." example:"2026-11-21T14:00:00Z"`
	EndsAt   time.Time     `json:"ends_at,omitzero" doc:"When it ends; only with weekly may it be left out." example:"2026-11-21T18:00:00Z"`
	Weekly   *WeeklySpec   `json:"weekly,omitempty" doc:"Only in hours that come back: a maintenance window."`
}

// MatcherSpec compares a label of an alert.
type MatcherSpec struct {
	Label string   `json:"label" required:"true" doc:"kind, rule, severity, team, connector, region, connection, subject, or label.x for the label x of the connection." example:"team"`
	Is    []string `json:"is" required:"true" doc:"The values, one of which it must have; * stands for any text." example:"[\"growth\"]"`
	Not   bool     `json:"not,omitempty" doc:"It must have none of them." example:"false"`
}

// WeeklySpec is hours that come back.
type WeeklySpec struct {
	Days []string `json:"days,omitempty" doc:"mon to sun, on which they begin; left out: every day." example:"[\"sat\"]"`
	From string   `json:"from" required:"true" doc:"When they begin." example:"22:00"`
	To   string   `json:"to" required:"true" doc:"When they end; not after from: on the next day." example:"04:00"`
	Zone string   `json:"zone,omitempty" doc:"IANA name of the zone whose clocks count; left out: UTC." example:"Europe/Berlin"`
}

const kindSilence = "silence"

func matchersOf(specs []MatcherSpec) (all []store.Matcher) {
	for _, m := range specs {
		all = append(all, store.Matcher(m))
	}
	return all
}

// SilenceSpecOf is a stored silence in the words of users.
func SilenceSpecOf(v *store.Silence) SilenceSpec {
	s := SilenceSpec{Kind: string(v.Kind), Reason: v.Reason, StartsAt: v.StartsAt, EndsAt: v.EndsAt, Match: []MatcherSpec{}}
	for _, m := range v.Match {
		s.Match = append(s.Match, MatcherSpec(m))
	}
	if v.Weekly != nil {
		w := WeeklySpec(*v.Weekly)
		s.Weekly = &w
	}
	return s
}

// AlertSilenceOf is a stored silence as package alert takes it.
func AlertSilenceOf(v *store.Silence) alert.Silence {
	a := alert.Silence{ID: v.ID, From: v.StartsAt, Until: v.EndsAt, Reason: v.Reason, By: v.CreatedBy}
	for _, m := range v.Match {
		a.Match = append(a.Match, alert.Matcher(m))
	}
	if v.Weekly != nil {
		w := alert.Weekly(*v.Weekly)
		a.Weekly = &w
	}
	return a
}

// toSilence checks want and puts it into v.
func (c *Control) toSilence(ctx context.Context, want *SilenceSpec, v *store.Silence) error {
	if want.Kind == "" {
		want.Kind = string(store.PlainSilence)
	}
	if want.StartsAt.IsZero() {
		want.StartsAt = c.store.Now()
	}
	v.Kind, v.Reason, v.Match, v.Weekly = store.SilenceKind(want.Kind), strings.TrimSpace(want.Reason), matchersOf(want.Match), nil
	v.StartsAt, v.EndsAt = whole(want.StartsAt), whole(want.EndsAt)
	if want.Weekly != nil {
		w := store.Weekly(*want.Weekly)
		v.Weekly = &w
	}
	var faults Faults
	if len(v.Reason) > maxText {
		faults.add("reason", "must have at most %d bytes", maxText)
	}
	words := map[string]string{"from": "starts_at", "until": "ends_at"}
	if err := c.checkAlerts(ctx, alert.Plan{Silences: []alert.Silence{AlertSilenceOf(v)}}, "silences[0].", words, &faults); err != nil {
		return err
	}
	return faults.err("check the silence")
}

// maxText bounds what people write at length, in bytes.
const maxText = 20_000

func whole(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}

// CreateSilence checks want and keeps it.
func (c *Control) CreateSilence(ctx context.Context, who Actor, want SilenceSpec) (*store.Silence, error) {
	if err := checkedSpec(&want, "check the silence"); err != nil {
		return nil, err
	}
	v := &store.Silence{ID: store.NewID(store.SilenceID, c.store.Now()), CreatedBy: who.ID}
	if err := c.toSilence(ctx, &want, v); err != nil {
		return nil, err
	}
	if !v.EndsAt.IsZero() && !v.EndsAt.After(c.store.Now()) {
		return nil, Faults{{"ends_at", "is over: choose a time to come"}}.err("check the silence")
	}
	made := *v
	err := c.store.Transact(ctx, func(tx *store.Store) error {
		made = *v
		if err := tx.CreateSilence(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "silence.create", kind: kindSilence, id: v.ID, name: v.Reason, after: want})
	})
	return &made, err
}

// PatchSilence changes a silence by a JSON merge patch on its spec, as PatchSource
// does a source. To end one, set ends_at to now.
func (c *Control) PatchSilence(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.Silence, error) {
	v, err := c.store.Silence(ctx, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != v.Version {
		return nil, fmt.Errorf("change silence %s: %w", id, store.ErrConflict)
	}
	have := SilenceSpecOf(v)
	var want SilenceSpec
	if changed, err := patched(have, patch, &want, "change the silence"); err != nil || !changed {
		return v, err
	}
	if err := c.toSilence(ctx, &want, v); err != nil {
		return nil, err
	}
	made := *v
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *v
		if err := tx.UpdateSilence(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "silence.update", kind: kindSilence, id: v.ID, name: v.Reason, before: have, after: want})
	})
	return &made, err
}

// DeleteSilence deletes a silence, which ends it.
func (c *Control) DeleteSilence(ctx context.Context, who Actor, id string, version int64) error {
	v, err := c.store.Silence(ctx, id)
	if err != nil {
		return err
	}
	return c.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DeleteSilence(ctx, id, version); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "silence.delete", kind: kindSilence, id: v.ID, name: v.Reason, before: SilenceSpecOf(v)})
	})
}
