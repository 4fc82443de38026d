package fleet

import (
	"fmt"
	"math/rand/v2"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
)

// failureOf is what a connection's sync fails with: the words of one cause, with
// the numbers, hosts and names that differ each time.
func failureOf(c *conn, t *trouble, rng *rand.Rand) *health.Failure {
	request := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<12), rng.IntN(1<<12), rng.Int64N(1<<48))
	host := fmt.Sprintf("%s-%d.%s.example.com", c.source, rng.IntN(9), c.connector)
	f := &health.Failure{Side: health.SourceSide}
	switch t.kind {
	case Credential, PausedKind:
		f.Class, f.Code, f.Op = sluice.Auth, c.connector+"_auth", "sign in"
		f.Message = []string{fmt.Sprintf("401 Unauthorized: the token of account %q has expired (request %s)", c.source, request),
			fmt.Sprintf("403 Forbidden: user %q was locked at 2026-02-%02dT10:00:00Z", c.source+"@example.com", 1+rng.IntN(28))}[t.style]
		f.Hint = "sign in anew"
	case Outage:
		f = unavailable(c, request, host)
	case Breaking:
		if t.style == 1 {
			f.Class, f.Code, f.Op = sluice.Auth, c.connector+"_auth", "sign in"
			f.Message = fmt.Sprintf("400 Bad Request: grant type \"password\" is no longer supported (trace %s)", request)
			break
		}
		f.Class, f.Code, f.Op, f.Stream = sluice.Bug, c.connector+"_response", "read orders", "orders"
		f.Message = fmt.Sprintf("field \"total_%d\" of record %d is an object, not a number (https://%s/v2/orders?page=%d)", rng.IntN(50), rng.IntN(1e6), host, rng.IntN(100))
	case Full:
		f.Side, f.Class, f.Code, f.Op = health.DestinationSide, sluice.Transient, c.kind+"_disk_full", "merge into orders"
		f.Message = fmt.Sprintf("could not extend file \"base/%d/%d\": no space left on device (host %s)", rng.IntN(1e5), rng.IntN(1e5), c.destination+".db.example.com")
	case Leak:
		f.Class, f.Code, f.Op = sluice.Transient, "stalled", "read events"
		f.Message = fmt.Sprintf("no row, byte or position for %d s", 900+rng.IntN(60))
	case Flapping:
		f.Class, f.Code, f.Op = sluice.Transient, c.connector+"_connect", "connect"
		f.Message = fmt.Sprintf("dial tcp 10.%d.%d.%d:443: connect: connection refused", rng.IntN(250), rng.IntN(250), rng.IntN(250))
	case NoWorkers, Quota:
	case Noise:
		switch t.style {
		case 0: // what an outage looks like, too
			f = unavailable(c, request, host)
		case 1:
			f.Class, f.Code, f.Op = sluice.Transient, c.connector+"_connect", "read page"
			f.Message = fmt.Sprintf("read tcp 10.0.0.%d:%d->%s: i/o timeout", rng.IntN(250), 30000+rng.IntN(30000), host)
		case 2:
			f.Class, f.Code, f.Op = sluice.Transient, "worker_lost", ""
			f.Message = fmt.Sprintf("worker wrk_%s was lost after %d s", request[:8], rng.IntN(4000))
		default:
			f.Side, f.Class, f.Code, f.Op = health.DestinationSide, sluice.Transient, c.kind+"_conflict", "commit load"
			f.Message = fmt.Sprintf("deadlock detected: process %d waits for process %d", rng.IntN(1e5), rng.IntN(1e5))
		}
	}
	return f
}

const noiseStyles = 4

func unavailable(c *conn, request, host string) *health.Failure {
	return &health.Failure{Side: health.SourceSide, Class: sluice.Transient, Code: c.connector + "_unavailable", Op: "read page",
		Message: fmt.Sprintf("503 Service Unavailable: https://%s/v1 did not answer, request %s", host, request)}
}
