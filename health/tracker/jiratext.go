package tracker

import (
	"strings"

	"github.com/sluicehq/sluice/health/outward"
)

// node is a node of the Atlassian Document Format.
type node struct {
	Type    string         `json:"type"`
	Version int            `json:"version,omitempty"` // of the document
	Attrs   map[string]any `json:"attrs,omitempty"`
	Content []node         `json:"content,omitempty"`
	Text    string         `json:"text,omitempty"`
	Marks   []node         `json:"marks,omitempty"`
}

// adf returns a text as a document for Jira Cloud ("Atlassian Document Format:
// structure"). Texts in it are never empty, which the format forbids.
func adf(markdown string) node {
	doc := node{Type: "doc", Version: 1}
	for _, b := range outward.Parse(markdown) {
		inner := adfSpans(b.Spans)
		switch b.Kind {
		case outward.Heading:
			doc.Content = append(doc.Content, node{Type: "heading", Attrs: map[string]any{"level": b.Level}, Content: inner})
		case outward.Quote:
			doc.Content = append(doc.Content, node{Type: "blockquote", Content: []node{{Type: "paragraph", Content: inner}}})
		case outward.Code:
			if b.Text != "" {
				doc.Content = append(doc.Content, node{Type: "codeBlock", Content: []node{{Type: "text", Text: b.Text}}})
			}
		case outward.Item:
			item := node{Type: "listItem", Content: []node{{Type: "paragraph", Content: inner}}}
			if last := len(doc.Content) - 1; last >= 0 && doc.Content[last].Type == "bulletList" {
				doc.Content[last].Content = append(doc.Content[last].Content, item)
			} else {
				doc.Content = append(doc.Content, node{Type: "bulletList", Content: []node{item}})
			}
		default:
			doc.Content = append(doc.Content, node{Type: "paragraph", Content: inner})
		}
	}
	if len(doc.Content) == 0 {
		doc.Content = []node{{Type: "paragraph"}}
	}
	return doc
}

func adfSpans(all []outward.Span) []node {
	var nodes []node
	for _, s := range all {
		var marks []node
		switch {
		case s.Code:
			marks = []node{{Type: "code"}}
		case s.Strong:
			marks = []node{{Type: "strong"}}
		case s.Link != "":
			marks = []node{{Type: "link", Attrs: map[string]any{"href": s.Link}}}
		}
		for i, line := range strings.Split(s.Text, "\n") {
			if i > 0 {
				nodes = append(nodes, node{Type: "hardBreak"})
			}
			if line != "" {
				nodes = append(nodes, node{Type: "text", Text: line, Marks: marks})
			}
		}
	}
	return nodes
}

// wikiSpecial are characters that mean something in wiki markup.
var wikiSpecial = strings.NewReplacer(`\`, `\\`, "{", `\{`, "}", `\}`, "[", `\[`, "]", `\]`, "*", `\*`, "!", `\!`, "|", `\|`, "~", `\~`, "^", `\^`)

// wiki returns a text in the markup of Jira Data Center ("Text formatting notation
// help").
func wiki(markdown string) string {
	var b strings.Builder
	for i, block := range outward.Parse(markdown) {
		if i > 0 && block.Kind != outward.Item {
			b.WriteByte('\n')
		}
		switch block.Kind {
		case outward.Heading:
			b.WriteString("h" + string(rune('0'+block.Level)) + ". " + wikiSpans(block.Spans))
		case outward.Quote:
			b.WriteString("{quote}" + wikiSpans(block.Spans) + "{quote}")
		case outward.Code:
			b.WriteString("{noformat}\n" + strings.ReplaceAll(block.Text, "{noformat}", "{ noformat }") + "\n{noformat}")
		case outward.Item:
			b.WriteString("* " + wikiSpans(block.Spans))
		default:
			b.WriteString(wikiSpans(block.Spans))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func wikiSpans(all []outward.Span) string {
	var b strings.Builder
	for _, s := range all {
		text := wikiSpecial.Replace(s.Text)
		switch {
		case s.Code:
			text = "{{" + text + "}}"
		case s.Strong:
			text = "*" + text + "*"
		case s.Link != "":
			text = "[" + strings.ReplaceAll(text, `\|`, "/") + "|" + s.Link + "]"
		}
		b.WriteString(text)
	}
	return b.String()
}
