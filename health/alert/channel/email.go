package channel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/outward"
	"github.com/sluicehq/sluice/internal/mask"
)

// EmailConfig is the configuration of e-mail.
type EmailConfig struct {
	Host     string   `json:"host" required:"true" doc:"Name of the mail server (SMTP)." example:"smtp.example.com"`
	Port     int      `json:"port" min:"0" max:"65535" default:"0" doc:"Its port; 0: 587 for starttls, 465 for tls, 25 for none."`
	Security string   `json:"security" enum:"starttls,tls,none" default:"starttls" doc:"starttls: encrypted once the server was greeted, and never without. tls: encrypted from the start. none: not at all, for relays of one's own network."`
	Username string   `json:"username" doc:"Account at the mail server; empty where it asks for none."`
	Password string   `json:"password" secret:"true" doc:"Password of the account. It is never sent unencrypted."`
	Auth     string   `json:"auth" enum:"auto,plain,login" default:"auto" doc:"How the password is sent; auto: as the server offers."`
	From     string   `json:"from" required:"true" doc:"Address of the sender, with a name if you like." example:"Sluice <sluice@example.com>"`
	To       []string `json:"to" required:"true" doc:"Addresses of those who are told." example:"[\"on-call@example.com\"]"`
	ReplyTo  string   `json:"reply_to" doc:"Address that answers go to, where it is not the sender's."`
	CACert   string   `json:"ca_certificate" title:"CA certificate" doc:"PEM text of the authority that signed the mail server's certificate, where the system does not know it."`
}

// Validate checks what tags cannot say.
func (c *EmailConfig) Validate() error {
	var errs []error
	if strings.ContainsAny(c.Host, " /:\r\n") && !strings.Contains(c.Host, "::") {
		errs = append(errs, errors.New("host must be a name or an address, without a port"))
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		errs = append(errs, errors.New("from must be an address such as Sluice <sluice@example.com>"))
	}
	if _, err := mail.ParseAddress(c.ReplyTo); c.ReplyTo != "" && err != nil {
		errs = append(errs, errors.New("reply_to must be an address"))
	}
	if len(c.To) == 0 || len(c.To) > 100 {
		errs = append(errs, errors.New("to must have 1 to 100 addresses"))
	}
	for i, to := range c.To {
		if _, err := mail.ParseAddress(to); err != nil {
			errs = append(errs, fmt.Errorf("to[%d] must be an address such as on-call@example.com", i))
		}
	}
	switch {
	case c.Username != "" && c.Security == "none":
		errs = append(errs, errors.New("security must be starttls or tls where there is a password: it is not sent unencrypted"))
	case c.Username != "" && c.Password == "":
		errs = append(errs, errors.New("password is required with username"))
	case c.Username == "" && c.Password != "":
		errs = append(errs, errors.New("username is required with password"))
	}
	if _, err := outward.Authorities(c.CACert); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Email returns the definition of notifications by e-mail.
func Email() Definition {
	return outward.Define("email", "E-mail", func(ctx context.Context, c EmailConfig) (Channel, error) {
		security, err := outward.Authorities(c.CACert)
		if err != nil {
			return nil, err
		}
		if c.Port == 0 {
			c.Port = map[string]int{"starttls": 587, "tls": 465, "none": 25}[c.Security]
		}
		return &email{config: c, authorities: security, policy: egress.From(ctx), masker: mask.New(c.Password)}, nil
	})
}

// messageID returns the id that a key stands for: the same key makes the same.
func (e *email) messageID(key string) string {
	domain := "localhost"
	if from, err := mail.ParseAddress(e.config.From); err == nil {
		if _, after, ok := strings.Cut(from.Address[strings.LastIndex(from.Address, "@"):], "@"); ok && after != "" {
			domain = after
		}
	}
	sum := sha256.Sum256([]byte(key))
	return "sluice." + hex.EncodeToString(sum[:16]) + "@" + domain
}

// message makes the mail of a notification.
func (e *email) message(n Notification, now time.Time) (*gomail.Msg, error) {
	m := gomail.NewMsg()
	if err := errors.Join(m.From(e.config.From), m.To(e.config.To...)); err != nil {
		return nil, err
	}
	if e.config.ReplyTo != "" {
		if err := m.ReplyTo(e.config.ReplyTo); err != nil {
			return nil, err
		}
	}
	m.Subject(outward.Cut(outward.OneLine(n.headline()), 200))
	m.SetMessageIDWithValue(e.messageID("message " + n.Key))
	if n.State != Notice && n.State != Test {
		// Mail programs show as one conversation what refers to one message, though it
		// was never sent.
		thread := "<" + e.messageID("thread "+n.thread()) + ">"
		m.SetGenHeader(gomail.HeaderInReplyTo, thread)
		m.SetGenHeader(gomail.HeaderReferences, thread)
	}
	m.SetDateWithValue(now)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // so that no holiday notice answers (RFC 3834)
	plain, page := n.Plain, n.HTML
	if plain == "" || page == "" {
		plain, page = n.plain(), n.page()
	}
	m.SetBodyString(gomail.TypeTextPlain, plain)
	m.AddAlternativeString(gomail.TypeTextHTML, page)
	return m, nil
}

// plain is the notification as plain text.
func (n Notification) plain() string {
	var b strings.Builder
	b.WriteString(n.Title + "\n\n")
	if n.Body != "" {
		b.WriteString(outward.Plain(n.Body) + "\n")
	}
	for _, f := range n.Facts {
		b.WriteString(f.Name + ": " + outward.OneLine(f.Value) + "\n")
	}
	for _, link := range []string{n.Link, n.Runbook} {
		if link != "" {
			b.WriteString("\n" + link + "\n")
		}
	}
	return b.String()
}

// page is the notification as a page of HTML, with styles where mail programs take
// them: on the elements.
func (n Notification) page() string {
	color := map[State]string{Firing: "#b42318", Resolved: "#067647", Acknowledged: "#b54708"}[n.State]
	if color == "" {
		color = "#344054"
	}
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html><head><meta charset="utf-8"><title>` + html.EscapeString(n.headline()) + `</title></head>` +
		`<body style="margin:0;padding:16px;font:15px/1.5 sans-serif;color:#101828"><div style="max-width:720px;border-left:4px solid ` + color + `;padding-left:16px">` + "\n")
	b.WriteString(`<h1 style="font-size:19px;margin:0 0 12px">` + html.EscapeString(n.headline()) + "</h1>\n" + outward.HTML(n.Body))
	if len(n.Facts) > 0 {
		b.WriteString(`<table style="border-collapse:collapse">` + "\n")
		for _, f := range n.Facts {
			b.WriteString(`<tr><th style="text-align:left;padding:2px 16px 2px 0;color:#475467;font-weight:normal;vertical-align:top">` + html.EscapeString(f.Name) +
				`</th><td style="padding:2px 0">` + html.EscapeString(f.Value) + "</td></tr>\n")
		}
		b.WriteString("</table>\n")
	}
	for _, link := range []struct{ text, url string }{{"Open in Sluice", n.Link}, {"Runbook", n.Runbook}} {
		if strings.HasPrefix(link.url, "http://") || strings.HasPrefix(link.url, "https://") {
			b.WriteString(`<p><a href="` + html.EscapeString(link.url) + `">` + link.text + "</a></p>\n")
		}
	}
	b.WriteString("</div></body></html>\n")
	return b.String()
}
