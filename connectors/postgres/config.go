// Package postgres reads PostgreSQL: whole tables in parallel stretches that
// resume after a kill, and changed rows by a cursor column. Rows come by COPY in
// PostgreSQL's binary format and are decoded straight into Arrow buffers.
//
// Reads take no lock beyond ACCESS SHARE, write nothing, and work on replicas.
package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/connectors/kit/sqlread"
	"github.com/sluicehq/sluice/spec"
)

// Config is what a user sets up. Either URL or Host is given.
type Config struct {
	URL              string        `json:"url" title:"Connection URL" secret:"true" doc:"Where the database is: postgres://user:password@host:5432/database, or key=value pairs. Give this, or host and the fields after it." example:"postgres://reader:secret@db.example.com:5432/shop"`
	Host             string        `json:"host" doc:"Name or address of the server, or the folder of its Unix socket." example:"db.example.com"`
	Port             int           `json:"port" default:"5432" min:"1" max:"65535" doc:"Port of the server; used with host."`
	Database         string        `json:"database" doc:"Name of the database; used with host."`
	User             string        `json:"user" doc:"Name of the role to log in as; used with host."`
	Password         string        `json:"password" secret:"true" doc:"Password of the role. It takes the place of one in url."`
	SSLMode          string        `json:"sslmode" title:"TLS mode" enum:"disable,allow,prefer,require,verify-ca,verify-full" doc:"How much the connection is protected. Left empty, what url says, else prefer. verify-full alone keeps out someone in between."`
	SSLRootCert      string        `json:"sslrootcert" title:"TLS root certificate" doc:"PEM of the authorities that may have signed the server's certificate. Left empty, those of the system."`
	SSLCert          string        `json:"sslcert" title:"TLS client certificate" doc:"PEM of the certificate to log in with."`
	SSLKey           string        `json:"sslkey" title:"TLS client key" secret:"true" doc:"PEM of the key of sslcert."`
	Schemas          []string      `json:"schemas" doc:"Schemas to read, as globs; a leading ! leaves out. Left empty, all but the system's." example:"[\"public\", \"!audit_*\"]"`
	Tables           []string      `json:"tables" doc:"Tables and views to read, as globs on the name or on schema.name; a leading ! leaves out. Left empty, all." example:"[\"orders\", \"sales.*\", \"!*_old\"]"`
	Numeric          string        `json:"numeric" enum:"string,decimal" default:"string" doc:"What becomes of numeric columns that declare no precision. string keeps every digit; decimal makes decimal(38,9), and values that do not fit are rejected."`
	CursorLookback   spec.Duration `json:"cursor_lookback" default:"0s" doc:"How far before the last value an incremental read starts again, for rows whose transaction ends late. For cursors that are dates or times, of streams that have a key."`
	ChunkSize        int           `json:"chunk_size" default:"64" min:"1" max:"1024" doc:"MiB of a table that are read between two checkpoints. A killed read repeats about half of that, per reader; smaller ones than the windows of the destination gain nothing."`
	StatementTimeout spec.Duration `json:"statement_timeout" default:"0s" doc:"Time after which the server ends a statement. A whole chunk, or view, is one statement. 0s: no limit."`
	ConnectTimeout   spec.Duration `json:"connect_timeout" default:"15s" doc:"Time that connecting may take."`
	ApplicationName  string        `json:"application_name" default:"sluice" doc:"Name that the server shows for the connections."`
}

// Validate checks what no single field's tag can.
func (c *Config) Validate() error {
	var errs []error
	if (c.URL == "") == (c.Host == "") {
		errs = append(errs, errors.New("give either url or host"))
	}
	if c.URL != "" && (c.Database != "" || c.User != "") {
		errs = append(errs, errors.New("database and user belong into url, when url is given"))
	}
	if (c.SSLCert == "") != (c.SSLKey == "") {
		errs = append(errs, errors.New("sslcert and sslkey go together"))
	}
	if c.CursorLookback < 0 || c.StatementTimeout < 0 || c.ConnectTimeout <= 0 {
		errs = append(errs, errors.New("durations must not be negative, and connect_timeout must be more than 0s"))
	}
	for field, patterns := range map[string][]string{"schemas": c.Schemas, "tables": c.Tables} {
		if _, err := sqlread.NewPatterns(patterns); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
		}
	}
	return errors.Join(errs...)
}

// Connector returns the definition of the connector.
func Connector() spec.Connector {
	return spec.Define[sluice.Source]("postgres", "PostgreSQL", open)
}

func open(ctx context.Context, c Config) (sluice.Source, error) {
	base, err := connectConfig(c, egress.From(ctx))
	if err != nil {
		return nil, err
	}
	schemas, err := sqlread.NewPatterns(c.Schemas)
	if err != nil {
		return nil, fmt.Errorf("schemas: %w", err) // Validate has let it pass before
	}
	tables, err := sqlread.NewPatterns(c.Tables)
	if err != nil {
		return nil, fmt.Errorf("tables: %w", err)
	}
	return &source{config: c, pool: pool{base: base, config: c}, schemas: schemas, tables: tables,
		sliceBytes: int64(c.ChunkSize) << 20, batchBytes: sluice.BatchBytes, seenLimit: maxSeen}, nil
}
