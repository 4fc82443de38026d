package postgres

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// writeData writes a file into the server's data folder, as its owner.
func writeData(t *testing.T, s *pgtest.Server, name, text string) {
	t.Helper()
	data := filepath.Join(s.Dir, "data")
	path := filepath.Join(data, name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	info, err := os.Stat(data)
	must(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	must(t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{cert, key, encode("CERTIFICATE", der)}
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// sign returns a certificate and its key.
func (a *authority) sign(t *testing.T, name string, ips ...net.IP) (cert, key string) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: ips, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &own.PublicKey, a.key)
	must(t, err)
	raw, err := x509.MarshalECPrivateKey(own)
	must(t, err)
	return encode("CERTIFICATE", der), encode("EC PRIVATE KEY", raw)
}

func TestTLSModes(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	good, other := newAuthority(t), newAuthority(t)
	cert, key := good.sign(t, "db.test") // not the address that it is reached by
	writeData(t, server, "server.crt", cert)
	writeData(t, server, "server.key", key)
	writeData(t, server, "root.crt", good.pem)
	writeData(t, server, "pg_hba.conf", "hostssl all certified 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 trust\nhostnossl all postgres 127.0.0.1/32 trust\n")
	for _, sql := range []string{"create role certified login", "alter system set ssl = on", "alter system set ssl_ca_file = 'root.crt'"} {
		pgtest.Exec(t, server.URL("postgres"), sql)
	}
	must(t, server.Restart())
	clientCert, clientKey := good.sign(t, "certified")
	for _, c := range []struct {
		name   string
		config map[string]any
		code   string // of the error; empty: it connects
	}{
		{"disable", map[string]any{"sslmode": "disable"}, ""},
		{"prefer", map[string]any{}, ""},
		{"require", map[string]any{"sslmode": "require"}, ""},
		{"verify-ca", map[string]any{"sslmode": "verify-ca", "sslrootcert": good.pem}, ""},
		{"require with a root", map[string]any{"sslmode": "require", "sslrootcert": other.pem}, "postgres_tls"},
		{"verify-ca, other authority", map[string]any{"sslmode": "verify-ca", "sslrootcert": other.pem}, "postgres_tls"},
		{"verify-ca, system's authorities", map[string]any{"sslmode": "verify-ca"}, "postgres_tls"},
		{"verify-full, other name", map[string]any{"sslmode": "verify-full", "sslrootcert": good.pem}, "postgres_tls"},
		{"client certificate", map[string]any{"sslmode": "verify-ca", "sslrootcert": good.pem, "user": "certified", "sslcert": clientCert, "sslkey": clientKey}, ""},
		{"no client certificate", map[string]any{"sslmode": "require", "user": "certified"}, "postgres_auth"},
	} {
		config := map[string]any{"host": "127.0.0.1", "port": server.Port, "user": "postgres", "database": "postgres"}
		for k, v := range c.config {
			config[k] = v
		}
		err := newSource(t, config).Check(context.Background())
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if e := sluice.AsError(err); e == nil || e.Code != c.code {
			t.Errorf("%s: %+v, want %s", c.name, e, c.code)
		}
	}
	// The same over a URL, reading through TLS.
	cert, key = good.sign(t, "localhost", net.IPv4(127, 0, 0, 1))
	writeData(t, server, "server.crt", cert)
	writeData(t, server, "server.key", key)
	must(t, server.Restart())
	pgtest.Exec(t, server.URL("postgres"), "create table t as select i, repeat('x', 100) v from generate_series(1, 50000) i")
	url := server.URL("postgres")
	s := newSource(t, map[string]any{"url": url, "sslmode": "verify-full", "sslrootcert": good.pem})
	m := newLedger()
	must(t, m.read(t, s, sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.FullRefresh}, 2))
	if len(m.rows) != 50000 {
		t.Fatalf("%d rows", len(m.rows))
	}
}
