package leak_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/connectors"
	"github.com/sluicehq/sluice/destinations"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/internal/realbinary"
	"github.com/sluicehq/sluice/spec"
)

var binary string

func TestMain(m *testing.M) {
	realbinary.Main(func(path string) int {
		binary = path
		return m.Run()
	})
}

// endpoint is a source or destination whose every secret field is marked.
type endpoint struct {
	kind   string // sources or destinations
	name   string // of the connector
	config map[string]any
	fields []string // the secret fields that config sets
}

// plant returns endpoints that together have every secret field, and the secrets.
func plant(t *testing.T, mean *meanServer) (all []endpoint, secrets []string) {
	t.Helper()
	mark := func() string {
		s := "Mark/" + rand.Text() + "+é"
		secrets = append(secrets, s)
		return s
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	secrets = append(secrets, private)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	host, port, _ := net.SplitHostPort(mean.Listener.Addr().String())
	database := func() string {
		u := url.URL{Scheme: "postgres", User: url.UserPassword("reader", mark()), Host: mean.Listener.Addr().String(), Path: "/shop"}
		secrets = append(secrets, u.String())
		return u.String()
	}
	number := json.Number(port)
	return []endpoint{
		{"sources", "shop", map[string]any{"base_url": mean.URL, "api_key": mark()}, []string{"api_key"}},
		{"sources", "file", map[string]any{"path": mean.URL + "/one.csv", "authorization": "Bearer " + mark()}, []string{"authorization"}},
		{"sources", "file", map[string]any{"files": []any{map[string]any{"path": mean.URL + "/two.csv", "authorization": mark()}}}, []string{"files[].authorization"}},
		{"sources", "github", map[string]any{"base_url": mean.URL, "token": mark()}, []string{"token"}},
		{"sources", "github", map[string]any{"base_url": mean.URL, "app": map[string]any{"app_id": 1, "installation_id": 2, "private_key": private}}, []string{"app.private_key"}},
		{"sources", "postgres", map[string]any{"url": database(), "connect_timeout": "2s"}, []string{"url"}},
		{"sources", "postgres", map[string]any{"host": host, "port": number, "database": "shop", "user": "reader", "password": mark(), "sslcert": certificate, "sslkey": private, "connect_timeout": "2s"}, []string{"password", "sslkey"}},
		{"destinations", "postgres", map[string]any{"url": database(), "connect_timeout": "2s"}, []string{"url"}},
		{"destinations", "postgres", map[string]any{"host": host, "port": number, "database": "shop", "user": "writer", "password": mark(), "connect_timeout": "2s"}, []string{"password"}},
	}, secrets
}

// TestEverySecretFieldIsPlanted makes a new secret field come here.
func TestEverySecretFieldIsPlanted(t *testing.T) {
	t.Parallel()
	mean := newMeanServer(t)
	planted := map[string][]string{}
	all, _ := plant(t, mean)
	for _, e := range all {
		planted[e.kind+" "+e.name] = append(planted[e.kind+" "+e.name], e.fields...)
	}
	want := map[string][]string{}
	for _, c := range connectors.Builtin() {
		want["sources "+c.Name] = spec.SecretPaths(c.Config)
	}
	for _, d := range destinations.Builtin() {
		want["destinations "+d.Name] = spec.SecretPaths(d.Config)
	}
	for name, fields := range want {
		got := planted[name]
		if slices.Sort(got); !slices.Equal(got, fields) && len(got)+len(fields) > 0 {
			t.Errorf("%s: planted %q, secret are %q", name, got, fields)
		}
	}
}

// meanServer puts the credentials that it is sent into everything that it answers.
type meanServer struct {
	*httptest.Server
	mu    sync.Mutex
	seen  strings.Builder // all credentials that came
	agree bool            // answer the first requests of a source well
	asked func()          // called in the middle of each request
}

func newMeanServer(t *testing.T) *meanServer {
	t.Helper()
	m := &meanServer{asked: func() {}}
	m.Server = httptest.NewServer(http.HandlerFunc(m.answer))
	t.Cleanup(m.Close)
	return m
}

func (m *meanServer) answer(w http.ResponseWriter, r *http.Request) {
	said := r.Header.Get("Authorization")
	m.mu.Lock()
	m.seen.WriteString(said + "\n")
	agree, asked := m.agree, m.asked
	m.mu.Unlock()
	asked()
	switch {
	case strings.HasSuffix(r.URL.Path, ".csv") && agree:
		_, _ = io.WriteString(w, "id,v\n1,x\n")
	case strings.HasSuffix(r.URL.Path, ".csv"): // the reason, too, is shown to people
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprintf(buf, "HTTP/1.1 403 no entry for %s\r\nContent-Length: 0\r\n\r\n", said)
			_, _ = buf.Flush(), conn.Close()
		}
	case r.URL.Path == "/v1/status" && agree:
		_, _ = io.WriteString(w, `{}`)
	default:
		status := http.StatusBadRequest
		if !agree {
			status = http.StatusUnauthorized
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": "what is " + said + " ?"})
	}
}

// platform is `sluice up`, and what came out of it.
type platform struct {
	t       *testing.T
	address string
	token   string
	etag    string // of the last answer that had one
	secrets *mask.Masker

	mu     sync.Mutex
	places int // that were searched
	stars  int // of those, how many show that something was taken out
	leaks  map[string]bool
}

// search notes a leak.
func (p *platform) search(place, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.places++
	if strings.Contains(text, mask.Stars) {
		p.stars++
	}
	if masked := p.secrets.Text(text); masked != text {
		at := strings.Index(masked, mask.Stars)
		p.leaks[place+": …"+masked[max(0, at-80):min(len(masked), at+40)]+"…"] = true
	}
}

// call sends a request and searches its answer.
func (p *platform) call(method, path string, body any) (status int, answer map[string]any) {
	p.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	if body == nil {
		raw = nil
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.address+path, bytes.NewReader(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("If-Match", p.etag)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	if e := resp.Header.Get("Etag"); e != "" {
		p.etag = e
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	p.search(method+" "+path, string(text)+fmt.Sprint(resp.Header))
	_ = json.Unmarshal(text, &answer) // metrics and profiles are no JSON
	return resp.StatusCode, answer
}

// must is call for what has to work.
func (p *platform) must(method, path string, body any) map[string]any {
	p.t.Helper()
	status, answer := p.call(method, path, body)
	if status >= 300 {
		p.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

// await asks again until done says so.
func (p *platform) await(path string, done func(map[string]any) bool) map[string]any {
	p.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); <-tick.C {
		if answer := p.must(http.MethodGet, path, nil); done(answer) {
			return answer
		}
	}
	p.t.Fatalf("%s: it takes too long", path)
	return nil
}

// operation starts one and waits for its end.
func (p *platform) operation(path string, body any) map[string]any {
	p.t.Helper()
	id, _ := p.must(http.MethodPost, path, body)["id"].(string)
	return p.await("/api/v1/operations/"+id, func(o map[string]any) bool { return o["state"] != "running" })
}

// start runs the platform until the test ends, or stop is called.
func start(t *testing.T, dir string, p *platform) (stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	p.address = "http://" + address
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "up", "-v", "--log-format", "json", "--data-dir", filepath.Join(dir, "data"), "--listen", address) //nolint:noctx // stop ends it
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
	})
	t.Cleanup(stop)
	p.pid(cmd.Process.Pid)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(60 * time.Second); ; <-tick.C {
		resp, err := http.Get(p.address + "/readyz") //nolint:noctx // it is next door
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("it does not start: %v\n%s", err, text)
		}
	}
	token, err := exec.CommandContext(t.Context(), binary, "token", "create", "--role", "owner", "--data-dir", filepath.Join(dir, "data")).Output()
	if err != nil {
		t.Fatal(err)
	}
	p.token = strings.TrimSpace(string(token))
	return stop
}

var hosts sync.Map // of platforms: the process ids

func (p *platform) pid(id int) { hosts.Store(p, id) }

// processes searches what everyone on the machine can see of the connectors'
// processes, and returns how many there are.
func (p *platform) processes() int {
	id, _ := hosts.Load(p)
	children := realbinary.Children(id.(int))
	for _, child := range children {
		for _, name := range []string{"cmdline", "environ", "comm"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", child, name))
			if err == nil {
				p.search("/proc/PID/"+name, string(text))
			}
		}
	}
	return len(children)
}

func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	mean := newMeanServer(t)
	all, secrets := plant(t, mean)
	p := &platform{t: t, secrets: mask.New(secrets...), leaks: map[string]bool{}}
	if p.search("control", url.QueryEscape(secrets[1])); len(p.leaks) != 1 {
		t.Fatal("the search finds nothing")
	}
	clear(p.leaks)
	dir := t.TempDir()
	stop := start(t, dir, p)
	most := 0
	mean.mu.Lock()
	mean.asked = func() {
		n := p.processes()
		mean.mu.Lock()
		defer mean.mu.Unlock()
		most = max(most, n)
	}
	mean.mu.Unlock()

	ids := map[string]string{}
	for i, e := range all {
		body := map[string]any{"name": fmt.Sprintf("%s %d", e.name, i), "connector": e.name, "config": e.config}
		root := "/api/v1/" + e.kind
		mean.set(false)
		if o := p.operation(root+"/check", body); o["state"] != "failed" {
			t.Errorf("%s %v: settings that are refused: %v", e.name, e.fields, o)
		}
		wrong := maps.Clone(e.config)
		wrong["no_such_field"] = secrets[0]
		if status, answer := p.call(http.MethodPost, root, map[string]any{"name": "x", "connector": e.name, "config": wrong}); status != http.StatusUnprocessableEntity {
			t.Errorf("a wrong field: %d %v", status, answer)
		}
		id, _ := p.must(http.MethodPost, root, body)["id"].(string)
		ids[body["name"].(string)] = id
		if o := p.operation(root+"/"+id+"/check", nil); o["state"] != "failed" {
			t.Errorf("%s %v: a check that is refused: %v", e.name, e.fields, o)
		}
		p.must(http.MethodGet, root+"/"+id, nil)
		p.must(http.MethodPatch, root+"/"+id, map[string]any{"config": e.config}) // the same secrets once more
		if e.kind == "sources" {
			mean.set(true)
			p.operation(root+"/"+id+"/discover", nil)
		}
	}
	p.failingSyncs(mean, ids)
	p.everything()
	stop()
	p.files(dir)

	if got := mean.credentials(); strings.Count(got, "Mark/") < 4 || most == 0 {
		t.Errorf("the secrets were not used: %d processes, credentials:\n%s", most, got)
	}
	if p.stars < 5 {
		t.Errorf("%d texts show that something was taken out: nobody tried to leak", p.stars)
	}
	for leak := range p.leaks {
		t.Error(leak)
	}
	t.Logf("searched %d places, of which %d show that something was taken out", p.places, p.stars)
}

func (m *meanServer) set(agree bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.agree = agree
}

func (m *meanServer) credentials() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen.String()
}

// failingSyncs runs connections whose source refuses in the middle.
func (p *platform) failingSyncs(mean *meanServer, ids map[string]string) {
	p.t.Helper()
	lake, _ := p.must(http.MethodPost, "/api/v1/destinations", map[string]any{"name": "lake", "connector": "duckdb", "config": map[string]any{"path": "lake.duckdb"}})["id"].(string)
	for _, name := range []string{"shop 0", "file 1", "file 2"} {
		mean.set(true)
		c := p.must(http.MethodPost, "/api/v1/connections", map[string]any{"name": name, "source": ids[name], "destination": lake, "all_streams": true})
		id, _ := c["id"].(string)
		mean.set(false)
		p.call(http.MethodPost, "/api/v1/connections/"+id+"/sync", map[string]any{})
		ended := p.await("/api/v1/syncs?connection_id="+id, func(list map[string]any) bool {
			items, _ := list["items"].([]any)
			return len(items) > 0 && items[0].(map[string]any)["state"] == "ended"
		})
		sync := ended["items"].([]any)[0].(map[string]any)
		if sync["outcome"] != "failed" {
			p.t.Errorf("%s ended %v", name, sync["outcome"])
		}
		for _, rest := range []string{"", "/log", "/streams"} {
			p.must(http.MethodGet, fmt.Sprint("/api/v1/syncs/", sync["id"], rest), nil)
		}
		for _, rest := range []string{"", "/streams", "/schema", "/state"} {
			p.must(http.MethodGet, "/api/v1/connections/"+id+rest, nil)
		}
	}
}

// everything asks for all that can be listed.
func (p *platform) everything() {
	p.t.Helper()
	for _, list := range []string{"audit", "connections", "connectors", "destination-kinds", "destinations", "drift", "events/history", "operations", "plans",
		"queue", "regions", "settings", "sources", "syncs", "system", "tokens", "users", "workers"} {
		p.must(http.MethodGet, "/api/v1/"+list, nil)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		p.must(http.MethodGet, path, nil)
	}
}

// files searches the store, the logs and all else that is left.
func (p *platform) files(dir string) {
	p.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		p.search(strings.TrimPrefix(path, dir), string(text))
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
}
