package server

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/sluicehq/sluice/store"
)

// stripCache keeps the marks of days that are over, which no longer change, so
// that only today's are read for each answer. It is safe for concurrent use.
type stripCache struct {
	mu    sync.Mutex
	until time.Time         // the last day that is held
	days  int               // how many are held
	marks map[string][]byte // by connection: of those days
}

// settled is how long after its end a day may still get a sync: clocks of
// servers differ, and transactions take their time.
const settled = 10 * time.Minute

// read returns the strips from the day of from until last's, which is today.
func (c *stripCache) read(ctx context.Context, s *store.Store, from, last time.Time, among []string) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	over := last.Add(-aDay)
	if s.Now().Sub(last) < settled {
		over = over.Add(-aDay)
	}
	if !from.After(over) {
		if err := c.hold(ctx, s, from, over); err != nil {
			return nil, err
		}
	}
	days := int(last.Sub(from)/aDay) + 1
	out := map[string][]byte{}
	at := func(id string) []byte {
		if out[id] == nil {
			out[id] = bytes.Repeat([]byte{byte(store.NoSync)}, days)
		}
		return out[id]
	}
	first := from
	if !from.After(over) {
		held := int(over.Sub(from)/aDay) + 1
		first = over.Add(aDay)
		c.copy(among, held, at)
	}
	err := s.Marks(ctx, first, last, among, func(day time.Time, id string, m store.Mark) { at(id)[int(day.Sub(from)/aDay)] = byte(m) })
	if err != nil {
		return nil, err
	}
	strips := make(map[string]string, len(out))
	for id, marks := range out {
		strips[id] = string(marks)
	}
	return strips, nil
}

// copy puts the last held marks of each connection to the beginning of its strip.
func (c *stripCache) copy(among []string, held int, at func(id string) []byte) {
	put := func(id string, marks []byte) {
		if last := marks[len(marks)-held:]; len(bytes.Trim(last, string(rune(store.NoSync)))) > 0 {
			copy(at(id), last)
		}
	}
	if among == nil {
		for id, marks := range c.marks {
			put(id, marks)
		}
		return
	}
	for _, id := range among {
		if marks := c.marks[id]; marks != nil {
			put(id, marks)
		}
	}
}

// hold makes the cache hold the days from from's to over's, and what it held
// before of the days before those.
func (c *stripCache) hold(ctx context.Context, s *store.Store, from, over time.Time) error {
	days := int(over.Sub(from)/aDay) + 1
	if c.until.Equal(over) && c.days >= days {
		return nil
	}
	marks := map[string][]byte{}
	err := s.Marks(ctx, from, over, nil, func(day time.Time, id string, m store.Mark) {
		if marks[id] == nil {
			marks[id] = bytes.Repeat([]byte{byte(store.NoSync)}, days)
		}
		marks[id][int(day.Sub(from)/aDay)] = byte(m)
	})
	if err == nil {
		c.marks, c.until, c.days = marks, over, days
	}
	return err
}
