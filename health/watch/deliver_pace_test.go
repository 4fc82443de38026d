package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/outward/outwardtest"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
)

// What a limit says holds for all that goes there; others go on.
func TestDeliverWaitsAsLongAsItIsAsked(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		p.slack.Next(outwardtest.Limited)
		for n := range 3 {
			p.post("alert.firing", "slack", fmt.Sprint(n), watch.Message{Thread: "t", State: channel.Firing, At: p.Now(), Title: "It is down"})
		}
		p.alarm("pagerduty")
		began := p.Now()
		d := p.deliverer("a", nil)
		for range 4 {
			if _, err := d.Once(p.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.slack.Seen(); n != 1 {
			t.Errorf("Slack was asked %d times", n)
		}
		if a := p.pagerduty.Alerts(); len(a) != 1 || a[0].State != "resolved" {
			t.Errorf("PagerDuty: %+v", a)
		}
		next, err := p.NextDelivery(p.ctx)
		p.must(err)
		all, _, err := p.ListDeliveries(p.ctx, store.DeliveryFilter{State: store.DeliveryWaiting}, store.Page{Sort: "created"})
		p.must(err)
		if first := all[0].NextAt.Sub(began); first < outwardtest.RetryAfter*time.Second || first > 20*time.Second {
			t.Errorf("the first goes after %v; the next is due %v", first, next)
		}
		p.deliverAll(func() *watch.Deliverer { return d })
		if n := len(p.slack.Messages()); n != 3 {
			t.Errorf("%d messages", n)
		}
	})
}

// A crowd that goes to one system goes there one by one, and nobody else waits for
// it.
func TestDeliverKeepsPace(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		const crowd = 40
		for n := range crowd {
			raw, err := json.Marshal(watch.Message{State: channel.Notice, At: p.Now(), Title: fmt.Sprint("message ", n)})
			p.must(err)
			_, err = p.Post(p.ctx, &store.Delivery{Key: fmt.Sprint(n), Kind: "alert.firing", Target: p.targets["slack"], Payload: raw})
			p.must(err)
		}
		p.alarm("pagerduty")
		began, d := p.Now(), p.deliverer("a", nil)
		for looks := 1; len(p.pagerduty.Alerts()) == 0; looks++ {
			if _, err := d.Once(p.ctx); err != nil || looks > crowd {
				t.Fatal("the other one waits", err)
			}
		}
		if took := p.Now().Sub(began); took != 0 {
			t.Errorf("the other one has waited for %v", took)
		}
		for len(p.slack.Messages()) < crowd {
			before := len(p.slack.Messages())
			for {
				n, err := d.Once(p.ctx)
				p.must(err)
				if n == 0 {
					break
				}
			}
			if n := len(p.slack.Messages()) - before; n > 1 {
				t.Fatalf("%d messages in one second", n)
			}
			if p.Now().Sub(began) > 2*crowd*time.Second {
				t.Fatal("it takes too long")
			}
			p.clock.add(time.Second)
		}
	})
}

// A system that hangs takes its share of the workers, and no more.
func TestDeliverPastASystemThatHangs(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		released := make(chan struct{})
		hanging := outwardtest.Start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
		slow := &store.Channel{Name: "hangs", Kind: "slack", Enabled: true, Config: json.RawMessage(`{"webhook_url":"` + hanging.URL + `/hook"}`)}
		p.must(p.CreateChannel(p.ctx, slow))
		raw, err := json.Marshal(watch.Message{State: channel.Firing, At: p.Now(), Title: "It is down"})
		p.must(err)
		for n := range 60 {
			_, err := p.Post(p.ctx, &store.Delivery{Key: fmt.Sprint("hangs ", n), Kind: "alert.firing", Target: slow.ID, Payload: raw})
			p.must(err)
		}
		p.alarm("pagerduty")
		ctx, cancel := context.WithCancel(p.ctx)
		done := make(chan struct{})
		d := watch.NewDeliverer(watch.DelivererConfig{Store: p.Store, Name: "a", Links: openLinks{}, Poll: 20 * time.Millisecond, Pace: map[string]time.Duration{}})
		go func() {
			defer close(done)
			d.Run(ctx)
		}()
		defer func() {
			close(released)
			cancel()
			<-done
		}()
		for deadline := time.Now().Add(20 * time.Second); ; {
			if a := p.pagerduty.Alerts(); len(a) == 1 && a[0].State == "resolved" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the one that hangs holds up the other")
			}
			<-time.After(5 * time.Millisecond)
		}
		if n := hanging.Seen(); n > 4 {
			t.Errorf("%d requests hang at once", n)
		}
	})
}
