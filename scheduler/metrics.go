package scheduler

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/store"
)

// Metrics are what the workers of a process count. Labels are kinds of connectors
// and destinations, outcomes and classes of errors: closed sets, however many
// connections there are. A nil *Metrics counts nothing.
type Metrics struct {
	attempts *prometheus.CounterVec
	rows     *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	late     prometheus.Histogram
}

// NewMetrics returns the metrics of a process's workers, registered with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_attempts_total", Help: "Attempts of syncs that ended, by connector, kind of destination, outcome and class of the error.",
		}, []string{"connector", "destination", "outcome", "class"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_rows_total", Help: "Rows by what became of them: read, loaded, deleted, rejected.",
		}, []string{"connector", "destination", "what"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_read_bytes_total", Help: "Bytes read from sources, as held in memory.",
		}, []string{"connector", "destination"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_attempt_duration_seconds", Help: "How long attempts of syncs took.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 12 * 3600},
		}, []string{"connector", "destination"}),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_start_delay_seconds", Help: "From when a sync was due until its first attempt began.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 15, 60, 300, 1800},
		}),
	}
	reg.MustRegister(m.attempts, m.rows, m.bytes, m.seconds, m.late)
	return m
}

// started counts the beginning of an attempt.
func (m *Metrics) started(s *store.Sync, attempt int, now time.Time) {
	if m != nil && attempt == 1 {
		m.late.Observe(max(0, now.Sub(s.DueAt)).Seconds())
	}
}

// ended counts the end of an attempt.
func (m *Metrics) ended(connector, destination string, end store.End, progress []pipeline.Progress, took time.Duration) {
	if m == nil {
		return
	}
	class := ""
	if end.Error != nil {
		class = end.Error.Class
	}
	m.attempts.WithLabelValues(connector, destination, string(end.Outcome), class).Inc()
	m.seconds.WithLabelValues(connector, destination).Observe(took.Seconds())
	for _, p := range progress {
		m.bytes.WithLabelValues(connector, destination).Add(float64(p.Bytes))
		for what, n := range map[string]int64{"read": p.Rows, "loaded": p.Counts.Loaded, "deleted": p.Counts.Deleted, "rejected": p.Counts.Rejected} {
			m.rows.WithLabelValues(connector, destination, what).Add(float64(n))
		}
	}
}

// fleet shows the state of the whole installation, as the store has it. Each
// server shows the same, so sums over servers mean nothing.
type fleet struct {
	store  *store.Store
	leader *Leader
}

var (
	connectionsDesc = prometheus.NewDesc("sluice_connections", "Connections by sync state.", []string{"state"}, nil)
	freshnessDesc   = prometheus.NewDesc("sluice_connections_freshness", "Connections by freshness: on_schedule or delayed.", []string{"freshness"}, nil)
	waitingDesc     = prometheus.NewDesc("sluice_queue_syncs", "Syncs that wait for a place or for their next attempt, by region.", []string{"region"}, nil)
	oldestDesc      = prometheus.NewDesc("sluice_queue_oldest_seconds", "Since when the oldest of them is due, by region.", []string{"region"}, nil)
	runningDesc     = prometheus.NewDesc("sluice_syncs_running", "Syncs that run, by region.", []string{"region"}, nil)
	workersDesc     = prometheus.NewDesc("sluice_workers", "Workers heard of within the last minute, by region.", []string{"region"}, nil)
	placesDesc      = prometheus.NewDesc("sluice_worker_places", "Syncs that those workers can run at once, by region.", []string{"region"}, nil)
	leadingDesc     = prometheus.NewDesc("sluice_scheduler_leading", "1 where this process schedules; one of all servers does.", nil, nil)
	upDesc          = prometheus.NewDesc("sluice_store_up", "1 where the metadata store answered.", nil, nil)
)

// NewFleetCollector returns a collector of the state of the installation, for
// the processes that serve the API; leader may be nil.
func NewFleetCollector(s *store.Store, leader *Leader) prometheus.Collector { return &fleet{s, leader} }

// Describe implements prometheus.Collector.
func (f *fleet) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectionsDesc, freshnessDesc, waitingDesc, oldestDesc, runningDesc, workersDesc, placesDesc, leadingDesc, upDesc} {
		to <- d
	}
}

// collectTime bounds what a scrape may ask of the store.
const collectTime = 5 * time.Second

// Collect implements prometheus.Collector.
func (f *fleet) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTime)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if f.leader != nil {
		gauge(leadingDesc, number(f.leader.Leading()))
	}
	err := f.measure(ctx, gauge)
	gauge(upDesc, number(err == nil))
	if err != nil {
		slog.Warn("the state of the installation could not be measured", "error", err)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (f *fleet) measure(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) error {
	states, err := f.store.CountConnections(ctx)
	if err != nil {
		return err
	}
	for _, s := range []store.RunState{store.Scheduled, store.QueuedRun, store.Syncing, store.Rescheduled, store.PausedRun} {
		gauge(connectionsDesc, float64(states[s]), string(s))
	}
	fresh, err := f.store.CountFreshness(ctx)
	if err != nil {
		return err
	}
	for _, s := range []store.Freshness{store.OnSchedule, store.Delayed} {
		gauge(freshnessDesc, float64(fresh[s]), string(s))
	}
	queue, err := f.store.Queue(ctx)
	if err != nil {
		return err
	}
	now := f.store.Now()
	for region, q := range queue {
		gauge(waitingDesc, float64(q.Waiting), region)
		gauge(runningDesc, float64(q.Running), region)
		age := 0.0
		if q.Waiting > 0 {
			age = max(0, now.Sub(q.Oldest).Seconds())
		}
		gauge(oldestDesc, age, region)
	}
	return f.measureWorkers(ctx, now, gauge)
}

func (f *fleet) measureWorkers(ctx context.Context, now time.Time, gauge func(*prometheus.Desc, float64, ...string)) error {
	workers, places := map[string]int{}, map[string]int{}
	err := store.Each(func(p store.Page) ([]store.Worker, string, error) {
		return f.store.ListWorkers(ctx, "", p)
	}, func(w *store.Worker) error {
		if now.Sub(w.SeenAt) < time.Minute {
			workers[w.Region]++
			places[w.Region] += w.Capacity
		}
		return nil
	})
	if err != nil {
		return err
	}
	for region := range workers {
		gauge(workersDesc, float64(workers[region]), region)
		gauge(placesDesc, float64(places[region]), region)
	}
	return nil
}
