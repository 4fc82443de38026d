// Package channeltest has what notifications are sent to in tests: local servers
// that behave as the documentation of Slack's and PagerDuty's interfaces says, and a
// mail server.
package channeltest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/health/outward/outwardtest"
)

// Slack takes messages by an incoming webhook and by chat.postMessage, and refuses
// what Slack does: blocks that are too long or empty, and texts with control
// sequences that were not escaped.
type Slack struct {
	*outwardtest.Server
	Token   string
	Channel string
	Error   string // with which all messages are refused; "": none

	mu       sync.Mutex
	messages []SlackMessage
}

// SlackMessage is a message in the channel.
type SlackMessage struct {
	Text   string
	Blocks []SlackBlock
}

// SlackBlock is a block of a message.
type SlackBlock struct {
	Type string
	Text struct{ Type, Text string }

	Fields   []struct{ Type, Text string }
	Elements []struct {
		Type, URL string
		Text      struct{ Type, Text string }
	}
}

// SlackPath is the secret path of the webhook.
const SlackPath = "/services/T0/B0/secret-path-of-tests"

// StartSlack starts one.
func StartSlack(t testing.TB) *Slack {
	s := &Slack{Token: "xoxb-secret-of-tests", Channel: "C0123456789"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+SlackPath, s.webhook)
	mux.HandleFunc("POST /services/", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusNotFound, "no_service") })
	mux.HandleFunc("POST /api/chat.postMessage", s.post)
	s.Server = outwardtest.Start(t, mux)
	return s
}

// Messages returns what was posted.
func (s *Slack) Messages() []SlackMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SlackMessage{}, s.messages...)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // who hung up does not want to know
}

func (s *Slack) webhook(w http.ResponseWriter, r *http.Request) {
	var m SlackMessage
	switch reason := s.take(r, &m); {
	case s.Error != "":
		plain(w, http.StatusNotFound, s.Error)
	case reason != "":
		plain(w, http.StatusBadRequest, "invalid_blocks")
	default:
		s.keep(m)
		plain(w, http.StatusOK, "ok")
	}
}

func (s *Slack) post(w http.ResponseWriter, r *http.Request) {
	var m struct {
		SlackMessage
		Channel string
	}
	reason := s.take(r, &m)
	refuse := func(name string, more ...string) {
		outwardtest.Answer(w, http.StatusOK, map[string]any{"ok": false, "error": name, "response_metadata": map[string]any{"messages": more}})
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+s.Token:
		refuse("invalid_auth", "token was "+r.Header.Get("Authorization"))
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		refuse("invalid_form_data")
	case s.Error != "":
		refuse(s.Error)
	case m.Channel != s.Channel:
		refuse("channel_not_found")
	case reason != "":
		refuse("invalid_blocks", reason)
	default:
		s.keep(m.SlackMessage)
		outwardtest.Answer(w, http.StatusOK, map[string]any{"ok": true, "channel": m.Channel, "ts": "1503435956.000247"})
	}
}

func (s *Slack) keep(m SlackMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
}

// entity is what may follow an ampersand; anything else must be escaped.
var (
	entity = regexp.MustCompile(`&(amp|lt|gt);`)
	quote  = regexp.MustCompile(`(?m)^>`)
	link   = regexp.MustCompile(`<https?://[^<>|]+\|[^<>|]+>`)
)

// take reads a message and returns why it is refused.
func (s *Slack) take(r *http.Request, into any) string {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return "no JSON"
	}
	var m SlackMessage
	raw, err := json.Marshal(into)
	if err != nil || json.Unmarshal(raw, &m) != nil || m.Text == "" || len(m.Blocks) == 0 || len(m.Blocks) > 50 {
		return "must have a text and up to 50 blocks"
	}
	for i, b := range m.Blocks {
		if reason := b.refused(); reason != "" {
			return fmt.Sprintf("%s [json-pointer:/blocks/%d]", reason, i)
		}
	}
	return ""
}

func (b SlackBlock) refused() string {
	switch b.Type {
	case "header":
		if b.Text.Type != "plain_text" || b.Text.Text == "" || len([]rune(b.Text.Text)) > 150 {
			return "must be less than 151 characters"
		}
	case "section":
		if (b.Text.Text == "") == (len(b.Fields) == 0) || len(b.Fields) > 10 || len([]rune(b.Text.Text)) > 3000 {
			return "must have a text of less than 3001 characters, or up to ten fields"
		}
		for _, f := range append(b.Fields, b.Text) {
			rest := entity.ReplaceAllString(link.ReplaceAllString(quote.ReplaceAllString(f.Text, ""), ""), "")
			if f.Type != "" && f.Type != "mrkdwn" || len([]rune(f.Text)) > 3000 || strings.ContainsAny(rest, "<>&") {
				return "is not escaped"
			}
		}
	case "actions":
		for _, e := range b.Elements {
			if e.Type != "button" || e.URL == "" || len(e.URL) > 3000 || e.Text.Text == "" || len(e.Text.Text) > 75 {
				return "is no button"
			}
		}
	default:
		return "is no block"
	}
	return ""
}

// WebhookConfig returns the configuration that posts here by the webhook.
func (s *Slack) WebhookConfig() json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"webhook_url":%q}`, s.URL+SlackPath))
}

// BotConfig returns the configuration that posts here as a bot.
func (s *Slack) BotConfig() json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"bot_token":%q,"channel":%q,"api_url":%q}`, s.Token, s.Channel, s.URL+"/api"))
}
