package server

import "github.com/sluicehq/sluice/store"

// Paging is embedded by the inputs of lists.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" example:"50" doc:"The most items to answer."`
	Cursor string `query:"cursor" maxLength:"2048" example:"" doc:"The next of the page before; without it, the first page. It goes with the sort and the filters it was answered for."`
}

func (p Paging) page(sort string) store.Page {
	return store.Page{Limit: p.Limit, Cursor: p.Cursor, Sort: sort}
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T    `json:"items" doc:"The items, in the order asked for."`
	Next  string `json:"next,omitempty" example:"bmFtZTpzaG9w" doc:"The cursor of the page after this one; missing on the last."`
}

// pageOf makes the answer of a list from what the store returned.
func pageOf[S, T any](items []S, next string, view func(*S) T) *Plain[Page[T]] {
	out := &Plain[Page[T]]{Body: Page[T]{Items: make([]T, len(items)), Next: next}}
	for i := range items {
		out.Body.Items[i] = view(&items[i])
	}
	return out
}
