package store

import (
	"context"
	"encoding/json"
	"time"
)

// A Rota is who is on call: a plan of package health/rota, as JSON.
type Rota struct {
	ID        string
	Name      string // unique, whatever the case of its letters
	Enabled   bool
	Plan      json.RawMessage
	Match     Match // the incidents whose people it names
	CreatedBy string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

var rotas = documentTable("rotas", "rota", RotaID, "name, enabled, plan, matches", true,
	func(r *Rota) document {
		return document{&r.ID, &r.CreatedBy, &r.Version, &r.CreatedAt, &r.UpdatedAt, r.Name}
	},
	func(r *Rota) []any { return []any{r.Name, r.Enabled, string(r.Plan), toJSON(r.Match)} },
	func(r *Rota) []any { return []any{&r.Name, &r.Enabled, intoRaw(&r.Plan), intoJSON(&r.Match)} })

// CreateRota is CreateRule for rotas.
func (s *Store) CreateRota(ctx context.Context, r *Rota) error { return rotas.create(ctx, s, r) }

// UpdateRota is UpdateRule for rotas.
func (s *Store) UpdateRota(ctx context.Context, r *Rota) error { return rotas.update(ctx, s, r) }

// Rota returns the rota of that id, or ErrNotFound.
func (s *Store) Rota(ctx context.Context, id string) (*Rota, error) {
	return rotas.get(ctx, s, "id", id)
}

// Rotas returns all of them, in the order of their making.
func (s *Store) Rotas(ctx context.Context) ([]Rota, error) { return rotas.all(ctx, s) }

// ListRotas lists by name; Sort: name, created.
func (s *Store) ListRotas(ctx context.Context, search string, p Page) ([]Rota, string, error) {
	return rotas.page(ctx, s, DocumentFilter{Search: search}, p)
}

// DeleteRota deletes the rota if its version is still version (0: whatever it is).
func (s *Store) DeleteRota(ctx context.Context, id string, version int64) error {
	return rotas.delete(ctx, s, id, version)
}
