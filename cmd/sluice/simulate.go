package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/health/fleet"
)

func (a *app) simulateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Try what the platform does, without a platform",
		Args:  known,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.simulateFleetCommand())
	return cmd
}

func (a *app) simulateFleetCommand() *cobra.Command {
	var o fleet.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Drive the health tracker over months of scripted trouble, and compare with what it should have done",
		Long: `Simulates a fleet of connections on a clock of its own: credentials expire, a vendor
is away or changes its API, sources flap or get slow, a region loses its workers,
quotas are used up, and syncs fail for nothing. Prints what the health tracker and
the alerts did, against what they should have done: tickets filed, missed,
duplicated, late; false alarms; how well failures were grouped. Nothing is stored
or sent. The exit code is 1 if something is not as it should be.`,
		Example: "  sluice simulate fleet\n  sluice simulate fleet --days 30 --connections 500 --seed 7 --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"days", "connections", "connectors"} {
				if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "0" { // no default, here
					return usageError{fmt.Errorf("--%s: 0 is out of range: leave it out, or choose a number of them", name)}
				}
			}
			return a.simulateFleet(o, asJSON)
		},
	}
	cmd.Flags().IntVar(&o.Days, "days", 90, "simulated days")
	cmd.Flags().IntVar(&o.Connections, "connections", 2000, "connections of the fleet")
	cmd.Flags().IntVar(&o.Connectors, "connectors", 0, "connectors that they are of (default 20, fewer for a small fleet)")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "what the script is made from: the same seed, the same report")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) simulateFleet(o fleet.Options, asJSON bool) error {
	started := time.Now()
	r, err := fleet.Run(o)
	if err != nil {
		return usageError{err}
	}
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else if err = r.WriteText(a.out); err == nil {
		_, err = fmt.Fprintf(a.out, "It took %s.\n", brief(time.Since(started)))
	}
	if err != nil {
		return err
	}
	if !r.Good() {
		return errReported
	}
	return nil
}
