package main

import (
	"context"
	"sync"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/internal/mask"
)

// A keeper tracks the health of connections and delivers what follows from it.
type keeper struct {
	*watch.Service
	deliverer *watch.Deliverer
	control   *control.Control // set before Run
}

// newKeeper returns the health tracker of a process that serves the API.
func (p *process) newKeeper(name string) *keeper {
	k := &keeper{}
	versions := sync.OnceValue(p.versions)
	k.Service = watch.New(watch.Config{Store: p.store, Name: name, Runbooks: p.runbooks, PublicURL: p.settings.publicURL, Log: p.log, Secrets: k.secrets, Metrics: watch.NewMetrics(p.registry),
		Version: func(kind string, destination bool) string { return versions()[versioned{kind, destination}] },
		Beside:  []func(context.Context){func(ctx context.Context) { k.deliverer.Run(ctx) }}})
	k.WatchAlerts()
	return k
}

// use gives the keeper what opens trackers, channels and secrets. It must be called
// before Run.
func (k *keeper) use(p *process, c *control.Control) {
	k.control = c
	k.deliverer = watch.NewDeliverer(watch.DelivererConfig{Store: p.store, Name: k.Name, Links: c, Log: p.log, Metrics: watch.NewDeliveryMetrics(p.registry)})
}

// secrets returns what masks the secrets of a source and a destination. What cannot
// be unsealed cannot have got into a text.
func (k *keeper) secrets(ctx context.Context, sourceID, destinationID string) *mask.Masker {
	m := mask.New()
	if s, err := k.Store.Source(ctx, sourceID); err == nil {
		if _, secrets, err := k.control.SourceConfig(s); err == nil {
			m.Add(secrets...)
		}
	}
	if d, err := k.Store.Destination(ctx, destinationID); err == nil {
		if _, secrets, err := k.control.DestinationConfig(d); err == nil {
			m.Add(secrets...)
		}
	}
	return m
}

// versioned is a connector, or a kind of destination.
type versioned struct {
	kind        string
	destination bool
}

// versions are those of what is at hand when the process starts.
func (p *process) versions() map[versioned]string {
	found := map[versioned]string{}
	all, err := p.catalogue(context.Background())
	if err != nil {
		p.log.Warn("the versions of connectors are not known to the health tracker", "error", err)
		return found
	}
	for _, k := range all.Connectors {
		found[versioned{k.Name, false}] = k.Version
	}
	for _, k := range all.Destinations {
		found[versioned{k.Name, true}] = k.Version
	}
	return found
}
