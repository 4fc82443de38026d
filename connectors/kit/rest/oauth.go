package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
)

// OAuth2 gets access tokens from a token endpoint: with a RefreshToken by it,
// else by client credentials.
type OAuth2 struct {
	TokenURL     string
	ClientID     string
	ClientSecret string
	Scopes       []string
	Params       url.Values // further fields of the form, such as audience
	// RefreshToken is the first one; a token in Store comes before it, since it is
	// newer, unless the issuer refuses that one. Where the issuer rotates tokens and
	// there is no Store, the next process would be locked out: Auth then reports a
	// Config error.
	RefreshToken string
	Store        TokenStore
	InForm       bool // the client's id and secret go into the form, not into a Basic header
}

// Auth returns the Auth of o. Tokens are renewed a minute before they expire, or
// with a tenth of their life left where that is less, and when the API refuses one.
func (o OAuth2) Auth() Auth {
	r := &refresher{OAuth2: o}
	return &renewing{fetch: r.fetch, refresher: r}
}

// Token is an access token. A zero Expires means that it does not say.
type Token struct {
	Access  string
	Type    string // of the Authorization header; "": Bearer
	Expires time.Time
}

// Renewing returns an Auth that calls fetch for a token when it needs one, never
// twice at once. fetch may use the client's Send, and names by known what must
// not appear in messages.
func Renewing(fetch func(ctx context.Context, c *Client, known func(...string)) (Token, error)) Auth {
	return &renewing{fetch: fetch}
}

type renewing struct {
	fetch     func(context.Context, *Client, func(...string)) (Token, error)
	refresher *refresher // of an OAuth2, else nil
	client    *Client

	turn    sync.Mutex // held while fetching
	mu      sync.Mutex
	token   Token
	until   time.Time // it is renewed from then on
	secrets []string
}

func (r *renewing) bind(c *Client) { r.client = c }

// close is the last chance to save a token.
func (r *renewing) close() {
	if r.refresher != nil {
		r.refresher.settle(context.Background(), r.client)
	}
}

// maxSecrets is the number of past secrets that messages are still searched for.
const maxSecrets = 32

func (r *renewing) known(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		if s != "" && !contains(r.secrets, s) {
			r.secrets = append(r.secrets, s)
		}
	}
	r.secrets = r.secrets[max(0, len(r.secrets)-maxSecrets):]
}

func (r *renewing) Secrets() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.secrets...)
}

func (r *renewing) current(now time.Time) (Token, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.token.Expires.IsZero() || now.Before(r.until)
	return r.token, r.token.Access != "" && fresh
}

func (r *renewing) Apply(ctx context.Context, req *http.Request) error {
	now := r.client.o.Clock.Now()
	if r.refresher != nil && r.refresher.due(now) {
		r.refresher.settle(ctx, r.client)
	}
	t, ok := r.current(now)
	if !ok {
		var err error
		if t, err = r.next(ctx); err != nil {
			return err
		}
	}
	req.Header.Set("Authorization", or(t.Type, "Bearer")+" "+t.Access)
	return nil
}

// next fetches a token, unless another request has done so meanwhile.
func (r *renewing) next(ctx context.Context) (Token, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	if t, ok := r.current(r.client.o.Clock.Now()); ok {
		return t, nil
	}
	t, err := r.fetch(ctx, r.client, r.known)
	if err != nil {
		return Token{}, err
	}
	r.known(t.Access)
	r.mu.Lock()
	defer r.mu.Unlock()
	life := t.Expires.Sub(r.client.o.Clock.Now())
	r.token, r.until = t, t.Expires.Add(-min(time.Minute, life/10))
	return t, nil
}

// Renew drops the refused token. Of requests that were refused at once each drops
// what it finds, so a token may be fetched once more than needed, never less.
func (r *renewing) Renew(context.Context) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token = Token{}
	return true, nil
}

// tokenAnswer is what RFC 6749 says that a token endpoint answers.
type tokenAnswer struct {
	Access  string      `json:"access_token"`
	Type    string      `json:"token_type"`
	Expires json.Number `json:"expires_in"`
	Refresh string      `json:"refresh_token"`
	Error   string      `json:"error"`
}

func (c *Client) tokenFault(class sluice.Class, code, hint string, err error) *sluice.Error {
	return &sluice.Error{Class: class, Code: c.o.Name + "_" + code, Op: "get an access token", Hint: hint, Err: c.redactError(err)}
}

// ask posts the form to the token endpoint.
func (o OAuth2) ask(ctx context.Context, c *Client, form url.Values) (tokenAnswer, error) {
	if len(o.Scopes) > 0 {
		form.Set("scope", strings.Join(o.Scopes, " "))
	}
	for k, v := range o.Params {
		form[k] = v
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if o.InForm {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", o.ClientSecret)
	}
	var answer tokenAnswer
	status, body, err := c.Send(ctx, http.MethodPost, o.TokenURL, header, []byte(form.Encode()), func(r *http.Request) {
		if !o.InForm {
			r.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret))
		}
	})
	if err != nil {
		return answer, err
	}
	err = json.Unmarshal(body, &answer)
	switch {
	case status >= 300 || answer.Error != "":
		return answer, c.tokenFault(sluice.Auth, "token", "connect again: the client's credentials or the refresh token are refused", statusText(status, c.redact(apiMessage(body))))
	case err != nil || answer.Access == "":
		return answer, c.tokenFault(sluice.Config, "token", "check the token address", errors.New("the answer has no access token"))
	}
	return answer, nil
}

// Send sends one request without the client's credentials, retries and limits:
// for token endpoints. Redirects are not followed. An answer that asks to come
// back later, of a rate limit or a failing server, is a Throttled or Transient
// error with the wait that it names, as those of other requests are.
func (c *Client) Send(ctx context.Context, method, address string, header http.Header, body []byte, edit func(*http.Request)) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Stall)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(string(body)))
	if err != nil {
		return 0, nil, c.tokenFault(sluice.Config, "token", "check the token address", errors.New("the address is malformed"))
	}
	req.Header = header.Clone()
	req.Header.Set("User-Agent", c.o.Agent)
	if edit != nil {
		edit(req)
	}
	resp, err := c.o.Transport.RoundTrip(req)
	if e, ok := errors.AsType[*sluice.Error](err); ok {
		return 0, nil, e // the outbound policy does not allow the address
	}
	if err != nil {
		return 0, nil, c.tokenFault(sluice.Transient, "token", hintLater, err)
	}
	defer resp.Body.Close()
	answer, err = readLimited(resp.Body, 1<<20)
	if err != nil {
		return 0, nil, c.tokenFault(sluice.Transient, "token", hintLater, err)
	}
	message := c.redact(apiMessage(answer))
	class, hint := classOf(&Response{Status: resp.StatusCode, Header: resp.Header}, message, c)
	if class == sluice.Throttled || class == sluice.Transient {
		e := c.tokenFault(class, "token", hint, statusText(resp.StatusCode, message))
		e.RetryAfter = c.comeBack(class, resp.Header)
		return 0, nil, e
	}
	return resp.StatusCode, answer, nil
}
