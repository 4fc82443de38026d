package tracker

import (
	"encoding/json"
	"testing"
)

const sample = "# What & why\n\nThe **token** is refused: `401 [x]`\nsince [noon](https://s.example.com/?a=1&b=2).\n\n- one\n- two {x}\n\n> it\n> said\n\n```\na *b*\n```\n<!-- sluice:inc_1 -->\n"

func TestADF(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(adf(sample))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"doc","version":1,"content":[{"type":"heading","attrs":{"level":1},"content":[{"type":"text","text":"What \u0026 why"}]},` +
		`{"type":"paragraph","content":[{"type":"text","text":"The "},{"type":"text","text":"token","marks":[{"type":"strong"}]},{"type":"text","text":" is refused: "},` +
		`{"type":"text","text":"401 [x]","marks":[{"type":"code"}]},{"type":"hardBreak"},{"type":"text","text":"since "},` +
		`{"type":"text","text":"noon","marks":[{"type":"link","attrs":{"href":"https://s.example.com/?a=1\u0026b=2"}}]},{"type":"text","text":"."}]},` +
		`{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"one"}]}]},` +
		`{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"two {x}"}]}]}]},` +
		`{"type":"blockquote","content":[{"type":"paragraph","content":[{"type":"text","text":"it"},{"type":"hardBreak"},{"type":"text","text":"said"}]}]},` +
		`{"type":"codeBlock","content":[{"type":"text","text":"a *b*"}]}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWiki(t *testing.T) {
	t.Parallel()
	const want = "h1. What & why\n\nThe *token* is refused: {{401 \\[x\\]}}\nsince [noon|https://s.example.com/?a=1&b=2].\n* one\n* two \\{x\\}\n\n{quote}it\nsaid{quote}\n\n{noformat}\na *b*\n{noformat}\n"
	if got := wiki(sample); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
