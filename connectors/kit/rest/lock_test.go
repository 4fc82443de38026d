package rest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

// TestOther is what the other processes of these tests do, which TOKEN_OTHER names.
func TestOther(t *testing.T) {
	file := rest.FileStore(os.Getenv("TOKEN_FILE"))
	switch os.Getenv("TOKEN_OTHER") {
	case "holds":
		if _, err := file.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		select {} // until it is killed
	case "asks":
		if _, err := ask(t, os.Getenv("TOKEN_API"), file); err != nil {
			t.Fatal(err)
		}
	default:
		t.Skip("for processes that other tests start")
	}
}

// other starts a process that does what TestOther says.
func other(t *testing.T, does, file, api string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOther$")
	cmd.Env = append(os.Environ(), "TOKEN_OTHER="+does, "TOKEN_FILE="+file, "TOKEN_API="+api)
	return cmd
}

// ask sends one request, of a client of its own.
func ask(t *testing.T, api string, store rest.TokenStore) (*rest.Client, error) {
	t.Helper()
	o := keptIn(store)
	o.TokenURL = api + "/token"
	c, err := rest.NewClient(rest.Options{Name: "thing", BaseURL: api + "/v1", Auth: o.Auth()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	resp, err := c.Do(t.Context(), rest.Request{URL: "x"})
	if err == nil {
		resp.Close()
	}
	return c, err
}

// Processes that refresh at once spend one refresh token, once, and all go on with
// the access token that it brought.
func TestProcessesRefreshOneAfterAnother(t *testing.T) {
	t.Parallel()
	i := rotating()
	var asked atomic.Int32
	second := make(chan struct{}, 9)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" && asked.Add(1) > 1 {
			second <- struct{}{}
		} else if r.URL.Path == "/token" {
			select { // others come meanwhile, or are kept out by the lock
			case <-second:
			case <-time.After(400 * time.Millisecond):
			}
		}
		i.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "token")
	var all []*exec.Cmd
	done := make(chan error)
	for range 2 {
		cmd := other(t, "asks", file, server.URL)
		all = append(all, cmd)
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			done <- err
		}()
	}
	_, err := ask(t, server.URL, rest.FileStore(file))
	for range all {
		err = errors.Join(err, <-done)
	}
	if err != nil || asked.Load() != 1 {
		t.Errorf("%d tokens asked for: %v", asked.Load(), err)
	}
}

// A lock ends with the process that holds it, and is not waited for longer than the
// caller wants.
func TestALockEndsWithItsHolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	holder := other(t, "holds", file, "")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := rest.FileStore(file).Lock(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another process has it: %v", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // killed, it says
	long, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	unlock, err := rest.FileStore(file).Lock(long)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// stuck is a store whose lock another process does not let go of.
type stuck struct{ vault }

func (*stuck) Lock(ctx context.Context) (func(), error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A lock that nobody lets go of ends the wait with an error that says so, and the
// end of the context ends it at once.
func TestTheWaitForALockIsBounded(t *testing.T) {
	t.Parallel()
	i := rotating()
	o := keptIn(&stuck{})
	c, _, _ := serve(t, i.ServeHTTP, func(opt *rest.Options) {
		opt.Auth, opt.Stall, opt.MaxElapsed = o.Auth(), time.Millisecond, time.Nanosecond
	})
	_, e := get(t, c)
	if e == nil || e.Class != sluice.Transient || e.Code != "thing_token_store" || !strings.Contains(e.Hint, "lock") {
		t.Errorf("%+v", e)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Do(ended, rest.Request{URL: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if i.issued.Load() != 0 {
		t.Errorf("%d tokens without the lock", i.issued.Load())
	}
}

// full is a store without space.
type full struct{ vault }

func (*full) Ready(context.Context) error { return errors.New("no space left on device") }

// Where the lock cannot be made, or nothing can be saved, no token is spent and the
// error says what to do.
func TestNoTokenIsSpentWithoutALockOrSpace(t *testing.T) {
	t.Parallel()
	blocked := filepath.Join(t.TempDir(), "token")
	if err := os.Mkdir(blocked+".lock", 0o700); err != nil {
		t.Fatal(err)
	}
	for says, store := range map[string]rest.TokenStore{"token.lock": rest.FileStore(blocked), "no space": &full{}} {
		i := rotating()
		c, _ := i.client(t, keptIn(store))
		_, e := get(t, c)
		if e == nil || e.Class != sluice.Config || e.Code != "thing_token_store" || !strings.Contains(e.Hint, "folder of token_file") ||
			!strings.Contains(e.Error(), says) || i.issued.Load() != 0 {
			t.Errorf("%s: %d tokens, %+v", says, i.issued.Load(), e)
		}
	}
}

// A file may hold a refresh token as a person put it there; what is neither is an
// error that does not show it.
func TestWhatATokenFileMayHold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	for text, want := range map[string]string{"": "", " bare\n": "bare", `{"refresh_token":"r","access_token":"a"}`: "r", `{"refresh": "secret"`: "error", `{"access_token":"secret"}`: "error"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := rest.FileStore(file).Load(t.Context())
		if want == "error" {
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %+v, %v", text, kept, err)
			}
		} else if err != nil || kept.Refresh != want {
			t.Errorf("%q: %+v, %v", text, kept, err)
		}
	}
}
