package health

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A Tracker is the world in memory. It is for one goroutine at a time. It keeps
// and returns its own copies; what it returns may be kept.
type Tracker struct {
	policy Policy
	seq    int64
	now    time.Time
	number int64 // of the latest incident

	connections map[string]*Connection
	incidents   map[string]*Incident   // under way, and resolved within Policy.Reopen
	open        map[string]*Incident   // under way, by each of their Keys
	ended       map[string]*Incident   // resolved, by each of their Keys
	singles     map[string][]*Incident // under way with the scope of one source, by the key of the shared scope, in the order of their numbers
	size        map[Scope]int          // connections that are not paused, by connector and kind
	bad         map[string]string      // what is wrong with endpoints, by their ids
	due         deadlines

	changed map[string]bool // connections
	removed map[string]bool
	touched map[string]bool // incidents
	gone    []Incident      // touched, and no longer among incidents
	effects []Effect
}

// A Snapshot is all that a Tracker knows, to be kept and loaded again.
type Snapshot struct {
	Seq         int64             `json:"seq"`
	Now         time.Time         `json:"now,omitzero"`
	Number      int64             `json:"number"`                // of the latest incident
	Bad         map[string]string `json:"bad,omitempty"`         // what is wrong with endpoints, by their ids
	Connections []Connection      `json:"connections,omitempty"` // by id
	Incidents   []Incident        `json:"incidents,omitempty"`   // by number; those that ended before Policy.Reopen may be left out
}

// New returns a Tracker that knows nothing.
func New(p Policy) *Tracker { return Load(p, Snapshot{}) }

// Load returns a Tracker that goes on where the one of the snapshot was. What the
// policy, if it is another one, changes by itself comes with the next Tick.
func Load(p Policy, s Snapshot) *Tracker {
	t := &Tracker{policy: p.normal(), seq: s.Seq, now: s.Now, number: s.Number,
		connections: make(map[string]*Connection, len(s.Connections)), incidents: map[string]*Incident{}, open: map[string]*Incident{}, ended: map[string]*Incident{},
		singles: map[string][]*Incident{}, size: map[Scope]int{}, bad: map[string]string{}, due: deadlines{next: map[string]time.Time{}},
		changed: map[string]bool{}, removed: map[string]bool{}, touched: map[string]bool{}}
	maps.Copy(t.bad, s.Bad)
	for i := range s.Connections {
		c := s.Connections[i].clone()
		t.connections[c.ID] = &c
		t.count(&c.Subject, 1)
		if c.Failing() || c.Flapping || c.Incident != "" {
			t.due.at("c:"+c.ID, s.Now)
		}
	}
	byNumber := slices.Clone(s.Incidents)
	slices.SortFunc(byNumber, func(a, b Incident) int { return cmp.Compare(a.Number, b.Number) })
	for i := range byNumber {
		n := byNumber[i].clone()
		t.adopt(&n)
		t.due.at("i:"+n.ID, s.Now)
	}
	return t
}

func (t *Tracker) adopt(i *Incident) {
	t.incidents[i.ID] = i
	switch {
	case i.Under():
		t.index(i)
	case i.State == Resolved:
		for _, k := range i.Keys {
			t.ended[k] = i
		}
	}
}

// index makes an incident that is under way found by its keys, those that another
// one has excepted.
func (t *Tracker) index(i *Incident) {
	for _, k := range i.Keys {
		if t.open[k] == nil {
			t.open[k] = i
		}
	}
	if k, ok := i.mergesAs(); ok {
		list := t.singles[k]
		at, there := slices.BinarySearchFunc(list, i.Number, func(o *Incident, n int64) int { return cmp.Compare(o.Number, n) })
		if !there {
			t.singles[k] = slices.Insert(list, at, i)
		}
	}
}

func (t *Tracker) unindex(i *Incident) {
	for _, k := range i.Keys {
		if t.open[k] == i {
			delete(t.open, k)
		}
	}
	k := keyOf(i.Cause.shared(), i.Cause.Kin())
	if at := slices.Index(t.singles[k], i); at >= 0 {
		t.singles[k] = slices.Delete(slices.Clone(t.singles[k]), at, at+1)
		if len(t.singles[k]) == 0 {
			delete(t.singles, k)
		}
	}
}

// mergesAs returns the key of the shared cause that the incident may become a part
// of by itself.
func (i *Incident) mergesAs() (string, bool) {
	if i.Pinned || i.Scope.Shared() || i.Scope.Kind == OfConnection {
		return "", false
	}
	return keyOf(i.Cause.shared(), i.Cause.Kin()), true
}

func (t *Tracker) count(s *Subject, by int) {
	if !s.Paused {
		t.size[Scope{OfConnector, s.Connector}] += by
		t.size[Scope{OfKind, s.Kind}] += by
	}
}

// Snapshot returns all that the tracker knows.
func (t *Tracker) Snapshot() Snapshot {
	s := Snapshot{Seq: t.seq, Now: t.now, Number: t.number, Bad: maps.Clone(t.bad)}
	for _, id := range slices.Sorted(maps.Keys(t.connections)) {
		s.Connections = append(s.Connections, t.connections[id].clone())
	}
	s.Incidents = t.Incidents()
	return s
}

// Changes is what has changed since it was asked for last.
type Changes struct {
	Connections []Connection // by id
	Removed     []string     // ids of connections
	Incidents   []Incident   // by number
}

// Changes returns what has changed since the last call.
func (t *Tracker) Changes() Changes {
	c := Changes{Removed: slices.Sorted(maps.Keys(t.removed))}
	for _, id := range slices.Sorted(maps.Keys(t.changed)) {
		if have := t.connections[id]; have != nil {
			c.Connections = append(c.Connections, have.clone())
		}
	}
	for id := range t.touched {
		if have := t.incidents[id]; have != nil {
			c.Incidents = append(c.Incidents, have.clone())
		}
	}
	c.Incidents = append(c.Incidents, t.gone...)
	slices.SortFunc(c.Incidents, func(a, b Incident) int { return cmp.Compare(a.Number, b.Number) })
	t.gone = nil
	clear(t.changed)
	clear(t.removed)
	clear(t.touched)
	return c
}

// Seq returns the number of the latest fact that was taken.
func (t *Tracker) Seq() int64 { return t.seq }

// Now returns the latest time that the tracker was told of.
func (t *Tracker) Now() time.Time { return t.now }

// Next returns when something may be due next; zero: never. Nothing is due before.
func (t *Tracker) Next() time.Time {
	if len(t.due.heap) == 0 {
		return time.Time{}
	}
	return t.due.heap[0].at
}

// Number returns the number of the latest incident.
func (t *Tracker) Number() int64 { return t.number }

// Bad returns what checks found to be wrong with sources and destinations, by
// their ids.
func (t *Tracker) Bad() map[string]string { return maps.Clone(t.bad) }

// Connection returns what is known of a connection.
func (t *Tracker) Connection(id string) (Connection, bool) {
	c := t.connections[id]
	if c == nil {
		return Connection{}, false
	}
	return c.clone(), true
}

// Connections returns all connections, by id.
func (t *Tracker) Connections() []Connection {
	all := make([]Connection, 0, len(t.connections))
	for _, id := range slices.Sorted(maps.Keys(t.connections)) {
		all = append(all, t.connections[id].clone())
	}
	return all
}

// Incident returns an incident that is under way or was lately resolved.
func (t *Tracker) Incident(id string) (Incident, bool) {
	i := t.incidents[id]
	if i == nil {
		return Incident{}, false
	}
	return i.clone(), true
}

// Incidents returns those that are under way or were lately resolved, by number.
func (t *Tracker) Incidents() []Incident {
	all := make([]Incident, 0, len(t.incidents))
	for _, i := range t.incidents {
		all = append(all, i.clone())
	}
	slices.SortFunc(all, func(a, b Incident) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// A Count is how many there are, of each kind that can be: zeros included.
type Count struct {
	Health    map[State]int
	Failing   int
	Incidents map[Severity]int // under way
	Tickets   int              // of incidents under way
}

// Count counts connections and incidents.
func (t *Tracker) Count() Count {
	c := Count{Health: map[State]int{Healthy: 0, Degraded: 0, Down: 0, NeedsAction: 0, Unmeasured: 0}, Incidents: map[Severity]int{Sev1: 0, Sev2: 0, Sev3: 0, Sev4: 0}}
	for _, have := range t.connections {
		c.Health[have.Health]++
		if have.Failing() {
			c.Failing++
		}
	}
	for _, i := range t.incidents {
		if i.Under() {
			c.Incidents[i.Severity]++
			if i.TicketOpen {
				c.Tickets++
			}
		}
	}
	return c
}

// Size returns how many connections, those that are paused left out, have a
// connector or kind of destination: what a shared scope's reach is a share of.
func (t *Tracker) Size(s Scope) int { return t.size[s] }

// DownUntil returns for how long at least one connection of the incident has failed
// until now, and the sum over its connections.
func (i *Incident) DownUntil(now time.Time) (any, sum time.Duration) {
	any, sum = i.Downtime, i.Minutes
	if !i.DownSince.IsZero() && now.After(i.DownSince) {
		any += now.Sub(i.DownSince)
	}
	for k := range i.Members {
		if m := &i.Members[k]; m.in() && !m.FailingSince.IsZero() && now.After(m.FailingSince) {
			sum += now.Sub(m.FailingSince)
		}
	}
	return min(any, max(0, now.Sub(i.Opened))), sum
}

// Observe takes a fact and returns what follows from it, and from the time that
// has passed until then, in order.
func (t *Tracker) Observe(f Fact) []Effect {
	if f.Seq != 0 && f.Seq <= t.seq {
		return nil
	}
	t.seq = max(t.seq, f.Seq)
	at := t.advance(f.At)
	if f.Kind == Seen {
		t.seen(f.Subject, at)
		return t.take()
	}
	if f.Endpoint != "" {
		t.setup(f, at)
		return t.take()
	}
	c := t.connections[f.Connection]
	if c == nil {
		return t.take()
	}
	switch f.Kind {
	case Removed:
		t.remove(c, at)
	case Succeeded:
		t.succeeded(c, f, at)
	case Failed:
		t.failed(c, f, at)
	case Delayed:
		if c.DelayedSince.IsZero() && !c.Paused {
			c.DelayedSince = at
			t.look(c, at)
		}
	case OnTime:
		if !c.DelayedSince.IsZero() {
			c.DelayedSince = time.Time{}
			t.look(c, at)
		}
	case Paused, Resumed:
		s := c.Subject
		s.Paused = f.Kind == Paused
		t.seen(&s, at)
	case Seen, SetupBad, SetupGood, TimePassed:
	}
	return t.take()
}

// Tick tells that it is now, and returns what follows from that. How often it is
// called changes nothing of what follows.
func (t *Tracker) Tick(now time.Time) []Effect {
	t.advance(now)
	return t.take()
}

// advance does what is due until at, and returns at, or the latest time if that is
// later.
func (t *Tracker) advance(at time.Time) time.Time {
	for {
		d, ok := t.due.pop(at)
		if !ok {
			break
		}
		when := d.at
		if when.Before(t.now) {
			when = t.now
		}
		t.now = when
		switch kind, id := d.id[:2], d.id[2:]; kind {
		case "c:":
			if c := t.connections[id]; c != nil {
				t.look(c, when)
			}
		case "i:":
			if i := t.incidents[id]; i != nil {
				t.attend(i, when)
			}
		}
	}
	if at.After(t.now) {
		t.now = at
	}
	return t.now
}

// drop lets an incident go to which nothing more can happen.
func (t *Tracker) drop(i *Incident) {
	if t.touched[i.ID] {
		t.gone = append(t.gone, i.clone())
		delete(t.touched, i.ID)
	}
	delete(t.incidents, i.ID)
}

func (t *Tracker) take() []Effect {
	all := t.effects
	t.effects = nil
	return all
}

func (t *Tracker) say(e Effect) { t.effects = append(t.effects, e) }

func (c *Connection) clone() Connection {
	d := *c
	d.Changes = slices.Clone(c.Changes)
	if c.Failure != nil {
		f := *c.Failure
		d.Failure = &f
	}
	return d
}

func (i *Incident) clone() Incident {
	d := *i
	d.Keys, d.Members, d.Joined = slices.Clone(i.Keys), slices.Clone(i.Members), slices.Clone(i.Joined)
	return d
}
