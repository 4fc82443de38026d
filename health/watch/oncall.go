package watch

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/rota"
	"github.com/sluicehq/sluice/store"
)

// assignAll answers what the tracker asks: who is on call. What follows from the
// answers is added to the effects.
func (w *world) assignAll(ctx context.Context, tx *store.Store) error {
	var rotas []store.Rota
	for n := 0; n < len(w.effects); n++ {
		e := w.effects[n]
		if e.Kind != health.Assign {
			continue
		}
		i, ok := w.tracker.Incident(e.Incident)
		if !ok || !i.Under() || i.Level != e.Level {
			continue // it has gone on since
		}
		if rotas == nil {
			var err error
			if rotas, err = tx.Rotas(ctx); err != nil {
				return err
			}
			if rotas == nil {
				rotas = []store.Rota{}
			}
		}
		who := w.onCall(rotas, &i, e.Level, e.At)
		if who == "" {
			continue // nobody is; who it was assigned to stays
		}
		more, err := w.tracker.Assign(e.Incident, who, "", e.At)
		w.effects = append(w.effects, more...)
		if err != nil {
			return err
		}
	}
	return nil
}

// onCall returns the id of the person of that level of the first rota that is for
// the incident; of its last one, where it has fewer levels. A rota that cannot be
// read has nobody: the tracker does not stop for it.
func (w *world) onCall(rotas []store.Rota, i *health.Incident, level int, at time.Time) string {
	for k := range rotas {
		if !rotas[k].Enabled || !w.fits(&rotas[k].Match, i) {
			continue
		}
		r, err := compiled(rotas[k].Plan)
		if err != nil {
			w.Log.Warn("nobody of a rota can be called: it cannot be read", "rota", rotas[k].Name, "error", err)
			continue
		}
		on := r.On(at)
		for n := min(level, len(on)-1); n >= 0; n-- {
			if on[n].Person != "" {
				return on[n].Person
			}
		}
		return ""
	}
	return ""
}

func compiled(raw json.RawMessage) (*rota.Rota, error) {
	var plan rota.Plan
	if err := json.Unmarshal(raw, &plan); err != nil {
		return nil, err
	}
	return rota.New(plan)
}

// fits reports whether a tracker, channel or rota is for the incident: one of its
// connections must be what the match lists.
func (w *world) fits(m *store.Match, i *health.Incident) bool {
	if len(m.Rules) > 0 || len(m.Severities) > 0 && !slices.Contains(m.Severities, string(i.Severity)) {
		return false
	}
	if len(m.Teams)+len(m.Connectors)+len(m.Connections)+len(m.Destinations)+len(m.Labels) == 0 {
		return true
	}
	return slices.ContainsFunc(i.Members, func(p health.Member) bool {
		c, ok := w.tracker.Connection(p.Connection)
		return ok && has(m.Teams, c.Team) && has(m.Connectors, c.Connector) && has(m.Connections, c.ID) && (has(m.Destinations, c.Destination) || has(m.Destinations, c.Kind)) &&
			labelled(m.Labels, c.Labels)
	})
}

func has(list []string, what string) bool { return len(list) == 0 || slices.Contains(list, what) }

func labelled(want, have map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}
