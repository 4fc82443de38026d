package outward

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// WebhookConfig is the configuration of a signed webhook, of tickets and of
// notifications alike.
type WebhookConfig struct {
	URL      string            `json:"url" required:"true" secret:"true" doc:"Address that messages are posted to. It is kept as a secret: such addresses often hold a key." example:"https://hooks.example.com/sluice"`
	Secret   string            `json:"secret" required:"true" secret:"true" doc:"Key of the signatures: whsec_ and 24 to 64 random bytes in base64, as the Standard Webhooks specification has it."`
	Previous string            `json:"previous_secret" secret:"true" doc:"While keys are changed: the key before. Messages then carry the signatures of both; take it out when the receiver knows the new one."`
	Headers  map[string]string `json:"headers" doc:"Further headers of each message. They are not secret; what must be is better left to the signature."`
	CACert   string            `json:"ca_certificate" title:"CA certificate" doc:"PEM text of the authority that signed the receiver's certificate, where the system does not know it."`
}

// ownHeaders are set by Sluice alone.
var ownHeaders = []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "Content-Type", "Content-Length", "Host", "Transfer-Encoding", "Connection"}

// Validate checks what tags cannot say.
func (c *WebhookConfig) Validate() error {
	var errs []error
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, errors.New("url must be an address such as https://hooks.example.com/sluice"))
	}
	if _, err := ParseKey(c.Secret); err != nil {
		errs = append(errs, fmt.Errorf("secret: %w", err))
	}
	if _, err := ParseKey(c.Previous); c.Previous != "" && err != nil {
		errs = append(errs, fmt.Errorf("previous_secret: %w", err))
	}
	for name, value := range c.Headers {
		switch canonical := http.CanonicalHeaderKey(name); {
		case slices.Contains(ownHeaders, canonical):
			errs = append(errs, fmt.Errorf("headers: %s is set by Sluice", canonical))
		case strings.ContainsAny(name, " \t\r\n:") || name == "" || strings.ContainsAny(value, "\r\n\x00"):
			errs = append(errs, errors.New("headers: names and values must be of one line, and names without spaces and colons"))
		}
	}
	if _, err := Authorities(c.CACert); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ParseKey reads the key of a webhook's signatures: whsec_ and base64. Its error
// does not show the key.
func ParseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || !strings.HasPrefix(text, "whsec_") || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("it must be whsec_ and 24 to 64 random bytes in base64, such as `echo whsec_$(openssl rand -base64 32)` makes")
	}
	return key, nil
}

// Sign returns the value of the header webhook-signature: one signature for each
// key, over the id, the time and the body (Standard Webhooks, "Signature scheme").
func Sign(id string, at time.Time, body []byte, keys ...[]byte) string {
	var all []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// Webhook posts signed messages to one receiver.
type Webhook struct {
	client *Client
	keys   [][]byte
	now    func() time.Time
}

// NewWebhook makes a Webhook of a configuration that was validated.
func NewWebhook(c WebhookConfig, policy egress.Policy) (*Webhook, error) {
	w := &Webhook{now: time.Now}
	secrets := []string{c.URL}
	if u, err := url.Parse(c.URL); err == nil {
		secrets = append(secrets, u.RequestURI())
	}
	for _, text := range []string{c.Secret, c.Previous} {
		if text == "" {
			continue
		}
		key, err := ParseKey(text)
		if err != nil {
			return nil, sluice.Errorf(sluice.Config, "delivery_key", "configuration of the webhook", "make a new key and tell the receiver", "the key of the signatures: %w", err)
		}
		w.keys, secrets = append(w.keys, key), append(secrets, text, strings.TrimPrefix(text, "whsec_"))
	}
	security, err := Authorities(c.CACert)
	if err != nil {
		return nil, sluice.Errorf(sluice.Config, "delivery_tls", "configuration of the webhook", "give the certificate as PEM text", "%w", err)
	}
	header := http.Header{}
	for name, value := range c.Headers {
		header.Set(name, value)
	}
	w.client, err = NewClient(Options{System: "webhook", BaseURL: c.URL, Header: header, Secrets: secrets, TLS: security, Egress: policy, Stay: true, Refusal: webhookRefusal})
	return w, err
}

// webhookRefusal: the specification has 410 mean that nothing is wanted any more.
func webhookRefusal(a *Answer) *sluice.Error {
	if a.Status != http.StatusGone {
		return nil
	}
	return sluice.Errorf(sluice.Config, "delivery_not_found", "", "the receiver asks for nothing more to be sent: switch this webhook off, or give another address", "it answered 410 gone")
}

// Post sends a body once. The id names the message and is the same each time it is
// tried, so that the receiver can tell a message that it has seen before. An answer of JSON
// is decoded into out, as far as it fits.
func (w *Webhook) Post(ctx context.Context, op, id string, body []byte, out any) (*Answer, error) {
	id = messageID(id)
	now := w.now()
	a, err := w.client.Do(ctx, Request{Op: op, Method: http.MethodPost, Body: body, Header: http.Header{
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)},
		"Webhook-Signature": {Sign(id, now, body, w.keys...)},
	}}, nil)
	if err == nil && out != nil && len(a.Body) > 0 {
		_ = json.Unmarshal(a.Body, out) // a receiver need not answer anything, nor JSON
	}
	return a, err
}

// messageID returns id as it may stand in a header, without the full stop that
// parts it from the time in what is signed.
func messageID(id string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '.' {
			return '_'
		}
		return r
	}, id)
}

// Authorities returns what trusts the system's authorities and those of the PEM
// text, or nil where that is empty.
func Authorities(pem string) (*tls.Config, error) {
	if pem == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("ca_certificate must be the PEM text of a certificate")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
