package watch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health/outward/outwardtest"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// The variables that make the test binary a process that delivers, to be killed:
// the address of the store, and by how many seconds its clock is ahead.
const (
	deliversAt    = "SLUICE_DELIVER_KILL_TEST"
	deliversAhead = "SLUICE_DELIVER_KILL_AHEAD"
)

// TestKilledDeliverers kills processes that deliver, again and again, at whatever
// they are at. The clock of each is ahead of the last one's, so that claims end
// without a wait. All arrives, and once.
func TestKilledDeliverers(t *testing.T) {
	if url := os.Getenv(deliversAt); url != "" {
		deliverUntilKilled(t, url)
		return
	}
	storetest.Each(t, func(t *testing.T, url string) {
		p := openPostOffice(t, url)
		for _, to := range ticketSystems {
			p.life(to)
		}
		p.alarm("pagerduty")
		killed := 0
		for n := 1; ; n++ {
			if n > 80 {
				t.Fatal("still waiting")
			}
			if p.killDeliverer(url, n) {
				killed++
			}
			p.clock.add(4 * time.Minute)
			p.jira.Index()
			waiting, _, err := p.ListDeliveries(p.ctx, store.DeliveryFilter{State: store.DeliveryWaiting}, store.Page{})
			p.must(err)
			if len(waiting) == 0 {
				break
			}
		}
		if killed < 5 {
			t.Errorf("only %d were killed", killed)
		}
		for _, to := range ticketSystems {
			p.wantLife(to)
		}
		p.delivered()
		if a := p.pagerduty.Alerts(); len(a) != 1 || a[0].State != "resolved" {
			t.Errorf("PagerDuty: %+v", a)
		}
	})
}

// killDeliverer starts the n-th process and kills it: every third one while a system
// has taken what it sent and does not answer, the others after a few requests. It
// reports whether the process had something to do.
func (p *postOffice) killDeliverer(url string, n int) bool {
	p.t.Helper()
	systems := []*outwardtest.Server{p.github.Server, p.jira.Server, p.webhook.Server, p.pagerduty.Server}
	if n%3 == 0 {
		systems[n/3%len(systems)].Next(outwardtest.AcceptedHang)
	}
	seen := func() (all int) {
		for _, s := range systems {
			all += s.Seen()
		}
		return all
	}
	before, enough := seen(), 1+rand.New(rand.NewPCG(uint64(n), 3)).IntN(6)
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledDeliverers$", "-test.count=1")
	ahead := time.Until(p.clock.Now()) / time.Second
	cmd.Env = append(os.Environ(), deliversAt+"="+url, deliversAhead+"="+strconv.Itoa(int(ahead)))
	cmd.Stderr = os.Stderr
	p.must(cmd.Start())
	for deadline := time.Now().Add(4 * time.Second); time.Now().Before(deadline) && seen()-before < enough; {
		due, err := p.NextDelivery(p.ctx)
		p.must(err)
		if due.IsZero() {
			break
		}
		<-time.After(time.Millisecond)
	}
	p.must(cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	for _, s := range systems {
		s.Next()
	}
	return seen() > before
}

// deliverUntilKilled is the process that is killed.
func deliverUntilKilled(t *testing.T, url string) {
	s := openAhead(t, url, deliversAhead)
	watch.NewDeliverer(watch.DelivererConfig{Store: s, Name: fmt.Sprint("process ", os.Getpid()), Links: openLinks{}, Poll: 5 * time.Millisecond}).Run(t.Context())
}

// openAhead opens the store of a process that is to be killed, with a clock that is
// ahead by as many seconds as the variable says.
func openAhead(t *testing.T, url, variable string) *store.Store {
	t.Helper()
	ahead, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), url, store.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead) * time.Second) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
