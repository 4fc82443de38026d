package connectortest

import (
	"fmt"
	"io"
	"sync"
)

// Text is a Reporter that writes a line per part to a writer, for people at a
// terminal. The zero Text is not usable; see NewText.
type Text struct {
	shared *textShared
	name   string
	mu     sync.Mutex
	failed bool
}

type textShared struct {
	mu             sync.Mutex
	out            io.Writer
	passed, failed int
}

// NewText returns a Text that writes to out.
func NewText(out io.Writer) *Text { return &Text{shared: &textShared{out: out}} }

// Run implements Reporter.
func (t *Text) Run(name string, part func(Reporter)) bool {
	child := &Text{shared: t.shared, name: name}
	if t.name != "" {
		child.name = t.name + "/" + name
	}
	part(child)
	child.mu.Lock()
	failed := child.failed
	child.mu.Unlock()
	t.shared.mu.Lock()
	if failed {
		t.shared.failed++
		fmt.Fprintln(t.shared.out, "FAIL ", child.name)
	} else {
		t.shared.passed++
		fmt.Fprintln(t.shared.out, "ok   ", child.name)
	}
	t.shared.mu.Unlock()
	if failed {
		t.mu.Lock()
		t.failed = true
		t.mu.Unlock()
	}
	return !failed
}

// Errorf implements Reporter.
func (t *Text) Errorf(format string, args ...any) {
	t.mu.Lock()
	t.failed = true
	t.mu.Unlock()
	t.Logf(format, args...)
}

// Logf implements Reporter.
func (t *Text) Logf(format string, args ...any) {
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	fmt.Fprintf(t.shared.out, "      %s: %s\n", t.name, fmt.Sprintf(format, args...))
}

// Failed reports whether anything failed.
func (t *Text) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// Counts returns how many parts passed and failed.
func (t *Text) Counts() (passed, failed int) {
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	return t.shared.passed, t.shared.failed
}
