package rest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

// canned answers ?page=N from memory, so that the benchmark measures the kit
// alone.
type canned [][]byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || n > len(c) {
		return nil, fmt.Errorf("no page %q", r.URL.RawQuery)
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(c[n-1])), ContentLength: int64(len(c[n-1]))}, nil
}

// cannedPages returns pages of 1,000 records of about 500 bytes.
func cannedPages(pages int) canned {
	var c canned
	for p := range pages {
		var b bytes.Buffer
		b.WriteString(`{"data":[`)
		for i := p * 1000; i < (p+1)*1000; i++ {
			if i%1000 > 0 {
				b.WriteString(",\n")
			}
			at := time.Date(2024, 1, 1, 0, 0, i*20, 0, time.UTC).Format(time.RFC3339)
			fmt.Fprintf(&b, `{"id":%d,"type":"page_view","customer_id":%d,"session":"5f0e7c5b-8d0a-4b61-9a3c-%012d","occurred_at":%q,`+
				`"url":"https://shop.example/products/%d?ref=newsletter&campaign=winter","referrer":"https://search.example/?q=warm+socks",`+
				`"user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",`+
				`"ip":"198.51.100.%d","duration_ms":%d,"value":%d.%02d,"mobile":%t,"properties":{"experiment":"b","position":%d,"tags":["a","b"]}}`,
				i+1, i%5000, i, at, i%300, i%256, i%9000, i%80, i%100, i%2 == 0, i%12)
		}
		b.WriteString(`]}`)
		c = append(c, b.Bytes())
	}
	return c
}

func cannedEndpoint() rest.Endpoint {
	e := rest.Endpoint{Table: things(), Records: "data", Paging: rest.NumberedPages{Param: "page", First: 1},
		Incremental: &rest.Incremental{Field: "occurred_at", Order: rest.Ascending, Lookback: 5 * time.Second}}
	for _, c := range []struct {
		name string
		kind sluice.Kind
	}{{"id", sluice.Int64}, {"type", sluice.String}, {"customer_id", sluice.Int64}, {"session", sluice.String}, {"occurred_at", sluice.TimestampTZ},
		{"url", sluice.String}, {"referrer", sluice.String}, {"user_agent", sluice.String}, {"ip", sluice.String}, {"duration_ms", sluice.Int64},
		{"value", sluice.Decimal}, {"mobile", sluice.Bool}, {"properties", sluice.JSON}} {
		kind := sluice.T(c.kind)
		if c.kind == sluice.Decimal {
			kind = sluice.DecimalType(12, 2)
		}
		e.Table.Columns = append(e.Table.Columns, sluice.Column{Name: c.name, Type: kind, Nullable: c.name != "id"})
	}
	e.Table.Key = []string{"id"}
	return e
}

// counter is a sink that only counts.
type counter struct{ rows, batches, checkpoints, smallest int64 }

func (c *counter) Send(_ context.Context, b sluice.Batch) error {
	n := b.Rows.NumRows()
	if c.batches++; c.smallest == 0 || n < c.smallest {
		c.smallest = n
	}
	c.rows += n
	return nil
}

func (c *counter) Reject(_ context.Context, r sluice.Rejected) error { return fmt.Errorf("%+v", r) }

func (c *counter) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error {
	c.checkpoints++
	return nil
}

// BenchmarkRead reads 100,000 records of about 500 bytes from pages of 1,000 into
// Arrow batches, without a network.
func BenchmarkRead(b *testing.B) {
	pages := cannedPages(100)
	for _, mode := range []sluice.ReadMode{sluice.FullRefresh, sluice.Incremental} {
		b.Run(string(mode), func(b *testing.B) {
			e := cannedEndpoint()
			e.Paging = rest.NumberedPages{Param: "page", First: 1, End: rest.End{Short: true}, Size: rest.Size{Param: "n", N: 1000}}
			c, err := rest.NewClient(rest.Options{Name: "thing", BaseURL: "http://canned", Transport: append(pages, []byte(`{"data":[]}`))})
			if err != nil {
				b.Fatal(err)
			}
			s, err := rest.NewSource(c, rest.Request{URL: "things"}, e)
			if err != nil {
				b.Fatal(err)
			}
			req := request("things", mode, nil)
			req.Selections[0].Stream.Columns = e.Table.Columns
			b.ReportAllocs()
			var sink counter
			for b.Loop() {
				sink = counter{}
				if err := s.Read(b.Context(), req, &sink); err != nil {
					b.Fatal(err)
				}
			}
			if sink.rows != 100_000 {
				b.Fatalf("%d rows", sink.rows)
			}
			b.ReportMetric(float64(b.N)*100_000/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(sink.batches), "batches")
			b.ReportMetric(float64(sink.smallest), "smallest")
		})
	}
}
