package channeltest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Mail is a mail server. Its fields are to be set before the first mail.
type Mail struct {
	Username, Password string
	Ways               []string      // to sign in; nil: PLAIN and LOGIN
	Refuse             []string      // recipients that are unknown for good
	Later              int           // so many mails are refused for now first (greylisting)
	Hang               int           // so many mails are taken, and never answered
	Hangs              chan struct{} // gets one for each mail that is not answered
	Reject             string        // why no mail is taken; "": all are

	security, address, ca string
	mu                    sync.Mutex
	taken                 []Letter
	done                  chan struct{}
}

// Letter is a mail that was taken.
type Letter struct {
	From string
	To   []string
	Text []byte
}

// StartMail starts one that encrypts as security says: starttls, tls or none.
func StartMail(t testing.TB, security string) *Mail {
	t.Helper()
	m := &Mail{Username: "sluice@example.com", Password: "mail-secret-of-tests", security: security, done: make(chan struct{}), Hangs: make(chan struct{}, 100)}
	certificate := m.certificate(t)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{mail: m}, nil }))
	s.Domain, s.ReadTimeout, s.WriteTimeout, s.MaxMessageBytes, s.MaxRecipients = "localhost", 10*time.Second, 10*time.Second, 1<<20, 100
	s.ErrorLog = quiet{}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = l.Addr().String()
	secure := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	switch security {
	case "starttls":
		s.TLSConfig = secure
	case "tls":
		l = tls.NewListener(l, secure)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l) // it ends when it is closed
	}()
	t.Cleanup(func() {
		close(m.done)
		_ = s.Close()
		_ = l.Close() // where it had not begun to serve yet
		<-ended
	})
	return m
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// certificate makes a certificate that signs itself, for 127.0.0.1.
func (m *Mail) certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	m.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Letters returns the mails that were taken.
func (m *Mail) Letters() []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Letter{}, m.taken...)
}

// Config returns the configuration that sends here, changed by change.
func (m *Mail) Config(change func(map[string]any)) json.RawMessage {
	_, port, _ := net.SplitHostPort(m.address)
	n, _ := strconv.Atoi(port)
	c := map[string]any{"host": "127.0.0.1", "port": n, "security": m.security, "from": "Sluice <sluice@example.com>",
		"to": []string{"Ann <ann@example.com>", "ben@example.com"}}
	if m.security != "none" {
		c["username"], c["password"], c["ca_certificate"] = m.Username, m.Password, m.ca
	}
	if change != nil {
		change(c)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return raw
}

type session struct {
	mail   *Mail
	signed bool
	letter Letter
}

// AuthMechanisms lists the ways to sign in.
func (s *session) AuthMechanisms() []string {
	if s.mail.Ways != nil {
		return s.mail.Ways
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth checks a sign-in.
func (s *session) Auth(way string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != s.mail.Username || password != s.mail.Password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "bad credentials " + password} // some servers repeat it
		}
		s.signed = true
		return nil
	}
	if way == sasl.Plain {
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	}
	return &login{check: check}, nil
}

// login is the server's side of LOGIN, which the library has no more.
type login struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.signed && s.mail.security != "none" {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	s.letter = Letter{From: from}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if slices.Contains(s.mail.Refuse, to) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user here"}
	}
	s.letter.To = append(s.letter.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := s.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.Reject != "":
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: m.Reject}
	case m.Later > 0:
		m.Later--
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Greylisted, please try again later"}
	case !bytes.Contains(text, []byte("\r\n\r\n")) || strings.Contains(strings.ReplaceAll(string(text), "\r\n", ""), "\n"):
		return errors.New("not a mail")
	}
	s.letter.Text = text
	m.taken = append(m.taken, s.letter)
	if m.Hang > 0 {
		m.Hang--
		m.mu.Unlock()
		m.Hangs <- struct{}{}
		<-m.done
		m.mu.Lock()
	}
	return nil
}

func (s *session) Reset()        { s.letter = Letter{} }
func (s *session) Logout() error { return nil }
