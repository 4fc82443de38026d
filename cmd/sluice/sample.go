package main

import (
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/shop/shopapi"
)

func (a *app) sampleAPICommand() *cobra.Command {
	var o shopapi.Options
	var listen, since string
	cmd := &cobra.Command{
		Use:   "sample-api",
		Short: "Serve the API of a sample shop, for the shop connector",
		Long: `Serves a shop's API whose data keeps coming and changing, the same for the same
seed and time. With --chaos some answers are slow, refused or failed, so that you
can see a sync cope.`,
		Example: "  sluice sample-api --chaos 0.2 --pace 20",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since != "" {
				at, err := time.Parse(time.RFC3339, since)
				if err != nil {
					return usageError{fmt.Errorf("--since must be a time such as 2026-11-01T00:00:00Z, not %q", since)}
				}
				o.Since = at
			}
			i := a.interrupts(cmd.Context())
			defer i.stop()
			l, err := (&net.ListenConfig{}).Listen(i.now, "tcp", listen)
			if err != nil {
				return sluice.Errorf(sluice.Config, "listen", "listen on "+listen, "choose a free address with --listen", "%w", err)
			}
			fmt.Fprintf(a.out, "The sample shop is at http://%s (API key %q). Ctrl-C ends it.\n", l.Addr(), o.Key)
			return shopapi.Serve(i.now, l, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", shopapi.DefaultListen, "address to listen on")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the data")
	f.StringVar(&o.Key, "key", "demo", "API key that requests must send")
	f.Float64Var(&o.Scale, "scale", 1, "multiplies the numbers of records")
	f.Float64Var(&o.Pace, "pace", 1, "multiplies how fast records come and change")
	f.Int64Var(&o.Events, "events", 0, "number of events to begin with (default 20,000)")
	f.StringVar(&since, "since", "", "when the shop opened; from then on records come and change (default 2026-11-01T00:00:00Z)")
	f.Float64Var(&o.Chaos, "chaos", 0.02, "share of requests that meet trouble, 0 to 1")
	f.Float64Var(&o.Rate, "rate", 0, "requests a second that a key may make; below 0: no limit (default 20)")
	return cmd
}
