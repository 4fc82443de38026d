package store

// A Page asks for a part of a list. The zero Page is the first DefaultLimit
// items in the list's own order.
type Page struct {
	Limit  int    // at most this many; 0: DefaultLimit; above MaxLimit: MaxLimit
	Cursor string // what the page before returned as next; "": from the start
	// Sort is the field to sort by, "-" in front for descending. "" is the list's
	// own order. The words that each list knows are said with its method.
	// A Cursor goes with the Sort that it was made with.
	Sort string
}

// Bounds of Page.Limit.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)
