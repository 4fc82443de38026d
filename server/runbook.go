package server

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/runbook"
	"github.com/sluicehq/sluice/store"
)

// RunbookHead is what a runbook is about.
type RunbookHead struct {
	ID         string   `json:"id" example:"postgres-sign-in" doc:"The id, as failures name it. It may have slashes: write them as %2F in a path."`
	Title      string   `json:"title" example:"PostgreSQL refuses the sign-in" doc:"What it is about, for people."`
	Codes      []string `json:"codes" example:"[\"postgres_auth\"]" doc:"Codes of the failures that it is about; * stands for any characters."`
	Connectors []string `json:"connectors,omitempty" example:"[\"postgres\"]" doc:"Connectors and kinds of destinations that it is about; missing: any."`
	Own        bool     `json:"own" example:"false" doc:"Whether it is of the installation's own folder, whose runbooks win over those of Sluice."`
}

// Runbook says what to do about failures.
type Runbook struct {
	RunbookHead
	Text string `json:"text" example:"## What it means\n\nThe server refuses the sign-in." doc:"The text, in Markdown."`
}

func viewRunbook(b *runbook.Runbook) RunbookHead {
	return RunbookHead{ID: b.ID, Title: b.Title, Codes: b.Codes, Connectors: b.Connectors, Own: b.Own}
}

func runbookRoutes(s *server, api huma.API) {
	const tag, root = "Runbooks", "/api/v1/runbooks"
	register(s, api, route{id: "list-runbooks", method: http.MethodGet, path: root, tag: tag, summary: "List runbooks",
		doc: "Lists the runbooks, without their texts, by id."}, s.listRunbooks)
	register(s, api, route{id: "get-runbook", method: http.MethodGet, path: root + "/{runbook}", tag: tag, summary: "Get a runbook",
		doc: "Answers one runbook with its text."}, s.getRunbook)
}

func (s *server) listRunbooks(_ context.Context, in *struct {
	Paging
	Code      string `query:"code" maxLength:"200" example:"postgres_auth" doc:"Only about this code of failures."`
	Connector string `query:"connector" maxLength:"64" example:"postgres" doc:"Only about this connector or kind of destination, or about any."`
}) (*Plain[Page[RunbookHead]], error) {
	after, err := base64.RawURLEncoding.DecodeString(in.Cursor)
	if err != nil {
		return nil, &sluice.Error{Class: sluice.Config, Code: store.CodeCursorInvalid, Op: "list runbooks", Err: errors.New("the cursor is not of this list"),
			Hint: "begin again without a cursor, and pass on the one that each page returns"}
	}
	items := slices.DeleteFunc(s.Runbooks.All(), func(b runbook.Runbook) bool {
		return in.Cursor != "" && b.ID <= string(after) || !b.About(in.Connector, in.Code)
	})
	next := ""
	if len(items) > in.Limit {
		items = items[:in.Limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(items[in.Limit-1].ID))
	}
	return pageOf(items, next, viewRunbook), nil
}

func (s *server) getRunbook(_ context.Context, in *struct {
	Runbook string `path:"runbook" maxLength:"1024" example:"shop/shop_auth" doc:"Id of the runbook; a slash in it is written as %2F."`
}) (*Plain[Runbook], error) {
	b, ok := s.Runbooks.ByID(in.Runbook)
	if !ok {
		return nil, store.ErrNotFound
	}
	return &Plain[Runbook]{Body: Runbook{RunbookHead: viewRunbook(&b), Text: b.Text}}, nil
}

// runbookOf returns the id of the runbook of a failure of what is of these kinds,
// "" where there is none. Codes begin with the name of the end that they are of;
// those of neither count as the source's.
func (s *server) runbookOf(k store.Kinds, code string) string {
	of := func(kind string) bool { return strings.HasPrefix(code, strings.ReplaceAll(kind, "-", "_")+"_") }
	connector := k.Source
	if connector == "" || !of(k.Source) && of(k.Destination) {
		connector = k.Destination
	}
	b, _ := s.Runbooks.For(connector, code)
	return b.ID
}

func failureOfSync(y *store.Sync) (id string, f *store.Failure) { return y.ConnectionID, y.Error }

func failureOfOperation(o *store.Operation) (id string, f *store.Failure) {
	return o.ObjectID, o.Error
}

// kindsOf returns, by id, the kinds of what those items are about that failed.
func kindsOf[T any](ctx context.Context, s *server, items []T, failure func(*T) (string, *store.Failure)) (map[string]store.Kinds, error) {
	var ids []string
	for i := range items {
		if id, f := failure(&items[i]); f != nil && id != "" {
			ids = append(ids, id)
		}
	}
	return s.Store.Kinds(ctx, ids...)
}

func (s *server) oneSync(ctx context.Context, y *store.Sync) (*Plain[Sync], error) {
	kinds, err := kindsOf(ctx, s, []store.Sync{*y}, failureOfSync)
	if err != nil {
		return nil, err
	}
	return &Plain[Sync]{Body: s.viewSync(y, kinds[y.ConnectionID])}, nil
}

func (s *server) oneOperation(ctx context.Context, o *store.Operation) (*Plain[Operation], error) {
	kinds, err := kindsOf(ctx, s, []store.Operation{*o}, failureOfOperation)
	if err != nil {
		return nil, err
	}
	return &Plain[Operation]{Body: s.viewOperation(o, kinds[o.ObjectID])}, nil
}
