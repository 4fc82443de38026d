package github

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/connectors/kit/rest"
	"github.com/sluicehq/sluice/spec"
)

// Config is the configuration of the connector.
type Config struct {
	Token           string        `json:"token" secret:"true" doc:"A personal access token, classic or fine-grained, with read access. Give this or app; with neither, only public data is read, at 60 requests an hour."`
	App             *App          `json:"app" doc:"A GitHub App to read as, in place of a token."`
	Owners          []string      `json:"owners" doc:"Users and organisations all of whose repositories are read." example:"[\"octo-org\"]"`
	Repositories    []string      `json:"repositories" doc:"Repositories to read, as owner/name; the name may hold * and ?. With neither owners nor repositories, everything that the credentials are given is read." example:"[\"octo-org/api\", \"octo-org/web-*\"]"`
	StartDate       string        `json:"start_date" doc:"Leave out what was last changed before this date (for commits and workflow runs: made before it)." example:"2024-01-01"`
	IncludeArchived bool          `json:"include_archived" default:"true" doc:"Read archived repositories too."`
	IncludeForks    bool          `json:"include_forks" default:"true" doc:"Read forks too."`
	RunsLookback    spec.Duration `json:"workflow_runs_lookback" default:"24h" doc:"How far back workflow runs that were complete are read again, to see runs that were started anew. Runs that were not complete are always read again."`
	BaseURL         string        `json:"base_url" default:"https://api.github.com" doc:"Address of the API; for an Enterprise server https://HOST/api/v3."`
	CACert          string        `json:"ca_certificate" title:"CA certificate" doc:"PEM text of the authority that signed an Enterprise server's certificate, where the system does not know it."`
	Concurrency     int           `json:"concurrency" default:"4" min:"1" max:"32" doc:"Requests at once, over all streams. GitHub's secondary limits punish high values."`
	MaxWait         spec.Duration `json:"max_wait" default:"15m" doc:"The longest wait for a rate limit inside a sync; for a longer one the sync ends and goes on by itself when the limit resets."`
}

// App identifies an installation of a GitHub App.
type App struct {
	AppID          int64  `json:"app_id" required:"true" min:"1" title:"App ID" doc:"The app's ID, from its settings page."`
	InstallationID int64  `json:"installation_id" required:"true" min:"1" title:"Installation ID" doc:"The number at the end of the address of the installation's page."`
	PrivateKey     string `json:"private_key" required:"true" secret:"true" doc:"PEM text of a private key of the app."`
}

// Validate checks what tags cannot say.
func (c *Config) Validate() error {
	var errs []error
	if c.Token != "" && c.App != nil {
		errs = append(errs, errors.New("token and app are both given; give one of them"))
	}
	if c.Token == "" && c.App == nil && len(c.Owners)+len(c.Repositories) == 0 {
		errs = append(errs, errors.New("give token or app, or name owners or repositories to read public data"))
	}
	if c.App != nil {
		if _, err := parseKey(c.App.PrivateKey); err != nil {
			errs = append(errs, fmt.Errorf("app.private_key: %w", err))
		}
	}
	for i, o := range c.Owners {
		if !validOwner(o) {
			errs = append(errs, fmt.Errorf("owners[%d] must be the name of a user or organisation, without a slash", i))
		}
	}
	for i, r := range c.Repositories {
		owner, name, ok := strings.Cut(r, "/")
		if _, err := path.Match(name, ""); !ok || !validOwner(owner) || name == "" || strings.Contains(name, "/") || err != nil {
			errs = append(errs, fmt.Errorf("repositories[%d] must be owner/name, with * and ? only in the name", i))
		}
	}
	if _, err := c.start(); err != nil {
		errs = append(errs, errors.New(`start_date must be a date such as "2024-01-31" or a time such as "2024-01-31T12:00:00Z"`))
	}
	if _, err := c.tls(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func validOwner(o string) bool { return o != "" && !strings.ContainsAny(o, "/*?[]% ") }

// start returns the start date, or zero.
func (c *Config) start() (time.Time, error) {
	if c.StartDate == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, c.StartDate); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, c.StartDate)
}

func (c *Config) tls() (*tls.Config, error) {
	if c.CACert == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM([]byte(c.CACert)) {
		return nil, errors.New("ca_certificate must be the PEM text of a certificate")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// Connector returns the definition of the connector.
func Connector() spec.Connector {
	return spec.Define("github", "GitHub", func(ctx context.Context, c Config) (sluice.Source, error) {
		return open(c, egress.From(ctx), nil)
	})
}

// open makes the source; clock is nil but in tests.
func open(c Config, policy egress.Policy, clock rest.Clock) (sluice.Source, error) {
	security, err := c.tls()
	if err != nil {
		return nil, err
	}
	start, err := c.start()
	if err != nil {
		return nil, err
	}
	client, err := rest.NewClient(rest.Options{
		Name: "github", BaseURL: c.BaseURL, Auth: c.auth(), TLS: security, Agent: "sluice-github",
		Header: http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}},
		// GitHub asks to wait at least a minute where it names no time.
		Limiter: rest.NewLimiter(0, c.Concurrency), MaxWait: time.Duration(c.MaxWait), ThrottleWait: time.Minute,
		Hint: hint, Clock: clock, Egress: policy,
	})
	if err != nil {
		return nil, err
	}
	s := &source{config: c, client: client, start: start}
	s.Source, err = rest.NewSource(client, rest.Request{URL: "rate_limit"}, s.endpoints()...)
	return s, err
}

func (c *Config) auth() rest.Auth {
	switch {
	case c.App != nil:
		return c.App.auth(c.BaseURL)
	case c.Token != "":
		return rest.Bearer(c.Token)
	}
	return nil
}

// hint returns the remedy for what GitHub refuses, where it is a special one.
func hint(status int, message string) string {
	m := strings.ToLower(message)
	switch {
	case status == http.StatusUnauthorized:
		return "GitHub refuses the token: it is wrong, expired or revoked; make a new one"
	case withheld(status, message):
		return "GitHub has blocked this repository, for everybody; leave it out"
	case strings.Contains(m, "saml"):
		return "authorise the token for the organisation's single sign-on, on the page of your tokens"
	case strings.Contains(m, "not accessible by"):
		return "give the token or app read access to this part of the repository"
	case strings.Contains(m, "ip allow list"):
		return "add this machine's address to the organisation's list of allowed addresses"
	case status == http.StatusNotFound:
		return "GitHub answers so too where the credentials may not see it; check the name and the token's access"
	}
	return ""
}
