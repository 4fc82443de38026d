package channel_test

import (
	"context"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/alert/channel/channeltest"
	"github.com/sluicehq/sluice/health/outward"
)

func TestEmail(t *testing.T) {
	t.Parallel()
	for _, security := range []string{"starttls", "tls", "none"} {
		t.Run(security, func(t *testing.T) {
			t.Parallel()
			m := channeltest.StartMail(t, security)
			receipt, err := open(t, channel.Email(), m.Config(nil)).Send(t.Context(), firing("n1"))
			if err != nil || receipt == "" {
				t.Fatalf("%q, %v", receipt, err)
			}
			all := m.Letters()
			if len(all) != 1 || all[0].From != "sluice@example.com" || strings.Join(all[0].To, " ") != "ann@example.com ben@example.com" {
				t.Fatalf("%+v", all)
			}
			letter(t, all[0])
		})
	}
}

// letter checks a mail as a mail program would read it.
func letter(t *testing.T, l channeltest.Letter) {
	t.Helper()
	read, err := mail.ReadMessage(strings.NewReader(string(l.Text)))
	if err != nil {
		t.Fatal(err)
	}
	h := read.Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "[FIRING sev1] 3 connections are down Bcc: eve@") || h.Get("Bcc") != "" {
		t.Errorf("subject %q, bcc %q, %v", subject, h.Get("Bcc"), err)
	}
	if id := h.Get("Message-Id"); !strings.HasPrefix(id, "<sluice.") || !strings.HasSuffix(id, "@example.com>") || h.Get("References") == "" || h.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("header %v", h)
	}
	if _, err := h.Date(); err != nil {
		t.Error(err)
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%q, %v", kind, err)
	}
	var parts []string
	for r := multipart.NewReader(read.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p.Header.Get("Content-Type")+"\n"+string(text))
	}
	if len(parts) != 2 || !strings.HasPrefix(parts[0], "text/plain") || !strings.HasPrefix(parts[1], "text/html") {
		t.Fatalf("%d parts", len(parts))
	}
	for want, part := range map[string]int{"- orders <https://sluice.example.com/c/1>": 0, "Connector: <shop>": 0, "<strong>Shop &lt;prod&gt; &amp; Co</strong>": 1, "&lt;!channel&gt;": 1,
		"https://sluice.example.com/runbooks/api-down": 1, "é word": 0} {
		if !strings.Contains(parts[part], want) {
			t.Errorf("part %d lacks %q:\n%.600s", part, want, parts[part])
		}
	}
}

func TestTheSameMailHasTheSameID(t *testing.T) {
	t.Parallel()
	m := channeltest.StartMail(t, "none")
	c := open(t, channel.Email(), m.Config(nil))
	for _, n := range []channel.Notification{firing("n1"), firing("n1"), firing("n2")} {
		if _, err := c.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	var ids, threads []string
	for _, l := range m.Letters() {
		read, err := mail.ReadMessage(strings.NewReader(string(l.Text)))
		if err != nil {
			t.Fatal(err)
		}
		ids, threads = append(ids, read.Header.Get("Message-Id")), append(threads, read.Header.Get("References"))
	}
	if ids[0] != ids[1] || ids[1] == ids[2] || threads[0] != threads[2] {
		t.Errorf("ids %q, threads %q", ids, threads)
	}
}

func TestEmailWholePage(t *testing.T) {
	t.Parallel()
	m := channeltest.StartMail(t, "none")
	n := channel.Notification{Key: "wall", State: channel.Notice, Title: "2 connections fail", Plain: "as text", HTML: "<p>as a page</p>"}
	if _, err := open(t, channel.Email(), m.Config(nil)).Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if text := string(m.Letters()[0].Text); !strings.Contains(text, "as text") || !strings.Contains(text, "<p>as a page</p>") || !strings.Contains(text, "Subject: 2 connections fail\r\n") {
		t.Error(text)
	}
}

func TestEmailSignIn(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"PLAIN", "LOGIN"} {
		m := channeltest.StartMail(t, "starttls")
		m.Ways = []string{way}
		if _, err := open(t, channel.Email(), m.Config(nil)).Send(t.Context(), firing("n1")); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	m := channeltest.StartMail(t, "starttls")
	_, err := open(t, channel.Email(), m.Config(func(c map[string]any) { c["password"] = "wrong-secret" })).Send(t.Context(), firing("n1"))
	wantError(t, err, sluice.Auth, "delivery_credentials")
	harmless(t, err, "wrong-secret")
	_, err = open(t, channel.Email(), m.Config(func(c map[string]any) { delete(c, "username"); delete(c, "password") })).Send(t.Context(), firing("n1"))
	wantError(t, err, sluice.Auth, "delivery_credentials")
	m.Ways = []string{"CRAM-MD5"}
	_, err = open(t, channel.Email(), m.Config(nil)).Send(t.Context(), firing("n1"))
	wantError(t, err, sluice.Config, "email_sign_in")
}

func TestEmailRefusals(t *testing.T) {
	t.Parallel()
	m := channeltest.StartMail(t, "none")
	c := open(t, channel.Email(), m.Config(nil))
	m.Refuse = []string{"ben@example.com"}
	receipt, err := c.Send(t.Context(), firing("n1"))
	if err != nil || !strings.Contains(receipt, "refused: ben@example.com") || len(m.Letters()) != 1 {
		t.Errorf("one unknown recipient: %q, %v", receipt, err)
	}
	m.Refuse = append(m.Refuse, "ann@example.com")
	_, err = c.Send(t.Context(), firing("n2"))
	wantError(t, err, sluice.Config, "email_recipients")
	m.Refuse, m.Later = nil, 1
	_, err = c.Send(t.Context(), firing("n3"))
	wantError(t, err, sluice.Transient, "delivery_server")
	if outward.Uncertain(err) {
		t.Error("a refusal for now is certain")
	}
	m.Reject = "looks like spam"
	_, err = c.Send(t.Context(), firing("n4"))
	wantError(t, err, sluice.Config, "email_message")
}

// A mail that was taken without an answer may have arrived.
func TestEmailWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	m := channeltest.StartMail(t, "none")
	m.Hang = 1
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-m.Hangs
		cancel()
	}()
	_, err := open(t, channel.Email(), m.Config(nil)).Send(ctx, firing("n1"))
	wantError(t, err, sluice.Transient, "delivery_unknown")
	if !outward.Uncertain(err) || len(m.Letters()) != 1 {
		t.Errorf("%v, %d letters", err, len(m.Letters()))
	}
}

func TestEmailEncryption(t *testing.T) {
	t.Parallel()
	plain, secure := channeltest.StartMail(t, "none"), channeltest.StartMail(t, "starttls")
	_, err := open(t, channel.Email(), plain.Config(func(c map[string]any) { c["security"] = "starttls" })).Send(t.Context(), firing("n1"))
	wantError(t, err, sluice.Config, "email_starttls")
	_, err = open(t, channel.Email(), plain.Config(func(c map[string]any) { c["security"] = "tls" })).Send(t.Context(), firing("n1"))
	wantError(t, err, sluice.Config, "delivery_tls")
	_, err = open(t, channel.Email(), secure.Config(func(c map[string]any) { delete(c, "ca_certificate") })).Send(t.Context(), firing("n1"))
	wantError(t, err, sluice.Config, "delivery_tls")
	harmless(t, err, secure.Password)
	if len(plain.Letters())+len(secure.Letters()) != 0 {
		t.Error("a mail was sent all the same")
	}
}
