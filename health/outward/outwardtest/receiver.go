package outwardtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Message is a message of a webhook that a Receiver took.
type Message struct {
	ID   string
	Body []byte
}

// Receiver is a receiver of webhooks that does as the Standard Webhooks
// specification asks of receivers: it refuses what is not signed by one of its keys
// or is older than five minutes, and takes each message once, by its id. It is safe
// for concurrent use.
type Receiver struct {
	Keys   []string // whsec_…
	Now    func() time.Time
	Answer func(m Message) any // answered as JSON; nil: nothing

	mu      sync.Mutex
	taken   []Message
	repeats int
	refused []string
}

// Messages returns what was taken, each once.
func (r *Receiver) Messages() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Message{}, r.taken...)
}

// Repeats returns how often a message came again.
func (r *Receiver) Repeats() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repeats
}

// Refused returns why messages were refused.
func (r *Receiver) Refused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.refused...)
}

// ServeHTTP takes a message.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := Message{ID: req.Header.Get("webhook-id"), Body: body}
	if reason := r.check(req, m); reason != "" {
		r.refused = append(r.refused, reason)
		http.Error(w, reason, http.StatusUnauthorized)
		return
	}
	known := false
	for _, t := range r.taken {
		if t.ID != m.ID {
			continue
		}
		known = true
		r.repeats++
		if string(t.Body) != string(body) {
			r.refused = append(r.refused, "message "+m.ID+" came again with another body")
		}
	}
	if !known {
		r.taken = append(r.taken, m)
	}
	if r.Answer != nil {
		Answer(w, http.StatusOK, r.Answer(m))
	}
}

// check returns why a message is refused, or nothing.
func (r *Receiver) check(req *http.Request, m Message) string {
	if req.Method != http.MethodPost || m.ID == "" || strings.Contains(m.ID, ".") {
		return "not a message"
	}
	now := time.Now()
	if r.Now != nil {
		now = r.Now()
	}
	sent, err := strconv.ParseInt(req.Header.Get("webhook-timestamp"), 10, 64)
	if age := now.Sub(time.Unix(sent, 0)); err != nil || age > 5*time.Minute || age < -5*time.Minute {
		return "the message is not of now"
	}
	for _, text := range r.Keys {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if err != nil {
			continue
		}
		mac := hmac.New(sha256.New, key)
		_, _ = io.WriteString(mac, m.ID+"."+req.Header.Get("webhook-timestamp")+"."+string(m.Body)) // a hash takes all
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		for _, given := range strings.Split(req.Header.Get("webhook-signature"), " ") {
			if hmac.Equal([]byte(given), []byte(want)) {
				return ""
			}
		}
	}
	return fmt.Sprintf("none of the signatures of message %s is right", m.ID)
}
