package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
)

// TokenStore keeps the tokens of an issuer that replaces refresh tokens at each use.
// A source has no store of its own and its cursors are no place for secrets, so a
// connector offers `token_file` in its configuration and makes a FileStore of it.
// Its methods may be called concurrently.
type TokenStore interface {
	// Lock waits until nobody else, in this process or another, is between a Lock
	// and its unlock: a refresh token can be spent once. What its holder leaves
	// behind, however it ends, is no lock. It returns an error when ctx ends first.
	Lock(ctx context.Context) (unlock func(), err error)
	// Load returns what was saved last, or nothing. A token given without an access
	// token, by a person, is fine.
	Load(ctx context.Context) (Kept, error)
	// Ready returns an error where Save would. It changes nothing.
	Ready(ctx context.Context) error
	// Save returns only when the tokens are durable.
	Save(ctx context.Context, k Kept) error
}

// Kept is what a TokenStore holds: the newest refresh token, and the access token
// that came with it where that says when it expires, so that other processes need
// not ask for one.
type Kept struct {
	Refresh string    `json:"refresh_token"`
	Access  string    `json:"access_token,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// FileStore keeps tokens in a file that only its owner can read. Beside it is an
// empty one, with .lock after its name, that whoever refreshes holds locked. On
// file systems and systems without such locks two processes may refresh at once;
// the one that comes late then finds the other's token, mostly.
type FileStore string

// lockPoll is how often a lock that another has is tried.
const lockPoll = 50 * time.Millisecond

// Lock locks the file beside. The system frees it when the process ends.
func (f FileStore) Lock(ctx context.Context) (unlock func(), err error) {
	file, err := os.OpenFile(string(f)+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		locked, err := tryLock(file)
		if locked || errors.Is(err, errors.ErrUnsupported) {
			return func() { _ = file.Close() }, nil // which unlocks it
		}
		if err == nil {
			err = wallClock{}.Sleep(ctx, lockPoll)
		}
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
}

// Load reads the file: what Save writes, or a refresh token as it is.
func (f FileStore) Load(context.Context) (Kept, error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return Kept{}, nil
	}
	if b = bytes.TrimSpace(b); err != nil || !bytes.HasPrefix(b, []byte("{")) {
		return Kept{Refresh: string(b)}, err
	}
	var k Kept
	if json.Unmarshal(b, &k) != nil || k.Refresh == "" {
		return Kept{}, fmt.Errorf("%s holds no refresh token", string(f))
	}
	return k, nil
}

// Ready writes another file, larger than any token, beside it, and removes it.
func (f FileStore) Ready(context.Context) error {
	tmp, err := f.write(strings.Repeat(".", 16<<10))
	if err != nil {
		return err
	}
	return os.Remove(tmp)
}

// Save replaces the file in one step: a kill leaves the old tokens or the new.
func (f FileStore) Save(_ context.Context, k Kept) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	tmp, err := f.write(string(text) + "\n")
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, string(f)); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	dir, err := os.Open(filepath.Dir(string(f)))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// write makes a file in the same folder and returns its name.
func (f FileStore) write(text string) (string, error) {
	tmp, err := os.CreateTemp(filepath.Dir(string(f)), ".token-*") // made with mode 0600
	if err != nil {
		return "", err
	}
	_, err = tmp.WriteString(text)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		err = errors.Join(err, os.Remove(tmp.Name()))
	}
	return tmp.Name(), err
}

// refresher is an OAuth2 at work. It never forgets the newest refresh token: one
// that cannot be saved is used from memory, and saved when that is possible again.
type refresher struct {
	OAuth2

	given string // the access token that fetch returned last; only fetch uses it

	mu      sync.Mutex
	stored  string    // the refresh token that Store held when it was last read
	latest  Kept      // what the issuer gave last
	unsaved bool      // Store does not hold latest
	tried   time.Time // when it was last tried to save it
}

// fetch gets an access token; it is not called twice at once. That it is called
// again says that the token it gave before is of no more use.
func (o *refresher) fetch(ctx context.Context, c *Client, known func(...string)) (Token, error) {
	known(o.ClientSecret)
	unlock, err := o.lock(ctx, c)
	if err != nil {
		return Token{}, err
	}
	defer unlock()
	kept, err := o.token(ctx, c)
	if err != nil {
		return Token{}, err
	}
	known(kept.Refresh, kept.Access)
	t := Token{Access: kept.Access, Expires: kept.Expires}
	if t.Access == "" || t.Access == o.given || !t.Expires.After(c.o.Clock.Now()) {
		if t, err = o.renew(ctx, c, kept.Refresh, known); err != nil {
			return Token{}, err
		}
	}
	o.given = t.Access
	return t, nil
}

// renew spends a refresh token, where there is one.
func (o *refresher) renew(ctx context.Context, c *Client, refresh string, known func(...string)) (Token, error) {
	if err := o.ready(ctx, c, refresh); err != nil {
		return Token{}, err
	}
	answer, err := o.ask(ctx, c, grant(refresh))
	if err != nil && answer.Error == "invalid_grant" {
		other, otherErr := o.other(ctx, c, refresh)
		if otherErr != nil {
			return Token{}, otherErr
		}
		if other != "" {
			known(other)
			refresh = other
			answer, err = o.ask(ctx, c, grant(refresh))
		}
	}
	if err != nil {
		return Token{}, err
	}
	known(answer.Access, answer.Refresh)
	t := Token{Access: answer.Access}
	if n, err := answer.Expires.Int64(); err == nil && n > 0 {
		t.Expires = c.o.Clock.Now().Add(time.Duration(n) * time.Second)
	}
	return t, o.rotate(ctx, c, refresh, answer.Refresh, t)
}

// lock keeps others that have the same Store from spending the token that this
// process is about to spend. The wait is bounded: who holds the lock asks the token
// endpoint twice at most, each time for as long as Stall.
func (o *refresher) lock(ctx context.Context, c *Client) (unlock func(), err error) {
	if o.Store == nil {
		return func() {}, nil
	}
	bounded, cancel := context.WithTimeout(ctx, 3*c.o.Stall)
	defer cancel()
	unlock, err = o.Store.Lock(bounded)
	switch {
	case err == nil:
		return unlock, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bounded.Err() != nil:
		return nil, c.tokenFault(sluice.Transient, "token_store", "nothing needs to be done; where it stays so, end the process that holds token_file's lock",
			errors.New("another process has been renewing the token for too long"))
	case o.inMemory():
		return func() {}, nil // the token that nobody else knows must not be given up
	}
	return nil, c.tokenFault(sluice.Config, "token_store", hintStore, err)
}

const hintStore = "check that the folder of token_file can be written to, and has space left"

// inMemory reports that the newest token could not be saved.
func (o *refresher) inMemory() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unsaved
}

// grant returns the form that asks for a token.
func grant(refresh string) url.Values {
	if refresh == "" {
		return url.Values{"grant_type": {"client_credentials"}}
	}
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
}

// token returns the tokens to use: what Store holds now, as another process may have
// replaced them, but for those that could not be saved.
func (o *refresher) token(ctx context.Context, c *Client) (Kept, error) {
	if o.Store == nil {
		return Kept{Refresh: o.RefreshToken}, nil
	}
	o.settle(ctx, c)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unsaved {
		return o.latest, nil
	}
	stored, err := o.Store.Load(ctx)
	if err != nil {
		return Kept{}, c.tokenFault(sluice.Config, "token_store", "check that token_file can be read", err)
	}
	o.stored = stored.Refresh
	stored.Refresh = or(stored.Refresh, o.RefreshToken)
	return stored, nil
}

// ready returns an error where the token that follows refresh could not be saved:
// it must not be spent then. One that is in memory only has nothing to lose.
func (o *refresher) ready(ctx context.Context, c *Client, refresh string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.Store == nil || refresh == "" || o.unsaved {
		return nil
	}
	if err := o.Store.Ready(ctx); err != nil {
		return c.tokenFault(sluice.Config, "token_store", hintStore, err)
	}
	return nil
}

// other returns another token than the one that was refused, "" where there is
// none: that of a process which has replaced it, and may be about to save it, or
// else a new one in the configuration.
func (o *refresher) other(ctx context.Context, c *Client, refused string) (string, error) {
	if o.Store == nil {
		return "", nil
	}
	for _, wait := range []time.Duration{0, time.Second, 2 * time.Second} {
		if err := c.o.Clock.Sleep(ctx, wait); err != nil {
			return "", err
		}
		if t, err := o.token(ctx, c); err != nil || t.Refresh != refused {
			return t.Refresh, err
		}
	}
	for _, t := range []string{o.latest.Refresh, o.RefreshToken} {
		if t != "" && t != refused {
			return t, nil
		}
	}
	return "", nil
}

// rotate makes the new refresh token durable before the access token is used:
// after a kill in between the old one would be worthless.
func (o *refresher) rotate(ctx context.Context, c *Client, old, next string, t Token) error {
	if next == "" || next == old {
		return nil
	}
	if o.Store == nil {
		return c.tokenFault(sluice.Config, "token_rotation", "set token_file, where the newest token is kept",
			errors.New("the API replaces the refresh token at each use, and there is no place to keep the new one"))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest, o.unsaved = Kept{Refresh: next}, true
	if !t.Expires.IsZero() {
		o.latest.Access, o.latest.Expires = t.Access, t.Expires
	}
	o.save(ctx, c)
	return nil
}

// save tries to make the newest token durable; o.mu is held.
func (o *refresher) save(ctx context.Context, c *Client) {
	o.tried = c.o.Clock.Now()
	if err := o.Store.Save(ctx, o.latest); err != nil {
		slog.Warn("the new refresh token cannot be saved: where it is not before the sync ends, you must connect again",
			"connector", c.o.Name, "cause", c.redactError(err))
		return
	}
	o.stored, o.unsaved = o.latest.Refresh, false
}

// settle tries again to save a token, unless another process has saved one. It
// takes no lock: who holds that may be waiting for this very token.
func (o *refresher) settle(ctx context.Context, c *Client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.unsaved {
		return
	}
	if stored, err := o.Store.Load(ctx); err == nil && stored.Refresh != o.stored {
		o.unsaved = false
		return
	}
	o.save(ctx, c)
}

// due reports that the last attempt to save a token was a while ago.
func (o *refresher) due(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unsaved && now.Sub(o.tried) >= time.Minute
}
