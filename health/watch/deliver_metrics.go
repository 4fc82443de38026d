package watch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// DeliveryMetrics are what a Deliverer counts. Labels are closed sets: kinds of
// trackers and channels, of deliveries, states and classes of errors. A nil
// *DeliveryMetrics counts nothing.
type DeliveryMetrics struct {
	attempts *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	delay    *prometheus.HistogramVec
	late     prometheus.Gauge
}

// NewDeliveryMetrics returns metrics that are registered with reg.
func NewDeliveryMetrics(reg prometheus.Registerer) *DeliveryMetrics {
	m := &DeliveryMetrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_delivery_attempts_total", Help: "Attempts to deliver tickets and notifications, by kind of tracker or channel, kind of delivery, what became of it and class of the error.",
		}, []string{"to", "kind", "state", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_delivery_duration_seconds", Help: "How long attempts to deliver took.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"to"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_delivery_delay_seconds", Help: "From when something was to be delivered until it was.", Buckets: []float64{.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600},
		}, []string{"to"}),
		late: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_delivery_late_seconds", Help: "For how long the delivery that has waited longest past its time has, by the latest look of this process.",
		}),
	}
	reg.MustRegister(m.attempts, m.seconds, m.delay, m.late)
	return m
}

// looked keeps how late the oldest delivery is that is due; zero: none is.
func (m *DeliveryMetrics) looked(late time.Duration) {
	if m != nil {
		m.late.Set(max(0, late).Seconds())
	}
}

// ended counts an attempt whose result is kept.
func (m *DeliveryMetrics) ended(row *store.Delivery, r result, took time.Duration) {
	if m == nil || r.what == "" {
		return
	}
	class := ""
	if r.err != nil {
		class = sluice.ClassOf(r.err).String()
	}
	m.attempts.WithLabelValues(r.what, row.Kind, string(r.end.State), class).Inc()
	m.seconds.WithLabelValues(r.what).Observe(took.Seconds())
	if r.end.State == store.DeliveryDelivered {
		m.delay.WithLabelValues(r.what).Observe(max(0, time.Since(row.CreatedAt)).Seconds())
	}
}
