package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/spec"
)

// remoteEndpoint is a source or destination as the API answers it.
type remoteEndpoint struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Connector string            `json:"connector"`
	Config    json.RawMessage   `json:"config"`
	Region    string            `json:"region"`
	Team      string            `json:"team"`
	Labels    map[string]string `json:"labels"`
	UpdatedAt time.Time         `json:"updated_at"`
	Secrets   []struct {
		Path      string `json:"path"`
		Reference string `json:"reference"`
	} `json:"secrets"`
}

func (e *remoteEndpoint) object(kind string) config.Object {
	o := config.Object{Document: config.Document{Kind: kind, Endpoint: &config.EndpointSpec{Name: e.Name, Connector: e.Connector,
		Config: e.Config, Region: e.Region, Team: e.Team, Labels: e.Labels}}, Secrets: map[string]string{}}
	for _, s := range e.Secrets {
		o.Secrets[s.Path] = s.Reference
	}
	return o
}

// remoteConnection is a connection as the API answers it, without its streams.
type remoteConnection struct {
	config.ConnectionSpec
	ID              string       `json:"id"`
	SourceName      string       `json:"source_name"`
	DestinationName string       `json:"destination_name"`
	Status          remoteStatus `json:"status"`
	LastSync        *remoteSync  `json:"last_sync"`
	UpdatedAt       time.Time    `json:"updated_at"`
	Notes           []string     `json:"notes"`
}

type remoteStatus struct {
	SetupState     string         `json:"setup_state"`
	SyncState      string         `json:"sync_state"`
	Freshness      string         `json:"freshness"`
	NextRunAt      time.Time      `json:"next_run_at"`
	RescheduledFor time.Time      `json:"rescheduled_for"`
	Waiting        string         `json:"waiting"`
	LastSyncID     string         `json:"last_sync_id"`
	LastOutcome    string         `json:"last_outcome"`
	LastSuccessAt  time.Time      `json:"last_success_at"`
	FailuresInRow  int            `json:"failures_in_row"`
	LastFailure    *remoteFailure `json:"last_failure"`
}

type remoteFailure struct {
	Class   string `json:"class"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Runbook string `json:"runbook"`
}

type remoteSync struct {
	ID           string         `json:"id"`
	ConnectionID string         `json:"connection_id"`
	State        string         `json:"state"`
	Outcome      string         `json:"outcome"`
	Rows         int64          `json:"rows"`
	Rejected     int64          `json:"rejected"`
	QueuedAt     time.Time      `json:"queued_at"`
	StartedAt    time.Time      `json:"started_at"`
	EndedAt      time.Time      `json:"ended_at"`
	Error        *remoteFailure `json:"error"`
}

// inventory is what a server has.
type inventory struct {
	objects []config.Object
	ids     map[[2]string]string    // by kind and name in lower case
	updated map[[2]string]time.Time // likewise
	secrets config.SecretPaths
}

func place(kind, name string) [2]string { return [2]string{kind, strings.ToLower(name)} }

// paths are where the API has the objects of a kind.
var paths = map[string]string{config.KindSource: "sources", config.KindDestination: "destinations", config.KindConnection: "connections"}

// inventory reads what the server has. Streams are read of those connections
// only for which need says so: there may be many.
func (c *client) inventory(ctx context.Context, need func(name string) bool) (*inventory, error) {
	v := &inventory{ids: map[[2]string]string{}, updated: map[[2]string]time.Time{}}
	for _, kind := range []string{config.KindSource, config.KindDestination} {
		list, err := listAll[remoteEndpoint](ctx, c, paths[kind], nil)
		if err != nil {
			return nil, err
		}
		for i := range list {
			v.objects = append(v.objects, list[i].object(kind))
			v.ids[place(kind, list[i].Name)], v.updated[place(kind, list[i].Name)] = list[i].ID, list[i].UpdatedAt
		}
	}
	list, err := listAll[remoteConnection](ctx, c, paths[config.KindConnection], nil)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for i := range list {
		names[list[i].ID] = list[i].Name
	}
	for i := range list {
		con := &list[i]
		v.ids[place(config.KindConnection, con.Name)], v.updated[place(config.KindConnection, con.Name)] = con.ID, con.UpdatedAt
		if need(con.Name) {
			if con.Streams, err = c.streams(ctx, con.ID); err != nil {
				return nil, err
			}
		}
		v.objects = append(v.objects, con.object(names))
	}
	v.secrets, err = c.secretPaths(ctx)
	return v, err
}

// object returns the connection in the words of documents.
func (r *remoteConnection) object(names map[string]string) config.Object {
	s := r.ConnectionSpec
	s.Source, s.Destination = r.SourceName, r.DestinationName
	s.DependsOn = slices.Clone(s.DependsOn)
	for i, id := range s.DependsOn {
		if name, ok := names[id]; ok {
			s.DependsOn[i] = name
		}
	}
	s.Fill()
	return config.Object{Document: config.Document{Kind: config.KindConnection, Connection: &s}}
}

// streams returns the settings of a connection's streams.
func (c *client) streams(ctx context.Context, id string) ([]config.StreamSpec, error) {
	type row struct {
		Settings config.StreamSpec `json:"settings"`
		Listed   bool              `json:"listed"`
	}
	rows, err := listAll[row](ctx, c, "connections/"+id+"/streams", nil)
	var out []config.StreamSpec
	for _, r := range rows {
		if r.Listed {
			out = append(out, r.Settings)
		}
	}
	return out, err
}

// secretPaths returns which fields of each connector are secret.
func (c *client) secretPaths(ctx context.Context) (config.SecretPaths, error) {
	patterns := map[[2]string][]string{}
	for kind, path := range map[string]string{config.KindSource: "connectors", config.KindDestination: "destination-kinds"} {
		var list struct {
			Items []struct {
				Name   string          `json:"name"`
				Schema json.RawMessage `json:"schema"`
			} `json:"items"`
		}
		if err := c.do(ctx, http.MethodGet, path, nil, nil, &list); err != nil {
			return nil, err
		}
		for _, k := range list.Items {
			patterns[[2]string{kind, k.Name}] = spec.SecretPaths(k.Schema)
		}
	}
	return func(kind, connector string) []string { return patterns[[2]string{kind, connector}] }, nil
}

// connection returns the connection of that name or id.
func (c *client) connection(ctx context.Context, ref string) (*remoteConnection, error) {
	if strings.HasPrefix(ref, "con_") {
		var con remoteConnection
		err := c.do(ctx, http.MethodGet, "connections/"+url.PathEscape(ref), nil, nil, &con)
		return &con, err
	}
	list, err := listAll[remoteConnection](ctx, c, "connections", url.Values{"search": {ref}})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if strings.EqualFold(list[i].Name, ref) {
			return &list[i], nil
		}
	}
	return nil, c.noConnection(ctx, ref)
}

func (c *client) noConnection(ctx context.Context, ref string) error {
	near := ""
	if list, err := listAll[remoteConnection](ctx, c, "connections", nil); err == nil {
		names := make([]string, len(list))
		for i := range list {
			names[i] = list[i].Name
		}
		near = spec.DidYouMean(ref, names)
	}
	return &sluice.Error{Class: sluice.Config, Code: "not_found", Err: fmt.Errorf("there is no connection %q%s", ref, near), Hint: "`sluice connection list` lists them"}
}
