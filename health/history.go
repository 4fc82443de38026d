package health

import "time"

// Spent is how long a connection was in each state.
type Spent struct {
	Healthy     time.Duration
	Degraded    time.Duration
	Down        time.Duration
	NeedsAction time.Duration
	Unmeasured  time.Duration // paused, or before it was known
}

// SpentIn sums up a history, whose intervals do not overlap, from one instant to
// another. What the history does not cover is Unmeasured; an interval that still
// lasts does so until to.
func SpentIn(history []Interval, from, to time.Time) (s Spent) {
	if !to.After(from) {
		return s
	}
	covered := time.Duration(0)
	for _, i := range history {
		begin, end := i.From, i.To
		if end.IsZero() || end.After(to) {
			end = to
		}
		if begin.Before(from) {
			begin = from
		}
		if d := end.Sub(begin); d > 0 {
			covered += d
			*s.of(i.Health) += d
		}
	}
	s.Unmeasured += to.Sub(from) - covered
	return s
}

func (s *Spent) of(state State) *time.Duration {
	switch state {
	case Healthy:
		return &s.Healthy
	case Degraded:
		return &s.Degraded
	case Down:
		return &s.Down
	case NeedsAction:
		return &s.NeedsAction
	case Unmeasured:
	}
	return &s.Unmeasured
}

// Downtime is the time in which the data was late or failing.
func (s Spent) Downtime() time.Duration { return s.Degraded + s.Down + s.NeedsAction }

// Uptime is the share of the measured time in which the connection was healthy,
// from 0 to 1; 1 where nothing was measured.
func (s Spent) Uptime() float64 {
	measured := s.Healthy + s.Downtime()
	if measured <= 0 {
		return 1
	}
	return float64(s.Healthy) / float64(measured)
}
