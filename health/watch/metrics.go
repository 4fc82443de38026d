package watch

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/health"
)

// Metrics show what the tracker of this process knows, as long as it leads. nil
// shows nothing.
type Metrics struct {
	connections *prometheus.GaugeVec
	failing     prometheus.Gauge
	incidents   *prometheus.GaugeVec
	tickets     prometheus.Gauge
	effects     *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_health_connections", Help: "Connections by health, told by the process that tracks it."}, []string{"health"}),
		failing:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_health_failing", Help: "Connections whose last sync failed, told by the process that tracks it."}),
		incidents:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_health_incidents", Help: "Incidents under way by severity, told by the process that tracks them."}, []string{"severity"}),
		tickets:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_health_tickets", Help: "Incidents under way that have a ticket, told by the process that tracks them."}),
		effects:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_health_effects_total", Help: "What has followed from what happened, by kind: filed, closed, escalated and so on."}, []string{"kind"}),
	}
	reg.MustRegister(m.connections, m.failing, m.incidents, m.tickets, m.effects)
	return m
}

// show sets what is known now.
func (m *Metrics) show(t *health.Tracker) {
	if m == nil {
		return
	}
	c := t.Count()
	for state, n := range c.Health {
		m.connections.WithLabelValues(string(state)).Set(float64(n))
	}
	for severity, n := range c.Incidents {
		m.incidents.WithLabelValues(string(severity)).Set(float64(n))
	}
	m.failing.Set(float64(c.Failing))
	m.tickets.Set(float64(c.Tickets))
}

// hide takes back what another process shows by now.
func (m *Metrics) hide() {
	if m == nil {
		return
	}
	m.connections.Reset()
	m.incidents.Reset()
	m.failing.Set(0)
	m.tickets.Set(0)
}

// count counts what is kept.
func (m *Metrics) count(effects []health.Effect) {
	if m == nil {
		return
	}
	for i := range effects {
		m.effects.WithLabelValues(string(effects[i].Kind)).Inc()
	}
}
