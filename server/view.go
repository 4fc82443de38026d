package server

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// JSONObject is a JSON object whose fields the API does not know: a connector's
// configuration, the data of an event.
type JSONObject json.RawMessage

// MarshalJSON writes the object, {} where there is none.
func (o JSONObject) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// UnmarshalJSON keeps the text.
func (o *JSONObject) UnmarshalJSON(b []byte) error {
	*o = append((*o)[:0], b...)
	return nil
}

// Schema says that it is an object, for huma.
func (JSONObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// Failure is an error of a check or a sync.
type Failure struct {
	Class      string    `json:"class" enum:"bug,transient,throttled,config,auth,blocked,lost,data,cancelled" example:"auth" doc:"What the platform does about it: docs/api.md lists the classes."`
	Code       string    `json:"code" example:"postgres_connect" doc:"Stable name of the failure, for programs."`
	Message    string    `json:"message" example:"connect: password authentication failed for user \"shop\"" doc:"What happened, for people."`
	Hint       string    `json:"hint,omitempty" example:"set the password that the database knows" doc:"What to do about it."`
	Stream     string    `json:"stream,omitempty" example:"public.orders" doc:"The stream that it is about."`
	Operation  string    `json:"operation,omitempty" example:"connect" doc:"What was being done."`
	Cause      string    `json:"cause,omitempty" example:"SQLSTATE 28P01" doc:"The innermost error."`
	Retryable  bool      `json:"retryable" example:"false" doc:"Whether the platform tries again by itself."`
	RetryAfter string    `json:"retry_after,omitempty" example:"1m0s" doc:"How long the other side asks to wait."`
	At         time.Time `json:"at,omitzero" example:"2026-11-21T14:00:00Z" doc:"When."`
	Runbook    string    `json:"runbook,omitempty" example:"postgres-sign-in" doc:"Id of the runbook that says what to do, for get-runbook."`
}

// viewFailure shows a failure of what is of these kinds.
func (s *server) viewFailure(f *store.Failure, k store.Kinds) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Runbook: s.runbookOf(k, f.Code), Class: f.Class, Code: f.Code, Message: f.Message, Hint: f.Hint, Stream: f.Stream, Operation: f.Op,
		Cause: f.Cause, Retryable: f.Retryable, RetryAfter: durationText(f.RetryAfter), At: f.At}
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// SecretField is a secret that is set. What it is cannot be read back.
type SecretField struct {
	Path      string `json:"path" example:"auth.token" doc:"The field of the configuration."`
	Reference string `json:"reference,omitempty" example:"${env:SHOP_TOKEN}" doc:"Where the secret is looked up, when it is not kept by Sluice."`
}

func viewSecrets(stored map[string]string) []SecretField {
	all := control.SecretsOf(stored)
	out := make([]SecretField, len(all))
	for i, one := range all {
		out[i] = SecretField(one)
	}
	return out
}

// Source is a configured connector.
type Source struct {
	ID         string            `json:"id" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Name       string            `json:"name" example:"shop" doc:"Unique among sources, whatever the case of its letters."`
	Connector  string            `json:"connector" example:"shop" doc:"The kind of source: one of /api/v1/connectors."`
	Config     JSONObject        `json:"config" example:"{\"url\":\"https://shop.example\"}" doc:"The configuration without its secrets; the connector's schema says what its fields mean."`
	Secrets    []SecretField     `json:"secrets" doc:"The secrets that are set."`
	Region     string            `json:"region" example:"eu" doc:"Where it may be read; empty: anywhere."`
	Labels     map[string]string `json:"labels,omitempty" example:"{\"env\":\"prod\"}" doc:"Labels of your own, to filter by."`
	Team       string            `json:"team" example:"sales" doc:"Who looks after it."`
	SetupState string            `json:"setup_state" enum:"incomplete,connected,broken" example:"connected" doc:"incomplete: never checked; broken: the last check failed, or a sync for want of valid settings."`
	Problem    *Failure          `json:"problem,omitempty" doc:"Why it is broken."`
	CheckedAt  time.Time         `json:"checked_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"When it was last checked."`
	CreatedBy  string            `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who made it."`
	CreatedAt  time.Time         `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When it was made."`
	UpdatedAt  time.Time         `json:"updated_at" example:"2026-11-21T13:00:00Z" doc:"When its settings were last changed."`
}

func (s *server) viewSource(src *store.Source) Source {
	return Source{ID: src.ID, Name: src.Name, Connector: src.Connector, Config: JSONObject(src.Config), Secrets: viewSecrets(src.Secrets),
		Region: src.Region, Labels: src.Labels, Team: src.Team, SetupState: string(src.Setup), Problem: s.viewFailure(src.Problem, store.Kinds{Source: src.Connector}),
		CheckedAt: src.CheckedAt, CreatedBy: src.CreatedBy, CreatedAt: src.CreatedAt, UpdatedAt: src.UpdatedAt}
}

// Destination is a configured destination.
type Destination struct {
	ID         string            `json:"id" example:"dst_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Name       string            `json:"name" example:"warehouse" doc:"Unique among destinations, whatever the case of its letters."`
	Connector  string            `json:"connector" example:"duckdb" doc:"The kind of destination: one of /api/v1/destination-kinds."`
	Config     JSONObject        `json:"config" example:"{\"path\":\"warehouse.duckdb\"}" doc:"The configuration without its secrets; the kind's schema says what its fields mean."`
	Secrets    []SecretField     `json:"secrets" doc:"The secrets that are set."`
	Region     string            `json:"region" example:"eu" doc:"Where its data must be processed; empty: anywhere."`
	Labels     map[string]string `json:"labels,omitempty" example:"{\"env\":\"prod\"}" doc:"Labels of your own, to filter by."`
	Team       string            `json:"team" example:"data" doc:"Who looks after it."`
	SetupState string            `json:"setup_state" enum:"incomplete,connected,broken" example:"connected" doc:"incomplete: never checked; broken: the last check failed, or a sync for want of valid settings."`
	Problem    *Failure          `json:"problem,omitempty" doc:"Why it is broken."`
	CheckedAt  time.Time         `json:"checked_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"When it was last checked."`
	CreatedBy  string            `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who made it."`
	CreatedAt  time.Time         `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When it was made."`
	UpdatedAt  time.Time         `json:"updated_at" example:"2026-11-21T13:00:00Z" doc:"When its settings were last changed."`
}

func (s *server) viewDestination(d *store.Destination) Destination {
	return Destination{ID: d.ID, Name: d.Name, Connector: d.Kind, Config: JSONObject(d.Config), Secrets: viewSecrets(d.Secrets),
		Region: d.Region, Labels: d.Labels, Team: d.Team, SetupState: string(d.Setup), Problem: s.viewFailure(d.Problem, store.Kinds{Destination: d.Kind}),
		CheckedAt: d.CheckedAt, CreatedBy: d.CreatedBy, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}
}
