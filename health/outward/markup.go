package outward

import (
	"html"
	"regexp"
	"strings"
)

// Texts of tickets and notifications are written in a subset of Markdown: headings
// (#, ##, ###), paragraphs, items ("- "), quotes ("> "), code between ``` lines, tables, which are
// shown as they are written, and inside of lines `code`, **bold** and
// [links](https://…). Parse never fails: what is none of these is plain text.

// Kind is what a Block is.
type Kind uint8

// The kinds of blocks.
const (
	Paragraph Kind = iota
	Heading
	Item // of a list; items that follow each other are one list
	Quote
	Code
)

// Block is a piece of a text that stands by itself.
type Block struct {
	Kind  Kind
	Level int    // of a heading: 1 to 3
	Spans []Span // of all but Code
	Text  string // of Code
}

// Span is a stretch of a line in one style.
type Span struct {
	Text   string
	Strong bool
	Code   bool
	Link   string // http or https; "": none
}

// Parse reads a text.
func Parse(markdown string) []Block {
	var blocks []Block
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			blocks = append(blocks, Block{Kind: Paragraph, Spans: spans(strings.Join(paragraph, "\n"))})
			paragraph = nil
		}
	}
	lines := strings.Split(strings.ReplaceAll(markdown, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```"):
			flush()
			var code []string
			for i++; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "```"); i++ {
				code = append(code, lines[i])
			}
			blocks = append(blocks, Block{Kind: Code, Text: strings.Join(code, "\n")})
		case strings.HasPrefix(trimmed, "|"):
			flush()
			table := []string{line}
			for i+1 < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[i+1]), "|") {
				i++
				table = append(table, lines[i])
			}
			blocks = append(blocks, Block{Kind: Code, Text: strings.Join(table, "\n")})
		case headingLevel(trimmed) > 0:
			flush()
			level := headingLevel(trimmed)
			blocks = append(blocks, Block{Kind: Heading, Level: min(level, 3), Spans: spans(strings.TrimSpace(trimmed[level:]))})
		case strings.HasPrefix(trimmed, ">"):
			flush()
			quoted := []string{unquote(trimmed)}
			for i+1 < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[i+1]), ">") {
				i++
				quoted = append(quoted, unquote(lines[i]))
			}
			blocks = append(blocks, Block{Kind: Quote, Spans: spans(strings.Join(quoted, "\n"))})
		case strings.HasPrefix(trimmed, "- "), strings.HasPrefix(trimmed, "* "):
			flush()
			blocks = append(blocks, Block{Kind: Item, Spans: spans(strings.TrimSpace(trimmed[2:]))})
		case strings.HasPrefix(trimmed, "<!--") && strings.HasSuffix(trimmed, "-->"), trimmed == "":
			flush()
		default:
			paragraph = append(paragraph, trimmed)
		}
	}
	flush()
	return blocks
}

func unquote(line string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), ">"))
}

func headingLevel(line string) int {
	n := len(line) - len(strings.TrimLeft(line, "#"))
	if n == 0 || n > 6 || n == len(line) || line[n] != ' ' {
		return 0
	}
	return n
}

var inline = regexp.MustCompile("`[^`\n]+`" + `|\*\*[^*\n]+\*\*|\[[^\]\n]+\]\(https?://[^)\s]+\)`)

func spans(text string) []Span {
	var all []Span
	for text != "" {
		at := inline.FindStringIndex(text)
		if at == nil {
			return append(all, Span{Text: text})
		}
		if at[0] > 0 {
			all = append(all, Span{Text: text[:at[0]]})
		}
		found := text[at[0]:at[1]]
		text = text[at[1]:]
		switch found[0] {
		case '`':
			all = append(all, Span{Text: found[1 : len(found)-1], Code: true})
		case '*':
			all = append(all, Span{Text: found[2 : len(found)-2], Strong: true})
		default:
			name, link, _ := strings.Cut(found[1:len(found)-1], "](")
			all = append(all, Span{Text: name, Link: link})
		}
	}
	return all
}

// Plain returns the text for mail programs and logs that show no styles.
func Plain(markdown string) string {
	var b strings.Builder
	for i, block := range Parse(markdown) {
		separate(&b, i, block)
		switch block.Kind {
		case Code:
			b.WriteString(indent(block.Text))
		case Item:
			b.WriteString("- " + plainSpans(block.Spans))
		case Quote:
			b.WriteString("> " + strings.ReplaceAll(plainSpans(block.Spans), "\n", "\n> "))
		default:
			b.WriteString(plainSpans(block.Spans))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// separate writes the empty line between blocks, but for items of one list.
func separate(b *strings.Builder, i int, block Block) {
	if i > 0 && block.Kind != Item {
		b.WriteByte('\n')
	}
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

func plainSpans(all []Span) string {
	var b strings.Builder
	for _, s := range all {
		b.WriteString(s.Text)
		if s.Link != "" && s.Link != s.Text {
			b.WriteString(" <" + s.Link + ">")
		}
	}
	return b.String()
}

// HTML returns the text as HTML elements, with everything in it escaped.
func HTML(markdown string) string {
	var b strings.Builder
	list := false
	for _, block := range Parse(markdown) {
		if item := block.Kind == Item; item != list {
			b.WriteString(map[bool]string{true: "<ul>\n", false: "</ul>\n"}[item])
			list = item
		}
		switch block.Kind {
		case Code:
			b.WriteString("<pre>" + html.EscapeString(block.Text) + "</pre>\n")
		case Item:
			b.WriteString("<li>" + htmlSpans(block.Spans) + "</li>\n")
		case Quote:
			b.WriteString("<blockquote>" + strings.ReplaceAll(htmlSpans(block.Spans), "\n", "<br>\n") + "</blockquote>\n")
		case Heading:
			tag := []string{"h2", "h3", "h4"}[block.Level-1]
			b.WriteString("<" + tag + ">" + htmlSpans(block.Spans) + "</" + tag + ">\n")
		default:
			b.WriteString("<p>" + strings.ReplaceAll(htmlSpans(block.Spans), "\n", "<br>\n") + "</p>\n")
		}
	}
	if list {
		b.WriteString("</ul>\n")
	}
	return b.String()
}

func htmlSpans(all []Span) string {
	var b strings.Builder
	for _, s := range all {
		text := html.EscapeString(s.Text)
		switch {
		case s.Code:
			text = "<code>" + text + "</code>"
		case s.Strong:
			text = "<strong>" + text + "</strong>"
		case s.Link != "":
			text = `<a href="` + html.EscapeString(s.Link) + `">` + text + "</a>"
		}
		b.WriteString(text)
	}
	return b.String()
}
