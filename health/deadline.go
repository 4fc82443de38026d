package health

import (
	"container/heap"
	"strings"
	"time"
)

// A deadline is when something may be due: what an id stands for is looked at
// then, and says itself when it is to be looked at next.
type deadline struct {
	at time.Time
	id string
}

// deadlines are due in the order of their times, and then of their ids. For each
// id only the earliest counts.
type deadlines struct {
	heap deadlineHeap
	next map[string]time.Time
}

func (d *deadlines) at(id string, at time.Time) {
	if at.IsZero() {
		return
	}
	if have, ok := d.next[id]; ok && !at.Before(have) {
		return
	}
	d.next[id] = at
	heap.Push(&d.heap, deadline{at, id})
}

// pop returns the first one that is due at now.
func (d *deadlines) pop(now time.Time) (deadline, bool) {
	for len(d.heap) > 0 && !d.heap[0].at.After(now) {
		first, _ := heap.Pop(&d.heap).(deadline)
		if at, ok := d.next[first.id]; ok && at.Equal(first.at) {
			delete(d.next, first.id)
			return first, true
		}
	}
	return deadline{}, false
}

type deadlineHeap []deadline

func (h deadlineHeap) Len() int { return len(h) }
func (h deadlineHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return strings.Compare(h[i].id, h[j].id) < 0
}
func (h deadlineHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *deadlineHeap) Push(x any) {
	d, _ := x.(deadline)
	*h = append(*h, d)
}
func (h *deadlineHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
