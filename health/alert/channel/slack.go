package channel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/outward"
)

// SlackConfig is the configuration of messages in Slack.
type SlackConfig struct {
	WebhookURL string `json:"webhook_url" secret:"true" title:"Webhook URL" doc:"Address of an incoming webhook, which names its channel. Give this, or bot_token and channel."`
	BotToken   string `json:"bot_token" secret:"true" doc:"Token (xoxb-…) of a Slack app with the scope chat:write, which was invited to the channel."`
	Channel    string `json:"channel" doc:"ID of the channel that the bot writes to, such as C0123456789; names such as #alerts work for public channels." example:"C0123456789"`
	APIURL     string `json:"api_url" title:"API URL" default:"https://slack.com/api" doc:"Address of the Web API, for the bot; for GovSlack https://slack-gov.com/api."`
}

// Validate checks what tags cannot say.
func (c *SlackConfig) Validate() error {
	u, err := url.Parse(c.WebhookURL)
	switch {
	case c.WebhookURL == "" && c.BotToken == "":
		return errors.New("give webhook_url, or bot_token and channel")
	case c.WebhookURL != "" && (c.BotToken != "" || c.Channel != ""):
		return errors.New("give either webhook_url, or bot_token and channel: a webhook has its own channel")
	case c.WebhookURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
		return errors.New("webhook_url must be an address such as https://hooks.slack.com/services/…")
	case c.BotToken != "" && c.Channel == "":
		return errors.New("channel is required with bot_token")
	case c.BotToken != "" && strings.ContainsAny(c.BotToken, " \r\n"):
		return errors.New("bot_token must be one word")
	}
	return nil
}

// Slack returns the definition of messages in Slack: by an incoming webhook
// ("Sending messages using incoming webhooks"), or by chat.postMessage of a bot.
func Slack() Definition {
	return outward.Define("slack", "Slack", func(ctx context.Context, c SlackConfig) (Channel, error) {
		o := outward.Options{System: "Slack", BaseURL: c.APIURL, Secrets: []string{c.BotToken}, Egress: egress.From(ctx), Refusal: slackRefusal}
		if c.WebhookURL != "" {
			o.BaseURL, o.Secrets = c.WebhookURL, []string{c.WebhookURL}
			if u, err := url.Parse(c.WebhookURL); err == nil {
				o.Secrets = append(o.Secrets, u.RequestURI())
			}
		} else {
			o.Header = http.Header{"Authorization": {"Bearer " + c.BotToken}}
		}
		client, err := outward.NewClient(o)
		return &slack{c, client}, err
	})
}

type slack struct {
	config SlackConfig
	client *outward.Client
}

// What Slack takes: 50 blocks, a header of 150 characters, a section of 3,000, ten
// fields of 2,000, an address of 3,000 ("Reference: blocks").
const (
	slackHeader  = 145
	slackSection = 2900
	slackFields  = 10
	slackField   = 1900
	slackURL     = 3000
	slackBlocks  = 40 // of the text
)

func (s *slack) Send(ctx context.Context, n Notification) (string, error) {
	message := map[string]any{"text": escapeSlack(outward.Cut(n.headline(), 1000)), "blocks": slackMessage(n)}
	if s.config.WebhookURL != "" {
		a, err := s.client.Do(ctx, outward.Request{Op: "post a message", Method: http.MethodPost, Body: message}, nil)
		if err != nil {
			return "", err
		}
		return outward.Cut(outward.OneLine(string(a.Body)), 100), nil
	}
	message["channel"], message["unfurl_links"] = s.config.Channel, false
	var answer struct {
		OK       bool   `json:"ok"`
		Error    string `json:"error"`
		TS       string `json:"ts"`
		Channel  string `json:"channel"`
		Needed   string `json:"needed"`
		Metadata struct {
			Messages []string `json:"messages"`
		} `json:"response_metadata"`
	}
	a, err := s.client.Do(ctx, outward.Request{Op: "post a message", Method: http.MethodPost, Path: "chat.postMessage", Body: message}, &answer)
	if err != nil {
		return "", err
	}
	if !answer.OK {
		return "", s.client.Fault("post a message", slackError(a, answer.Error, strings.Join(answer.Metadata.Messages, "; ")))
	}
	return answer.Channel + " " + answer.TS, nil
}

// Errors of Slack, by name ("chat.postMessage: errors", "Handling errors").
var (
	slackCredentials = []string{"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "no_service", "no_service_id", "no_active_hooks", "invalid_token", "org_login_required"}
	slackRights      = []string{"missing_scope", "no_permission", "restricted_action", "ekm_access_denied", "action_prohibited", "posting_to_general_channel_denied", "team_access_not_granted", "access_denied"}
	slackChannels    = []string{"channel_not_found", "not_in_channel", "is_archived", "channel_is_archived", "no_team", "team_disabled", "user_not_found"}
	slackPassing     = []string{"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "rollup_error"}
)

func slackError(a *outward.Answer, name, more string) *sluice.Error {
	text := errors.New("it answered " + outward.Cut(outward.OneLine(strings.Trim(name+": "+more, ": ")), 300))
	switch {
	case name == "ratelimited" || name == "rate_limited":
		e := slackFault(text, sluice.Throttled, "delivery_rate_limited", "nothing needs to be done; it is sent when the limit resets")
		e.RetryAfter, _ = outward.RetryAfter(a.Header, time.Now())
		return e
	case slices.Contains(slackCredentials, name):
		return slackFault(text, sluice.Auth, "delivery_credentials", "the webhook or the token is no longer valid: make a new one in the Slack app's settings")
	case slices.Contains(slackRights, name):
		return slackFault(text, sluice.Auth, "delivery_forbidden", "give the Slack app the scope chat:write and, where the workspace restricts who may post, the right to post in the channel")
	case slices.Contains(slackChannels, name):
		return slackFault(text, sluice.Config, "slack_channel", "check the channel, and invite the Slack app to it")
	case slices.Contains(slackPassing, name):
		e := slackFault(text, sluice.Transient, "delivery_server", "nothing needs to be done; it is tried again")
		e.Err = outward.MarkUncertain(e.Err)
		return e
	}
	return slackFault(text, sluice.Config, "delivery_rejected", "Slack does not accept this message: please report it")
}

func slackFault(text error, class sluice.Class, code, hint string) *sluice.Error {
	return &sluice.Error{Class: class, Code: code, Hint: hint, Err: text}
}

// slackRefusal: webhooks answer with the name of the error as plain text.
func slackRefusal(a *outward.Answer) *sluice.Error {
	name := strings.TrimSpace(string(a.Body))
	if a.Status == http.StatusTooManyRequests || a.Status >= 500 || len(name) > 60 || strings.ContainsAny(name, " <{") {
		return nil
	}
	if a.Status == http.StatusNotFound && name == "" {
		name = "no_service"
	}
	return slackError(a, name, fmt.Sprint(a.Status))
}

type slackText struct {
	Type string `json:"type"` // plain_text, mrkdwn
	Text string `json:"text"`
}

type slackBlock struct {
	Type     string        `json:"type"`
	Text     *slackText    `json:"text,omitempty"`
	Fields   []slackText   `json:"fields,omitempty"`
	Elements []slackButton `json:"elements,omitempty"`
}

type slackButton struct {
	Type string    `json:"type"`
	Text slackText `json:"text"`
	URL  string    `json:"url"`
}

func slackMessage(n Notification) []slackBlock {
	header := outward.Cut(outward.OneLine(n.headline()), slackHeader)
	blocks := []slackBlock{{Type: "header", Text: &slackText{"plain_text", header}}}
	for i, section := range slackSections(n.Body) {
		if i == slackBlocks {
			break
		}
		blocks = append(blocks, slackBlock{Type: "section", Text: &slackText{"mrkdwn", section}})
	}
	for facts := range slices.Chunk(n.Facts[:min(len(n.Facts), 3*slackFields)], slackFields) {
		b := slackBlock{Type: "section"}
		for _, f := range facts {
			b.Fields = append(b.Fields, slackText{"mrkdwn", outward.Cut("*"+escapeSlack(outward.OneLine(f.Name))+"*\n"+escapeSlack(f.Value), slackField)})
		}
		blocks = append(blocks, b)
	}
	var buttons []slackButton
	for _, link := range []struct{ text, url string }{{"Open in Sluice", n.Link}, {"Runbook", n.Runbook}} {
		if link.url != "" && len(link.url) <= slackURL {
			buttons = append(buttons, slackButton{"button", slackText{"plain_text", link.text}, link.url})
		}
	}
	if len(buttons) > 0 {
		blocks = append(blocks, slackBlock{Type: "actions", Elements: buttons})
	}
	return blocks
}

// escapeSlack escapes the three characters that mean something to Slack everywhere
// ("Formatting text for app surfaces: escaping text"), so that no text of ours calls
// a channel together or makes a link.
func escapeSlack(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// slackSections returns a text as mrkdwn, cut where blocks end into what a section
// takes.
func slackSections(markdown string) []string {
	var sections []string
	for _, b := range outward.Parse(markdown) {
		text := slackSpans(b.Spans)
		switch b.Kind {
		case outward.Heading:
			text = "*" + strings.ReplaceAll(text, "*", "") + "*"
		case outward.Item:
			text = "• " + text
		case outward.Quote:
			text = ">" + strings.ReplaceAll(text, "\n", "\n>")
		case outward.Code:
			text = "```\n" + outward.Cut(strings.ReplaceAll(escapeSlack(b.Text), "```", "'''"), slackSection-10) + "\n```"
		}
		if text = outward.Cut(text, slackSection); text == "" {
			continue
		}
		if last := len(sections) - 1; last >= 0 && len(sections[last])+len(text)+1 <= slackSection {
			sections[last] += "\n" + text
		} else {
			sections = append(sections, text)
		}
	}
	return sections
}

func slackSpans(all []outward.Span) string {
	var b strings.Builder
	for _, s := range all {
		text := escapeSlack(s.Text)
		switch {
		case s.Code:
			text = "`" + text + "`"
		case s.Strong:
			text = "*" + text + "*"
		case s.Link != "":
			text = "<" + strings.ReplaceAll(escapeSlack(s.Link), "|", "%7C") + "|" + strings.ReplaceAll(text, "|", "/") + ">"
		}
		b.WriteString(text)
	}
	return b.String()
}
