package channel_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/alert/channel/channeltest"
	"github.com/sluicehq/sluice/health/outward"
	"github.com/sluicehq/sluice/health/outward/outwardtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var at = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)

func firing(key string) channel.Notification {
	return channel.Notification{Key: key, Thread: "group-1", State: channel.Firing, Severity: "sev1", At: at, Title: "3 connections are down\r\nBcc: eve@example.com",
		Body:  "The API of **Shop <prod> & Co** refuses `GET /orders`.\n\n- [orders](https://sluice.example.com/c/1)\n- <!channel> invoices\n\n```\n500 <html>\n```\n" + strings.Repeat("é word ", 2000),
		Facts: []channel.Fact{{"Since", "2026-11-20\n09:00"}, {"Connector", "<shop>"}}, Link: "https://sluice.example.com/incidents/7", Runbook: "https://sluice.example.com/runbooks/api-down"}
}

func open(t *testing.T, d channel.Definition, config json.RawMessage) channel.Channel {
	t.Helper()
	c, err := d.Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// attempt tries until it succeeds, and returns how often an outcome was uncertain.
func attempt(t *testing.T, c channel.Channel, told channel.Notification, secrets ...string) (uncertain int) {
	t.Helper()
	for n := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+n)*300*time.Millisecond)
		_, err := c.Send(ctx, told)
		cancel()
		if err == nil {
			return uncertain
		}
		harmless(t, err, secrets...)
		if outward.Uncertain(err) {
			uncertain++
		} else if e := sluice.AsError(err); !e.Retryable() {
			t.Fatalf("%v error: %v", e.Class, err)
		}
	}
	t.Fatal("still failing")
	return 0
}

func harmless(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if e := sluice.AsError(err); strings.Contains(err.Error()+e.Op+e.Hint, secret) {
			t.Errorf("a secret shows: %v", err)
		}
	}
}

func wantError(t *testing.T, err error, class sluice.Class, code string) {
	t.Helper()
	e := sluice.AsError(err)
	if e == nil || e.Class != class || e.Code != code || e.Hint == "" {
		t.Errorf("want %v %s and a hint, got %+v", class, code, e)
	}
}

func TestSlack(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"webhook", "bot"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := channeltest.StartSlack(t)
			config := s.WebhookConfig()
			if way == "bot" {
				config = s.BotConfig()
			}
			c := open(t, channel.Slack(), config)
			if _, err := c.Send(t.Context(), firing("n1")); err != nil {
				t.Fatal(err)
			}
			m := s.Messages()[0]
			text, _ := json.Marshal(m)
			for _, want := range []string{"[FIRING sev1] 3 connections are down Bcc", `*Shop \u0026lt;prod\u0026gt; \u0026amp; Co*`, "\\u0026lt;!channel\\u0026gt;",
				"\\u003chttps://sluice.example.com/c/1|orders\\u003e", "https://sluice.example.com/runbooks/api-down", "*Since*"} {
				if !strings.Contains(string(text), want) {
					t.Errorf("missing %q in %s", want, text)
				}
			}
			for _, f := range outwardtest.All() {
				before := len(s.Messages())
				s.Next(f)
				uncertain := attempt(t, c, firing("n-"+f.String()), s.Token, "secret-path")
				if got := len(s.Messages()) - before; got < 1 || got > 1+uncertain {
					t.Errorf("%v: %d messages after %d uncertain outcomes", f, got, uncertain)
				}
			}
			s.Next(outwardtest.Limited)
			_, err := c.Send(t.Context(), firing("n3"))
			wantError(t, err, sluice.Throttled, "delivery_rate_limited")
			if e := sluice.AsError(err); e.RetryAfter != outwardtest.RetryAfter*time.Second {
				t.Errorf("to be tried after %v", e.RetryAfter)
			}
		})
	}
}

func TestSlackRefusals(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		class sluice.Class
		code  string
	}{
		"channel_is_archived": {sluice.Config, "slack_channel"}, "no_service": {sluice.Auth, "delivery_credentials"}, "missing_scope": {sluice.Auth, "delivery_forbidden"},
		"ratelimited": {sluice.Throttled, "delivery_rate_limited"}, "internal_error": {sluice.Transient, "delivery_server"}, "invalid_blocks": {sluice.Config, "delivery_rejected"},
	} {
		s := channeltest.StartSlack(t)
		s.Error = name
		for _, config := range []json.RawMessage{s.WebhookConfig(), s.BotConfig()} {
			_, err := open(t, channel.Slack(), config).Send(t.Context(), firing("n"))
			wantError(t, err, want.class, want.code)
		}
	}
	s := channeltest.StartSlack(t)
	_, err := open(t, channel.Slack(), json.RawMessage(`{"bot_token":"xoxb-wrong-secret","channel":"C1","api_url":"`+s.URL+`/api"}`)).Send(t.Context(), firing("n"))
	wantError(t, err, sluice.Auth, "delivery_credentials")
	harmless(t, err, "xoxb-wrong-secret")
}

func TestPagerDuty(t *testing.T) {
	t.Parallel()
	p := channeltest.StartPagerDuty(t)
	c := open(t, channel.PagerDuty(), p.Config())
	n := firing("n1")
	send := func(state channel.State, want string) {
		t.Helper()
		n.State = state
		if _, err := c.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		all := p.Alerts()
		if a := all[len(all)-1]; a.State != want || a.Severity != "critical" || a.Source != "Sluice" || a.Details["Connector"] != "<shop>" || a.Link != n.Link {
			t.Fatalf("%+v, want %s", a, want)
		}
	}
	send(channel.Firing, "triggered")
	send(channel.Firing, "triggered")
	send(channel.Acknowledged, "acknowledged")
	send(channel.Resolved, "resolved")
	if len(p.Alerts()) != 1 {
		t.Fatalf("%d alerts, want 1", len(p.Alerts()))
	}
	if _, err := c.Send(t.Context(), channel.Sample("test-1", at)); err != nil {
		t.Fatal(err)
	}
	if a := p.Alerts()[1]; a.State != "resolved" || a.Severity != "info" {
		t.Errorf("a test leaves %+v", a)
	}
	for _, end := range []string{"a", "b"} { // keys that differ only at their end
		long := firing("long")
		long.Thread = strings.Repeat("é/", 200) + end
		if _, err := c.Send(t.Context(), long); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.Alerts()); n != 4 {
		t.Errorf("%d alerts, want 4", n)
	}
	for _, f := range outwardtest.All() {
		before := len(p.Alerts())
		n := firing("n-" + f.String())
		n.Thread = "thread " + f.String()
		p.Next(f, f)
		attempt(t, c, n, p.Key)
		n.State = channel.Resolved
		p.Next(f, f)
		attempt(t, c, n, p.Key)
		if all := p.Alerts(); len(all) != before+1 || all[before].State != "resolved" {
			t.Errorf("%v: %d alerts, want one, resolved", f, len(all)-before)
		}
	}
}

func TestPagerDutyRefusesAStrangersKey(t *testing.T) {
	t.Parallel()
	p := channeltest.StartPagerDuty(t)
	const key = "wrong-secret-9012345678901234567"
	_, err := open(t, channel.PagerDuty(), json.RawMessage(`{"routing_key":"`+key+`","base_url":"`+p.URL+`"}`)).Send(t.Context(), firing("n"))
	wantError(t, err, sluice.Config, "delivery_rejected")
	harmless(t, err, key)
	if _, err := channel.PagerDuty().Open(t.Context(), json.RawMessage(`{"routing_key":"short"}`)); sluice.ClassOf(err) != sluice.Config {
		t.Error("a short key is taken: ", err)
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	const key, old = "whsec_c2x1aWNlIHRlc3RzIHNpZ24gd2l0aCB0aGlzIGtleQ==", "whsec_dGhpcyBpcyB0aGUga2V5IG9mIHllc3RlcmRheSBtb3JuaW5n"
	r := &outwardtest.Receiver{Keys: []string{old}}
	s := outwardtest.Start(t, r)
	c := open(t, channel.Webhook(), json.RawMessage(`{"url":"`+s.URL+`/h","secret":"`+key+`","previous_secret":"`+old+`","headers":{"X-Team":"data"}}`))
	for _, f := range outwardtest.All() {
		before := len(r.Messages())
		s.Next(f, f)
		attempt(t, c, firing("n.1 "+f.String()), key, old)
		if got := len(r.Messages()) - before; got != 1 {
			t.Errorf("%v: %d messages, want 1", f, got)
		}
	}
	if refused := r.Refused(); len(refused) > 0 {
		t.Errorf("refused: %q", refused)
	}
	var m struct {
		Type string
		Data struct{ Key, Thread, Title, Severity string }
	}
	if err := json.Unmarshal(r.Messages()[0].Body, &m); err != nil || m.Type != "alert.firing" || m.Data.Thread != "group-1" || m.Data.Severity != "sev1" {
		t.Errorf("%+v, %v", m, err)
	}
	// Without the key that the receiver knows, nothing is taken.
	_, err := open(t, channel.Webhook(), json.RawMessage(`{"url":"`+s.URL+`/h","secret":"`+key+`"}`)).Send(t.Context(), firing("n9"))
	wantError(t, err, sluice.Auth, "delivery_credentials")
	harmless(t, err, key)
}

// A redirect is not followed to another host, and never as a GET.
func TestWebhookIsNotLedAway(t *testing.T) {
	t.Parallel()
	stranger := &outwardtest.Receiver{}
	elsewhere := outwardtest.Start(t, stranger)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := outwardtest.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL+"/h", status) }))
		c := open(t, channel.Webhook(), json.RawMessage(`{"url":"`+s.URL+`/h","secret":"whsec_c2x1aWNlIHRlc3RzIHNpZ24gd2l0aCB0aGlzIGtleQ=="}`))
		_, err := c.Send(t.Context(), firing("n1"))
		wantError(t, err, sluice.Config, "delivery_redirect")
	}
	if elsewhere.Seen() != 0 {
		t.Error("it was led away")
	}
	var s *outwardtest.Server
	s = outwardtest.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.URL+"/other", http.StatusTemporaryRedirect)
	}))
	c := open(t, channel.Webhook(), json.RawMessage(`{"url":"`+s.URL+`/h","secret":"whsec_c2x1aWNlIHRlc3RzIHNpZ24gd2l0aCB0aGlzIGtleQ=="}`))
	if _, err := c.Send(t.Context(), firing("n1")); sluice.AsError(err).Code != "delivery_redirect" || s.Seen() != 1 {
		t.Errorf("asked %d times: %v", s.Seen(), err)
	}
}

func TestThePolicyHolds(t *testing.T) {
	t.Parallel()
	policy, err := egress.Parse(egress.Strict, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := egress.With(t.Context(), policy)
	slack, pagerduty, mail := channeltest.StartSlack(t), channeltest.StartPagerDuty(t), channeltest.StartMail(t, "none")
	for _, c := range []struct {
		d      channel.Definition
		config json.RawMessage
	}{{channel.Slack(), slack.WebhookConfig()}, {channel.PagerDuty(), pagerduty.Config()}, {channel.Email(), mail.Config(nil)},
		{channel.Webhook(), json.RawMessage(`{"url":"` + slack.URL + `/h","secret":"whsec_c2x1aWNlIHRlc3RzIHNpZ24gd2l0aCB0aGlzIGtleQ=="}`)}} {
		ch, err := c.d.Open(ctx, c.config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ch.Send(ctx, firing("n1"))
		wantError(t, err, sluice.Config, "egress_denied")
	}
}

func TestConfigurationsNameTheirFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d            channel.Definition
		config, want string
	}{
		{channel.Slack(), `{}`, "give webhook_url, or bot_token"},
		{channel.Slack(), `{"webhook_url":"https://x/y","channel":"C"}`, "either"},
		{channel.Slack(), `{"bot_token":"x"}`, "channel is required"},
		{channel.Email(), `{"host":"m","from":"a@b.c","to":["a@b.c\r\nBcc: x@y.z"]}`, "to[0]"},
		{channel.Email(), `{"host":"m","from":"a@b.c","to":["a@b.c"],"security":"none","username":"u","password":"p"}`, "security"},
		{channel.Email(), `{"host":"m","from":"nobody","to":[]}`, "from must"},
		{channel.Webhook(), `{"url":"https://u:p@h/","secret":"whsec_short"}`, "secret: it must be"},
		{channel.Webhook(), `{"url":"ftp://h/","secret":"whsec_c2x1aWNlIHRlc3RzIHNpZ24gd2l0aCB0aGlzIGtleQ==","headers":{"Webhook-Id":"x"}}`, "Webhook-Id is set by Sluice"},
	} {
		_, err := c.d.Open(t.Context(), json.RawMessage(c.config))
		if sluice.ClassOf(err) != sluice.Config || !strings.Contains(err.Error(), c.want) || strings.Contains(sluice.AsError(err).Hint, "sluice spec") {
			t.Errorf("%s: %v, want %q", c.config, err, c.want)
		}
	}
}
