// Package shop is the source that reads the sample API of connectors/shop/shopapi:
// the first thing that a newcomer syncs, and the shortest example of a connector
// on connectors/kit/rest.
package shop

import (
	"context"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/connectors/kit/rest"
	"github.com/sluicehq/sluice/spec"
)

// Config is the connector's configuration.
type Config struct {
	BaseURL  string        `json:"base_url" title:"Base URL" doc:"Address of the sample API, as sluice sample-api prints it." default:"http://127.0.0.1:8099"`
	APIKey   string        `json:"api_key" title:"API key" doc:"Key that the API asks for; demo, unless it was started with another one." secret:"true" required:"true"`
	PageSize int           `json:"page_size" doc:"Records asked for at once." default:"1000" min:"1" max:"5000"`
	LookBack spec.Duration `json:"look_back" doc:"How far before the last change seen an incremental read starts again. Records that did not change are not sent twice." default:"5s"`
}

// Connector returns the shop connector.
func Connector() spec.Connector {
	return spec.Define("shop", "Sample shop", func(ctx context.Context, c Config) (sluice.Source, error) {
		return open(c, rest.Options{Egress: egress.From(ctx)})
	})
}

// open returns the source; o gives what tests replace.
func open(c Config, o rest.Options) (sluice.Source, error) {
	o.Name, o.BaseURL, o.Auth = "shop", c.BaseURL, rest.Bearer(c.APIKey)
	if o.MaxElapsed == 0 {
		o.MaxElapsed = time.Minute // it runs next door: who has not started it should soon be told
	}
	o.Hint = func(status int, _ string) string {
		switch status {
		case 0:
			return "start the sample API with `sluice sample-api`, or set base_url to the address that it prints"
		case 401:
			return "set api_key to the key that sluice sample-api was started with; without --key it is demo"
		}
		return ""
	}
	client, err := rest.NewClient(o)
	if err != nil {
		return nil, err
	}
	endpoints := make([]rest.Endpoint, len(tables))
	for i, t := range tables {
		endpoints[i] = rest.Endpoint{
			Table:   t.table,
			Doc:     t.doc,
			Request: rest.Request{URL: "/v1/" + t.table.Name.Name},
			Records: "data",
			Paging:  rest.TokenPages{Path: "next_cursor", Param: "cursor", Size: rest.Size{Param: "limit", N: c.PageSize}},
			// A cursor shows the state of when the walk began, for ever.
			Resumable: true,
			Incremental: &rest.Incremental{Field: t.cursor, Format: rest.RFC3339, Order: rest.Ascending,
				Since: "updated_since", Lookback: time.Duration(c.LookBack)},
		}
	}
	return rest.NewSource(client, rest.Request{URL: "/v1/status"}, endpoints...)
}

type stream struct {
	table  sluice.Table
	cursor string
	doc    string
}

// tables are the streams with the types that the API's description gives.
var tables = []stream{
	{rest.Table("customers", "id",
		"id int64", "name string", "email string", "phone string", "address json", "loyalty_points int64", "marketing_opt_in bool",
		"tags json", "deleted bool", "created_at timestamptz", "updated_at timestamptz"),
		"updated_at", "People who buy; who asked to be forgotten has deleted set."},
	{rest.Table("products", "id",
		"id int64", "sku string", "name string", "category string", "price decimal(12,2)", "currency string", "weight_kg decimal(12,2)",
		"dimensions json", "stock int64", "rating decimal(12,2)", "discontinued bool", "created_at timestamptz", "updated_at timestamptz"),
		"updated_at", "What the shop sells; the stock changes all the time."},
	{rest.Table("orders", "id",
		"id int64", "number string", "customer_id int64", "status string", "currency string", "lines json", "shipping_address json",
		"total decimal(12,2)", "note string", "paid_at timestamptz", "created_at timestamptz", "updated_at timestamptz"),
		"updated_at", "Orders with their lines, from placed to closed."},
	{rest.Table("events", "id",
		"id int64", "type string", "customer_id int64", "session string", "occurred_at timestamptz", "url string", "referrer string",
		"user_agent string", "ip string", "duration_ms int64", "value decimal(12,2)", "mobile bool", "properties json"),
		"occurred_at", "What visitors do; events never change."},
}
