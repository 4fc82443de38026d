// Package postgres loads tables into PostgreSQL, version 12 or later.
//
// Rows travel as binary COPY, written straight from Arrow columns. A first read
// goes directly into its table, in a transaction that the merge commits; all
// else goes through unlogged stage tables and SQL of kit/sqlload.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/spec"
)

// Config is the set-up of the destination.
type Config struct {
	URL              string        `json:"url" secret:"true" title:"Connection URL" doc:"A connection string such as postgres://user:password@host:5432/database?sslmode=require. It takes the place of host, port, database, user and password." example:"postgres://loader:secret@db.example.com/warehouse"`
	Host             string        `json:"host" doc:"Name or address of the server, or the folder of its Unix socket."`
	Port             int           `json:"port" default:"5432" min:"1" max:"65535"`
	Database         string        `json:"database" doc:"The database that tables land in."`
	User             string        `json:"user" doc:"The role that Sluice works as. It needs CREATE on the database, for schemas."`
	Password         string        `json:"password" secret:"true"`
	SSLMode          string        `json:"sslmode" title:"TLS mode" enum:"disable,allow,prefer,require,verify-ca,verify-full" doc:"As in libpq; left out, that of the URL, or prefer."`
	SSLRootCert      string        `json:"sslrootcert" title:"TLS root certificate" doc:"Path of a PEM file with the certificate authorities to trust, for verify-ca and verify-full."`
	Schema           string        `json:"schema" default:"public" doc:"Where tables land that the pipeline gives no schema."`
	JSONType         string        `json:"json_type" title:"JSON type" enum:"jsonb,json" default:"jsonb" doc:"The type of JSON columns. jsonb can be indexed and searched; json keeps the text as it was: order and repeated keys, spaces, and \\u0000."`
	WorkMem          string        `json:"work_mem" example:"64MB" doc:"work_mem of Sluice's sessions, for sorts in merges; left out, the server's."`
	MaintenanceMem   string        `json:"maintenance_work_mem" title:"Maintenance work mem" example:"512MB" doc:"maintenance_work_mem of Sluice's sessions, for building indexes; left out, the server's, or 256MB where that is its default."`
	StatementTimeout spec.Duration `json:"statement_timeout" default:"0s" doc:"Longest time of one statement; 0s: no limit."`
	LockTimeout      spec.Duration `json:"lock_timeout" default:"1m" doc:"Longest wait for others' locks where a table is changed or swapped; then the sync fails, and is tried again."`
	ConnectTimeout   spec.Duration `json:"connect_timeout" default:"15s" doc:"Longest time to connect."`
}

// Validate says what is missing or contradicts.
func (c Config) Validate() error {
	var errs []error
	if c.URL == "" && c.Host == "" {
		errs = append(errs, errors.New("url is required, or host, database and user"))
	}
	if c.URL != "" && (c.Host != "" || c.Database != "" || c.User != "" || c.Password != "") {
		errs = append(errs, errors.New("give url, or host, database, user and password, but not both"))
	}
	if c.URL == "" && c.Host != "" && (c.Database == "" || c.User == "") {
		errs = append(errs, errors.New("database and user are required with host"))
	}
	if c.LockTimeout < spec.Duration(time.Millisecond) {
		errs = append(errs, errors.New("lock_timeout must be at least 1ms"))
	}
	return errors.Join(errs...)
}

// Destination is the definition of the destination "postgres".
func Destination() spec.Destination {
	return spec.Define("postgres", "PostgreSQL", func(ctx context.Context, c Config) (sluice.Destination, error) {
		return open(c, egress.From(ctx))
	})
}

// connString returns what pgconn.ParseConfig reads.
func (c Config) connString() (string, error) {
	u := &url.URL{Scheme: "postgres", Host: c.Host + ":" + strconv.Itoa(c.Port), User: url.UserPassword(c.User, c.Password), Path: "/" + c.Database}
	if c.URL != "" {
		var err error
		if u, err = url.Parse(c.URL); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			// The cause is not repeated: it may hold the password.
			return "", &sluice.Error{Class: sluice.Config, Code: "postgres_url", Op: "read the connection URL",
				Err: fmt.Errorf("url is no URL of the form postgres://user:password@host:port/database"), Hint: "characters such as @ / # ? in the password must be written as %40 %2F %23 %3F"}
		}
	}
	q := u.Query()
	if c.URL == "" && len(c.Host) > 0 && c.Host[0] == '/' {
		u.Host = ""
		q.Set("host", c.Host)
		q.Set("port", strconv.Itoa(c.Port))
	}
	for name, v := range map[string]string{"sslmode": c.SSLMode, "sslrootcert": c.SSLRootCert} {
		if v != "" {
			q.Set(name, v)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (c Config) lockMillis() int64 { return time.Duration(c.LockTimeout).Milliseconds() }
