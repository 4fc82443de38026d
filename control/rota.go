package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/health/rota"
	"github.com/sluicehq/sluice/store"
)

// RotaSpec is a rota as users write it.
type RotaSpec struct {
	Name    string    `json:"name" required:"true" doc:"Unique among rotas, whatever the case of its letters." example:"follow the sun"`
	Enabled *bool     `json:"enabled,omitempty" default:"true" doc:"Whether incidents are assigned by it." example:"true"`
	Plan    RotaPlan  `json:"plan" required:"true" doc:"Who is on call, and when."`
	Match   MatchSpec `json:"match,omitempty" doc:"The incidents that it is for; left out: all. Of several rotas, the first that was made counts."`
}

// RotaPlan is a rota.Plan in the words of users.
type RotaPlan struct {
	People    []RotaPerson   `json:"people" required:"true" doc:"Who can be on call."`
	Levels    []RotaLevel    `json:"levels" required:"true" doc:"The steps of the escalation: the first is called first."`
	Overrides []RotaOverride `json:"overrides,omitempty" doc:"Who is on call in a level's place for a time; of several at once, the last counts."`
	Holidays  []RotaHoliday  `json:"holidays,omitempty" doc:"Days off."`
}

// RotaPerson can be on call.
type RotaPerson struct {
	ID   string `json:"id" required:"true" doc:"By which the plan, and incidents as their assignee, name them: the id or the address of a user, or any other name." example:"ana@example.com"`
	Name string `json:"name,omitempty" doc:"For people." example:"Ana"`
	Zone string `json:"zone" required:"true" doc:"IANA name of the zone in which their days begin and end." example:"Europe/Berlin"`
}

// RotaLevel is one step of the escalation.
type RotaLevel struct {
	Name      string      `json:"name" required:"true" doc:"Unique in the plan." example:"first"`
	FullCover bool        `json:"full_cover,omitempty" doc:"Whether somebody is on call at every instant: where nobody is left, holidays are worked." example:"true"`
	Layers    []RotaLayer `json:"layers" required:"true" doc:"Of those that are open, the first counts."`
}

// RotaLayer is people who take turns.
type RotaLayer struct {
	Name     string      `json:"name" required:"true" doc:"Unique in the level." example:"europe"`
	Zone     string      `json:"zone" required:"true" doc:"IANA name of the zone of all its times." example:"Europe/Berlin"`
	People   []string    `json:"people" required:"true" doc:"Ids, in the order of their turns." example:"[\"ana@example.com\"]"`
	Start    string      `json:"start" required:"true" doc:"The day of the first turn; nobody is on call before." example:"2026-01-05"`
	Handover string      `json:"handover" required:"true" doc:"When turns begin and end." example:"09:00"`
	Turn     string      `json:"turn" required:"true" enum:"daily,weekly" doc:"How long a turn lasts." example:"weekly"`
	Every    int         `json:"every,omitempty" doc:"So many days or weeks; left out: 1." example:"1"`
	Hours    []RotaHours `json:"hours,omitempty" doc:"When it is open; left out: always."`
}

// RotaHours are a part of each week.
type RotaHours struct {
	Days []string `json:"days,omitempty" doc:"mon to sun, on which they begin; left out: every day." example:"[\"mon\",\"tue\",\"wed\",\"thu\",\"fri\"]"`
	From string   `json:"from" required:"true" doc:"When they begin." example:"08:00"`
	To   string   `json:"to" required:"true" doc:"When they end; not after from: on the next day." example:"17:00"`
}

// RotaOverride puts a person in a level's place for a time.
type RotaOverride struct {
	Level  string    `json:"level" required:"true" doc:"Name of the level." example:"first"`
	Person string    `json:"person" required:"true" doc:"Id of the person." example:"ana@example.com"`
	From   time.Time `json:"from" required:"true" doc:"When it begins." example:"2026-12-24T08:00:00Z"`
	To     time.Time `json:"to" required:"true" doc:"When it ends." example:"2026-12-25T08:00:00Z"`
	Reason string    `json:"reason,omitempty" doc:"Why." example:"swapped with Ben"`
}

// RotaHoliday is days off.
type RotaHoliday struct {
	Name   string   `json:"name" required:"true" doc:"For people." example:"Christmas"`
	People []string `json:"people,omitempty" doc:"Ids of those who have it; left out: all." example:"[\"ana@example.com\"]"`
	First  string   `json:"first" required:"true" doc:"The first day, such as 2026-12-24, or 12-24 for each year." example:"12-24"`
	Last   string   `json:"last,omitempty" doc:"The last day; left out: the first." example:"12-26"`
}

const kindRota = "rota"

// RotaSpecOf is a stored rota in the words of users.
func RotaSpecOf(r *store.Rota) (RotaSpec, error) {
	s := RotaSpec{Name: r.Name, Enabled: &r.Enabled, Match: MatchOf(r.Match)}
	if err := json.Unmarshal(r.Plan, &s.Plan); err != nil {
		return s, fmt.Errorf("read the rota %s: %w", r.ID, err)
	}
	return s, nil
}

// plan returns the plan as package rota takes it, checked.
func (p *RotaPlan) plan(at string, faults *Faults) *rota.Rota {
	var plan rota.Plan
	if err := json.Unmarshal(encode(p), &plan); err != nil {
		faults.add(at, "%v", err)
		return nil
	}
	r, err := rota.New(plan)
	found, _ := errors.AsType[rota.Faults](err)
	for _, f := range found {
		faults.add(at+"."+f.Place, "%s", f.Text)
	}
	return r
}

func (want *RotaSpec) to(r *store.Rota) error {
	var faults Faults
	checkName(&faults, want.Name)
	want.Match.check("match", &faults)
	want.Plan.plan("plan", &faults)
	if err := faults.err("check the rota"); err != nil {
		return err
	}
	r.Name, r.Enabled, r.Plan, r.Match = want.Name, want.Enabled == nil || *want.Enabled, encode(want.Plan), want.Match.match()
	return nil
}

// CreateRota checks want and keeps it.
func (c *Control) CreateRota(ctx context.Context, who Actor, want RotaSpec) (*store.Rota, error) {
	if err := checkedSpec(&want, "check the rota"); err != nil {
		return nil, err
	}
	r := &store.Rota{ID: store.NewID(store.RotaID, c.store.Now()), CreatedBy: who.ID}
	if err := want.to(r); err != nil {
		return nil, err
	}
	made := *r
	err := c.store.Transact(ctx, func(tx *store.Store) error {
		made = *r
		if err := tx.CreateRota(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "rota.create", kind: kindRota, id: r.ID, name: r.Name, after: want})
	})
	return &made, err
}

// PatchRota changes a rota by a JSON merge patch on its spec, as PatchSource does a
// source.
func (c *Control) PatchRota(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.Rota, error) {
	r, err := c.store.Rota(ctx, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != r.Version {
		return nil, fmt.Errorf("change rota %s: %w", id, store.ErrConflict)
	}
	have, err := RotaSpecOf(r)
	if err != nil {
		return nil, err
	}
	var want RotaSpec
	if changed, err := patched(have, patch, &want, "change the rota"); err != nil || !changed {
		return r, err
	}
	if err := want.to(r); err != nil {
		return nil, err
	}
	made := *r
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *r
		if err := tx.UpdateRota(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "rota.update", kind: kindRota, id: r.ID, name: r.Name, before: have, after: want})
	})
	return &made, err
}

// DeleteRota deletes a rota.
func (c *Control) DeleteRota(ctx context.Context, who Actor, id string, version int64) error {
	r, err := c.store.Rota(ctx, id)
	if err != nil {
		return err
	}
	have, err := RotaSpecOf(r)
	if err != nil {
		return err
	}
	return c.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DeleteRota(ctx, id, version); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "rota.delete", kind: kindRota, id: r.ID, name: r.Name, before: have})
	})
}

// maxPreview bounds the time for which shifts are shown.
const maxPreview = 120 * 24 * time.Hour

// Shifts are what a plan makes of a time.
type Shifts struct {
	Shifts []rota.Shift
	Gaps   []rota.Shift // in which nobody of a level is on call
}

// PreviewRota returns who is on call from one instant to another by a plan that
// need not be kept.
func (c *Control) PreviewRota(p RotaPlan, from, to time.Time) (*Shifts, error) {
	const op = "preview the rota"
	if err := checkedSpec(&p, op); err != nil {
		return nil, err
	}
	var faults Faults
	r := p.plan("plan", &faults)
	if err := faults.err(op); err != nil {
		return nil, err
	}
	return shiftsOf(r, from, to)
}

func shiftsOf(r *rota.Rota, from, to time.Time) (*Shifts, error) {
	switch {
	case !to.After(from):
		return nil, fail(CodeInvalid, "preview the rota", "choose a later time", "to is not after from")
	case to.Sub(from) > maxPreview:
		return nil, fail(CodeInvalid, "preview the rota", "ask for less at once", "from and to are more than %d days apart", maxPreview/(24*time.Hour))
	}
	return &Shifts{Shifts: r.Shifts(from, to), Gaps: r.Gaps(from, to)}, nil
}

// RotaShifts is PreviewRota of a stored rota.
func (c *Control) RotaShifts(ctx context.Context, id string, from, to time.Time) (*Shifts, error) {
	stored, err := c.store.Rota(ctx, id)
	if err != nil {
		return nil, err
	}
	r, err := compiled(stored)
	if err != nil {
		return nil, err
	}
	return shiftsOf(r, from, to)
}

func compiled(stored *store.Rota) (*rota.Rota, error) {
	var plan rota.Plan
	if err := json.Unmarshal(stored.Plan, &plan); err != nil {
		return nil, fmt.Errorf("read the rota %s: %w", stored.ID, err)
	}
	r, err := rota.New(plan)
	if err != nil {
		return nil, fmt.Errorf("read the rota %s: %w", stored.ID, err)
	}
	return r, nil
}

// OnCall is who is on call by one rota.
type OnCall struct {
	Rota *store.Rota
	Now  []rota.Shift // of each level
	Next []rota.Shift // that follow
}

// OnCall returns who is on call at an instant, by every enabled rota.
func (c *Control) OnCall(ctx context.Context, at time.Time) (all []OnCall, err error) {
	stored, err := c.store.Rotas(ctx)
	if err != nil {
		return nil, err
	}
	for i := range stored {
		if !stored[i].Enabled {
			continue
		}
		r, err := compiled(&stored[i])
		if err != nil {
			return nil, err
		}
		all = append(all, OnCall{&stored[i], r.On(at), r.Next(at)})
	}
	return all, nil
}
