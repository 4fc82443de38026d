package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	gosmtp "github.com/wneessen/go-mail/smtp"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/outward"
	"github.com/sluicehq/sluice/internal/mask"
)

type email struct {
	config      EmailConfig
	authorities *tls.Config // nil: the system's
	policy      egress.Policy
	masker      *mask.Masker
}

// mailTime is how long sending a mail may take, from the connection on.
const mailTime = time.Minute

// Send sends to all addresses in one transaction. One that the server refuses for
// good keeps the others from nothing: the receipt names it.
func (e *email) Send(ctx context.Context, n Notification) (string, error) {
	m, err := e.message(n, time.Now())
	if err != nil {
		return "", e.fault(sluice.Config, "delivery_rejected", "write the mail", "check the addresses", err)
	}
	ctx, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	conn, err := e.dial(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // wakes whoever reads or writes
	defer stop()
	client, err := e.greet(conn)
	if err != nil {
		return "", err
	}
	refused, err := e.envelope(client)
	if err != nil {
		return "", err
	}
	w, err := client.Data()
	if err != nil {
		return "", e.refusal("send the mail", "email_message", "ask the mail server's operator what it objects to", err)
	}
	if _, err = m.WriteTo(w); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", e.unanswered(err)
	}
	receipt := "accepted"
	if closer, ok := w.(*gosmtp.DataCloser); ok {
		receipt = outward.Cut(outward.OneLine(closer.ServerResponse()), 200)
	}
	_ = client.Quit() // the mail is the server's already
	if len(refused) > 0 {
		receipt += "; refused: " + strings.Join(refused, ", ")
	}
	return receipt, nil
}

func (e *email) address() string { return net.JoinHostPort(e.config.Host, strconv.Itoa(e.config.Port)) }

func (e *email) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.authorities != nil {
		c = e.authorities.Clone()
	}
	c.ServerName = e.config.Host
	return c
}

func (e *email) dial(ctx context.Context) (net.Conn, error) {
	conn, err := e.policy.Dial(ctx, net.Dialer{Timeout: 30 * time.Second}, "tcp", e.address())
	if err != nil {
		if known, ok := errors.AsType[*sluice.Error](err); ok {
			return nil, e.fault(known.Class, known.Code, "connect", known.Hint, known.Err)
		}
		if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
			return nil, e.fault(sluice.Config, "delivery_unknown_host", "connect", "check the name of the mail server", fmt.Errorf("no such host: %s", d.Name))
		}
		return nil, e.fault(sluice.Transient, "delivery_network", "connect", "check the mail server's name and port, and that it is reachable from here; it is tried again", err)
	}
	_ = conn.SetDeadline(time.Now().Add(mailTime)) // it fails on closed connections only
	if e.config.Security != "tls" {
		return conn, nil
	}
	secure := tls.Client(conn, e.tls())
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, e.insecure(err)
	}
	return secure, nil
}

func (e *email) insecure(err error) error {
	if _, ok := errors.AsType[net.Error](err); ok && !isCertificate(err) {
		return e.fault(sluice.Transient, "delivery_network", "encrypt the connection", "nothing needs to be done; it is tried again", err)
	}
	return e.fault(sluice.Config, "delivery_tls", "encrypt the connection", "check security and port (465 is for tls, 587 for starttls) and the certificate; an internal authority's can be given in the configuration", err)
}

func isCertificate(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return certificate || record
}

// greet brings the connection to where mail can be sent.
func (e *email) greet(conn net.Conn) (*gosmtp.Client, error) {
	client, err := gosmtp.NewClient(conn, e.config.Host)
	if err == nil {
		err = client.Hello(ownName())
	}
	if err != nil {
		return nil, e.refusal("greet", "email_message", "ask the mail server's operator why it refuses this machine", err)
	}
	if e.config.Security == "starttls" {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return nil, e.fault(sluice.Config, "email_starttls", "encrypt the connection", "set security to tls, mostly with port 465, or to none for a relay of your own network",
				errors.New("the mail server does not offer STARTTLS"))
		}
		if err := client.StartTLS(e.tls()); err != nil {
			return nil, e.insecure(err)
		}
	}
	return client, e.signIn(client)
}

// ownName is what servers are greeted with.
func ownName() string {
	if name, err := os.Hostname(); err == nil && name != "" && !strings.ContainsAny(name, " \r\n") {
		return name
	}
	return "localhost"
}

func (e *email) signIn(client *gosmtp.Client) error {
	if e.config.Username == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	offers := func(name string) bool {
		for _, o := range strings.Fields(strings.ToUpper(offered)) {
			if o == name {
				return true
			}
		}
		return false
	}
	var auth gosmtp.Auth
	switch way := e.config.Auth; {
	case way != "login" && offers("PLAIN"):
		auth = gosmtp.PlainAuth("", e.config.Username, e.config.Password, e.config.Host, false)
	case way != "plain" && offers("LOGIN"):
		auth = gosmtp.LoginAuth(e.config.Username, e.config.Password, e.config.Host, false)
	default:
		return e.fault(sluice.Config, "email_sign_in", "sign in", "set auth to what the mail server offers, or leave username empty", fmt.Errorf("the mail server offers %q to sign in", strings.TrimSpace(offered)))
	}
	if err := client.Auth(auth); err != nil {
		if code := replyCode(err); code >= 500 {
			return e.fault(sluice.Auth, "delivery_credentials", "sign in", "check username and password; many providers want a password made for the application", err)
		}
		return e.refusal("sign in", "email_sign_in", "check auth", err)
	}
	return nil
}

// envelope names sender and recipients, and returns the recipients that the server
// refuses for good. It is an error where it refuses all, or one for now.
func (e *email) envelope(client *gosmtp.Client) (refused []string, err error) {
	from, err := mail.ParseAddress(e.config.From)
	if err != nil {
		return nil, e.fault(sluice.Config, "delivery_rejected", "name the sender", "check from", err)
	}
	if err := client.Mail(from.Address); err != nil {
		return nil, e.refusal("name the sender", "email_sender", "set from to an address that the account may send as", err)
	}
	var last error
	for _, to := range e.config.To {
		a, err := mail.ParseAddress(to)
		if err != nil {
			return nil, e.fault(sluice.Config, "delivery_rejected", "name the recipients", "check to", err)
		}
		switch err := client.Rcpt(a.Address); {
		case err == nil:
		case replyCode(err) >= 500:
			refused, last = append(refused, a.Address), err
		default:
			return nil, e.refusal("name the recipients", "email_recipients", "check to", err)
		}
	}
	if len(refused) == len(e.config.To) {
		return nil, e.refusal("name the recipients", "email_recipients", "check the addresses in to; where they are right, the server wants the account to sign in, or does not relay for it", last)
	}
	return refused, nil
}

// replyCode returns the code of a server's reply, or 0 where there was none.
func replyCode(err error) int {
	if t, ok := errors.AsType[*textproto.Error](err); ok {
		return t.Code
	}
	return 0
}

// refusal classes what the server replied: 4yz is for now, 5yz for good (RFC 5321,
// 4.2.1).
func (e *email) refusal(op, code, hint string, err error) error {
	switch reply := replyCode(err); {
	case reply == 0:
		return e.fault(sluice.Transient, "delivery_network", op, "nothing needs to be done; it is tried again", err)
	case reply == 530 || reply == 534 || reply == 535 || reply == 538:
		return e.fault(sluice.Auth, "delivery_credentials", op, "the mail server wants the account to sign in: check username and password", err)
	case reply < 500:
		return e.fault(sluice.Transient, "delivery_server", op, "nothing needs to be done; it is tried again", err)
	}
	return e.fault(sluice.Config, code, op, hint, err)
}

// unanswered is of a mail whose data was sent: without a reply, nobody knows.
func (e *email) unanswered(err error) error {
	if replyCode(err) != 0 {
		return e.refusal("send the mail", "email_message", "ask the mail server's operator what it objects to", err)
	}
	f := e.fault(sluice.Transient, "delivery_unknown", "send the mail", "nothing needs to be done; it is sent again, and mailboxes tell by its Message-ID if it came before", err)
	f.Err = outward.MarkUncertain(f.Err)
	return f
}

func (e *email) fault(class sluice.Class, code, op, hint string, err error) *sluice.Error {
	return &sluice.Error{Class: class, Code: code, Op: "mail server: " + op, Hint: hint, Err: e.masker.Error(err)}
}
