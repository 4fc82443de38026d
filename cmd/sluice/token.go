package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/store"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make tokens for the API, on the machine of the store", Args: known, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.tokenCreateCommand())
	return cmd
}

func (a *app) tokenCreateCommand() *cobra.Command {
	var s settings
	q := access.TokenRequest{}
	var role string
	var days int
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an API token and print it, once",
		Long: `Makes an API token and prints it: it cannot be had again. Who can read the
store and its encryption key may do this, without signing in. Programs send it as
"Authorization: Bearer TOKEN", the command line takes it from SLUICE_TOKEN.`,
		Example: `  export SLUICE_TOKEN=$(sluice token create --role operator --name nightly)`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if q.Role, err = access.ParseRole(role); err != nil {
				return usageError{fmt.Errorf("--role: %w", err)}
			}
			if days < 1 || time.Duration(days)*24*time.Hour > access.MaxTokenTTL {
				return usageError{fmt.Errorf("--days: a token lasts 1 to %d days", access.MaxTokenTTL/(24*time.Hour))}
			}
			q.TTL = time.Duration(days) * 24 * time.Hour
			url, err := s.storeURL()
			if err != nil {
				return err
			}
			st, err := store.Open(cmd.Context(), url, store.Options{})
			if err != nil {
				return err
			}
			defer a.close("the metadata store", st)
			acc, err := access.New(access.Config{Store: st})
			if err != nil {
				return err
			}
			text, token, err := acc.CreateToken(cmd.Context(), access.System, q, access.From{})
			if err != nil {
				return err
			}
			a.note(fmt.Sprintf("Token %q, role %s, until %s:", token.Name, token.Role, token.ExpiresAt.UTC().Format("2006-01-02")))
			a.say("%s", text)
			return nil
		},
	}
	s.storeFlags(a, cmd)
	f := cmd.Flags()
	f.StringVar(&role, "role", string(access.Viewer), "what it may do: owner, admin, operator or viewer")
	f.StringVar(&q.Name, "name", "command line", "what it is for")
	f.StringSliceVar(&q.Connections, "connections", nil, "ids of the connections that it is bound to; none: all")
	f.IntVar(&days, "days", int(access.DefaultTokenTTL/(24*time.Hour)), "days until it expires")
	return cmd
}

func (a *app) migrateCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the metadata store's schema up to date", Args: noArgs,
		Long: `Brings the metadata store's schema up to date. Servers and workers do it when
they start; this is for those who want to do it before.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, err := s.storeURL()
			if err != nil {
				return err
			}
			from, to, err := store.Migrate(cmd.Context(), url)
			if err != nil {
				return err
			}
			if from == to {
				a.say("The schema is up to date: version %d.", to)
			} else {
				a.say("The schema went from version %d to %d.", from, to)
			}
			return nil
		},
	}
	s.storeFlags(a, cmd)
	return cmd
}
