package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
)

// TokenStore keeps a refresh token that its issuer replaces at each use. A
// source has no store of its own and its cursors are no place for secrets, so a
// connector offers `token_file` in its configuration and makes a FileStore of it.
type TokenStore interface {
	// Load returns the newest token that was saved, "" where there is none.
	Load(ctx context.Context) (string, error)
	// Ready returns an error where Save would. It changes nothing.
	Ready(ctx context.Context) error
	// Save returns only when the token is durable.
	Save(ctx context.Context, token string) error
}

// FileStore keeps a token in a file that only its owner can read.
type FileStore string

// Load reads the file.
func (f FileStore) Load(context.Context) (string, error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// Ready writes another file, larger than any token, beside it, and removes it.
func (f FileStore) Ready(context.Context) error {
	tmp, err := f.write(strings.Repeat(".", 16<<10))
	if err != nil {
		return err
	}
	return os.Remove(tmp)
}

// Save replaces the file in one step: a kill leaves the old token or the new.
func (f FileStore) Save(_ context.Context, token string) error {
	tmp, err := f.write(token + "\n")
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

	mu      sync.Mutex
	stored  string    // what Store held when it was last read
	latest  string    // the last token that the issuer gave
	unsaved bool      // Store does not hold latest
	tried   time.Time // when it was last tried to save it
}

// fetch gets an access token; it is not called twice at once.
func (o *refresher) fetch(ctx context.Context, c *Client, known func(...string)) (Token, error) {
	known(o.ClientSecret)
	refresh, err := o.token(ctx, c)
	if err != nil {
		return Token{}, err
	}
	if err := o.ready(ctx, c, refresh); err != nil {
		return Token{}, err
	}
	known(refresh)
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
	if err := o.rotate(ctx, c, refresh, answer.Refresh); err != nil {
		return Token{}, err
	}
	t := Token{Access: answer.Access}
	if n, err := answer.Expires.Int64(); err == nil && n > 0 {
		t.Expires = c.o.Clock.Now().Add(time.Duration(n) * time.Second)
	}
	return t, nil
}

// grant returns the form that asks for a token.
func grant(refresh string) url.Values {
	if refresh == "" {
		return url.Values{"grant_type": {"client_credentials"}}
	}
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
}

// token returns the refresh token to use: what Store holds now, as another process
// may have replaced it, but for one that could not be saved.
func (o *refresher) token(ctx context.Context, c *Client) (string, error) {
	if o.Store == nil {
		return o.RefreshToken, nil
	}
	o.settle(ctx, c)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unsaved {
		return o.latest, nil
	}
	stored, err := o.Store.Load(ctx)
	if err != nil {
		return "", c.tokenFault(sluice.Config, "token_store", "check that token_file can be read", err)
	}
	o.stored = stored
	return or(stored, o.RefreshToken), nil
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
		return c.tokenFault(sluice.Config, "token_store", "check that the folder of token_file can be written to", err)
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
		if t, err := o.token(ctx, c); err != nil || t != refused {
			return t, err
		}
	}
	for _, t := range []string{o.latest, o.RefreshToken} {
		if t != "" && t != refused {
			return t, nil
		}
	}
	return "", nil
}

// rotate makes the new refresh token durable before the access token is used:
// after a kill in between the old one would be worthless.
func (o *refresher) rotate(ctx context.Context, c *Client, old, next string) error {
	if next == "" || next == old {
		return nil
	}
	if o.Store == nil {
		return c.tokenFault(sluice.Config, "token_rotation", "set token_file, where the newest token is kept",
			errors.New("the API replaces the refresh token at each use, and there is no place to keep the new one"))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest, o.unsaved = next, true
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
	o.stored, o.unsaved = o.latest, false
}

// settle tries again to save a token, unless another process has saved one.
func (o *refresher) settle(ctx context.Context, c *Client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.unsaved {
		return
	}
	if stored, err := o.Store.Load(ctx); err == nil && stored != o.stored {
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
