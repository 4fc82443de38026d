package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/health/runbook"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/server"
	"github.com/sluicehq/sluice/web"
)

func (a *app) upCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole platform in this process",
		Long: `Runs the API, the scheduler and a worker in this process, on an embedded store:
everything is in the data folder, and a second start goes on where the first
ended. The first start prints a link to make the owner's account with.

Ctrl-C lets syncs reach a checkpoint; a second one ends them at once. Both are safe.`,
		Example: `  sluice up
  sluice up --data-dir /var/lib/sluice --listen 127.0.0.1:9000
  sluice token create --role owner --name script      # a token for the API, on the same machine`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd, s, roles{server: true, worker: true})
		},
	}
	s.storeFlags(a, cmd)
	s.serverFlags(a, cmd)
	s.workerFlags(a, cmd)
	s.regionFlag(a, cmd)
	s.logFlags(a, cmd)
	return cmd
}

func (a *app) serverCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Serve the API and schedule, on PostgreSQL; syncs run on workers",
		Long: `Serves the API and schedules syncs. Any number may run on one PostgreSQL
database: one of them schedules, and another one takes over when it is gone. Syncs
run on workers (sluice worker).`,
		Example: `  SLUICE_DATABASE_URL=postgres://… SLUICE_ENCRYPTION_KEY=… sluice server --listen 0.0.0.0:8443 --tls-cert c.pem --tls-key k.pem`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd, s, roles{server: true})
		},
	}
	s.storeFlags(a, cmd)
	s.serverFlags(a, cmd)
	s.egressFlags(a, cmd)
	s.regionFlag(a, cmd)
	s.logFlags(a, cmd)
	return cmd
}

func (a *app) workerCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run syncs of a region, on PostgreSQL",
		Long: `Runs the syncs of its region. Any number may run on one PostgreSQL database. A
worker that is killed, frozen or cut off loses its syncs to another one after
--lease; what it then still does is refused.`,
		Example: `  SLUICE_DATABASE_URL=postgres://… SLUICE_ENCRYPTION_KEY=… sluice worker --region eu --concurrency 8`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd, s, roles{worker: true})
		},
	}
	s.storeFlags(a, cmd)
	s.workerFlags(a, cmd)
	s.regionFlag(a, cmd)
	s.logFlags(a, cmd)
	return cmd
}

// roles are the parts of the platform that a process plays.
type roles struct{ server, worker bool }

// A process is a running part of the platform.
type process struct {
	*platform
	roles
	log      *slog.Logger
	queue    scheduler.Queue
	leader   *scheduler.Leader
	worker   *scheduler.Worker
	keeper   *keeper // nil: the process serves no API
	registry *prometheus.Registry
	shown    []server.Setting // how the process was started
	runbooks *runbook.Library
}

// serve runs the parts until a signal or the failure of one of them ends all.
func (a *app) serve(cmd *cobra.Command, s settings, r roles) error {
	ctx := cmd.Context()
	log, err := a.newLogger(s.logFormat, a.errOut)
	if err != nil {
		return err
	}
	var runbooks *runbook.Library
	if s.wrong != nil {
		return s.wrong
	}
	if r.server {
		if err := s.checkListen(); err != nil {
			return err
		}
		if runbooks, err = openRunbooks(s.runbooksDir); err != nil {
			return err
		}
	}
	slog.SetDefault(log)
	limitMemory(s.concurrency)
	if !(r.server && r.worker) && s.databaseURL == "" {
		return sluice.Errorf(sluice.Config, "database_needed", "start", "set SLUICE_DATABASE_URL to a PostgreSQL database; `sluice up` runs everything in one process and needs none",
			"servers and workers share a PostgreSQL database, and none is given")
	}
	stopTracing, err := a.startTracing(ctx, s.otlpEndpoint)
	if err != nil {
		return err
	}
	defer stopTracing()
	unlock, err := s.lockDataDir()
	if err != nil {
		return err
	}
	defer unlock()
	p, err := a.openPlatform(ctx, s)
	if err != nil {
		return err
	}
	defer p.close()
	queue, err := scheduler.OpenQueue(ctx, p.url, log)
	if err != nil {
		return err
	}
	defer a.close("the queue", queue)
	proc := &process{platform: p, roles: r, log: log, queue: queue, registry: prometheus.NewRegistry(), shown: shown(cmd), runbooks: runbooks}
	proc.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return proc.run(ctx)
}

// run starts the parts that the process plays, and ends them in their order: no
// new work first, then what runs, then the API, so that people can watch it end.
func (p *process) run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	if p.roles.server {
		name := hostname() + fmt.Sprint("-", os.Getpid())
		p.leader = scheduler.NewLeader(scheduler.LeaderConfig{Store: p.store, Queue: p.queue, Name: name,
			Caps: scheduler.Caps{All: p.settings.maxSyncs, PerHost: p.settings.maxPerHost, PerDestination: p.settings.maxPerDest}, Retention: p.settings.keep, Log: p.log})
		p.registry.MustRegister(scheduler.NewFleetCollector(p.store, p.leader))
		p.keeper = p.newKeeper(name)
	}
	kick := func() {}
	var tracking control.Tracking
	if p.leader != nil {
		tracking = p.keeper
		kick = func() { p.leader.Kick(); p.keeper.Kick() }
	}
	c := p.newControl(func() {
		kick()
		if p.worker != nil {
			p.worker.Look() // somebody may want a sync to end
		}
	}, tracking)
	defer c.Close()
	if p.keeper != nil {
		p.keeper.use(p, c)
	}
	var parts, last sync.WaitGroup
	if p.roles.worker {
		p.worker = scheduler.NewWorker(scheduler.WorkerConfig{Store: p.store, Runner: p.runner(c), Queue: p.queue, Region: p.settings.region,
			Places: p.settings.concurrency, Name: hostname(), Version: version(), PID: os.Getpid(), ForbidCrossRegions: !p.settings.crossRegion,
			Lease: p.settings.lease, Heartbeat: min(10*time.Second, p.settings.lease/4), Ended: kick, Log: p.log, Metrics: scheduler.NewMetrics(p.registry)})
		parts.Go(func() {
			if err := p.worker.Run(ctx); err != nil {
				end(err)
				stop()
			}
		})
	}
	if p.leader != nil {
		parts.Go(func() { p.leader.Run(ctx) })
	}
	if p.roles.server {
		serving, err := p.listen(life, c)
		if err != nil {
			stop()
			parts.Wait()
			return err
		}
		parts.Go(func() { p.keeper.Run(ctx) })
		last.Go(func() {
			if err := serving(); err != nil {
				end(err)
				stop()
			}
		})
	}
	if p.settings.metricsListen != "" {
		stopMetrics, err := p.showMetrics()
		if err != nil {
			stop()
			parts.Wait()
			return err
		}
		defer stopMetrics()
	}
	p.app.say("Ready. Ctrl-C ends.")
	<-ctx.Done()
	p.endHard(&parts)
	end(nil)
	last.Wait()
	if cause := context.Cause(life); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// endHard waits for the parts to end; a second signal ends the syncs at once.
func (p *process) endHard(parts *sync.WaitGroup) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	done := make(chan struct{})
	go func() { parts.Wait(); close(done) }()
	if p.worker != nil && p.worker.Running() > 0 {
		p.app.say("Ending: running syncs reach a checkpoint first. Ctrl-C again ends them at once.")
	}
	select {
	case <-done:
		return
	case <-signals:
	}
	if p.worker != nil {
		p.worker.Abort()
	}
	select {
	case <-done:
	case <-signals:
		p.app.exit(exitInterrupted)
	}
}

// say tells people something at the terminal; the log goes elsewhere.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// listen binds the address, tells people where the API is, and returns what
// serves it until life ends.
func (p *process) listen(life context.Context, c *control.Control) (func() error, error) {
	oidc, err := p.settings.oidc()
	if err != nil {
		return nil, err
	}
	acc, err := access.New(access.Config{Store: p.store, PublicURL: p.settings.publicURL, OIDC: oidc})
	if err != nil {
		return nil, err
	}
	var proxies []netip.Prefix
	for _, text := range p.settings.trustedProxies {
		proxies = append(proxies, netip.MustParsePrefix(text)) // checkListen has read them
	}
	api, err := server.New(server.Config{Store: p.store, Control: c, Access: acc, Version: version(), Registry: p.registry, Log: p.log,
		TrustedProxies: proxies, PublicURL: p.settings.publicURL, DataDir: p.settings.heldDataDir(), Settings: p.shown, Runbooks: p.runbooks, Web: web.Handler()})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(life, "tcp", p.settings.listen)
	if err != nil {
		return nil, sluice.Errorf(sluice.Config, "listen_failed", "listen on "+p.settings.listen, "is another program, or another sluice, listening there? choose another address with --listen", "%w", err)
	}
	at, err := p.settings.address(listener.Addr())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	p.keeper.PublicURL = at.String()
	if err := p.welcome(life, acc, listener.Addr()); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	h := api.HTTP(life)
	return func() error {
		var beside sync.WaitGroup
		beside.Go(func() { c.Run(life) })
		context.AfterFunc(life, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if h.Shutdown(ctx) != nil {
				_ = h.Close()
			}
		})
		var err error
		if p.settings.tlsCert != "" {
			err = h.ServeTLS(listener, p.settings.tlsCert, p.settings.tlsKey)
		} else {
			err = h.Serve(listener)
		}
		beside.Wait()
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}, nil
}

// welcome says where the API is and, as long as there is no owner, how to become
// one.
func (p *process) welcome(ctx context.Context, acc *access.Access, addr net.Addr) error {
	at, err := p.settings.address(addr)
	if err != nil {
		return err
	}
	p.app.say("Sluice %s is at %s (API docs: %s)", version(), at, at.JoinPath("api/docs"))
	if p.madeKey != "" {
		p.app.say("The key of all secrets was made: %s. Keep a copy of it apart from the backups of the rest.", p.madeKey)
	}
	secret, expires, err := acc.OwnerLink(ctx)
	if err != nil {
		return err
	}
	if secret != "" {
		p.app.say("Nobody owns this installation yet. This link makes the owner's account, once, until %s:\n  %s", expires.Local().Format("15:04"), at.JoinPath("claim").String()+"#"+secret)
	}
	return nil
}

// showMetrics serves what this process counts at an address of its own: workers
// have no API.
func (p *process) showMetrics() (stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.settings.metricsListen)
	if err != nil {
		return nil, sluice.Errorf(sluice.Config, "listen_failed", "show metrics on "+p.settings.metricsListen, "is another program listening there? choose another address with --metrics-listen", "%w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := h.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.log.Warn("metrics are no longer shown", "error", err)
		}
	})
	return func() { _ = h.Close(); serving.Wait() }, nil
}

// shown lists how the process was started, for operators; the address of the
// store, which may hold a password, is not among it.
func shown(cmd *cobra.Command) (list []server.Setting) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "database-url" && f.Name != "help" {
			list = append(list, server.Setting{Name: f.Name, Value: f.Value.String()})
		}
	})
	return list
}
