package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/spec"
)

const (
	tailLines = 30   // last lines of a process that are kept
	headLines = 12   // lines from a panic on that are kept apart from them
	maxLine   = 8192 // bytes of a line that are kept
)

// output takes what a process writes: log lines go to the host's log, the last
// ones are kept as evidence, and no secret gets through.
type output struct {
	name string
	log  *slog.Logger // nil: the default one at the time

	mu      sync.Mutex
	lines   []string // the last
	dump    []string // from the first line of a panic on
	dumping bool     // what follows is a dump of goroutines, not for the log
	secrets *mask.Masker
	writers []*lineWriter
}

func newOutput(name string, log *slog.Logger) *output { return &output{name: name, log: log} }

// hide makes secrets of the configuration unreadable from now on. The fields
// that the schema calls secret are, and passwords inside URLs.
func (o *output) hide(schema, config json.RawMessage) {
	secrets := mask.New(spec.SecretValues(schema, config)...)
	o.mu.Lock()
	o.secrets = secrets
	o.mu.Unlock()
}

// mask returns text without the secrets.
func (o *output) mask(text string) string {
	o.mu.Lock()
	secrets := o.secrets
	o.mu.Unlock()
	return secrets.Text(text)
}

// tail returns the last lines, masked; of a panic, its beginning.
func (o *output) tail() string {
	o.mu.Lock()
	lines := o.lines
	if len(o.dump) > 0 {
		lines = o.dump
	}
	text := strings.Join(lines, "\n")
	o.mu.Unlock()
	return o.mask(text)
}

// dumped reports whether the process wrote a panic, or a fatal error of the runtime.
func (o *output) dumped() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.dump) > 0
}

// lineWriter cuts what one stream carries into lines.
type lineWriter struct {
	o    *output
	part []byte
}

// writer returns a writer for one stream of the process.
func (o *output) writer() *lineWriter {
	w := &lineWriter{o: o}
	o.mu.Lock()
	o.writers = append(o.writers, w)
	o.mu.Unlock()
	return w
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.o.mu.Lock()
	var lines []string
	for rest := p; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte("\n"))
		if room := maxLine - len(w.part); room > 0 {
			w.part = append(w.part, line[:min(room, len(line))]...)
		}
		if complete {
			lines = append(lines, string(w.part))
			w.part = w.part[:0]
		}
		rest = after
	}
	w.o.mu.Unlock()
	for _, line := range lines {
		w.o.line(line)
	}
	return len(p), nil
}

// flush takes lines without an end as lines.
func (o *output) flush() {
	o.mu.Lock()
	var lines []string
	for _, w := range o.writers {
		if len(w.part) > 0 {
			lines = append(lines, string(w.part))
			w.part = nil
		}
	}
	o.mu.Unlock()
	for _, line := range lines {
		o.line(line)
	}
}

func (o *output) line(line string) {
	line = strings.TrimRight(line, "\r")
	if strings.TrimSpace(line) == "" {
		return
	}
	o.mu.Lock()
	if !o.dumping && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "runtime: ")) {
		o.dumping = true
	}
	dumping := o.dumping
	if dumping && len(o.dump) < headLines {
		o.dump = append(o.dump, line)
	}
	o.lines = append(o.lines, line)
	if len(o.lines) > tailLines {
		o.lines = o.lines[1:]
	}
	o.mu.Unlock()
	if !dumping {
		o.relog(o.mask(line))
	}
}

// relog writes a line to the host's log: slog's JSON as it was, others as
// warnings.
func (o *output) relog(line string) {
	ctx, log := context.Background(), logger(o.log)
	var fields map[string]json.RawMessage
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &fields) != nil {
		log.LogAttrs(ctx, slog.LevelWarn, line, slog.String("plugin", o.name))
		return
	}
	var level slog.Level
	var text string
	if json.Unmarshal(fields[slog.LevelKey], &level) != nil || json.Unmarshal(fields[slog.MessageKey], &text) != nil {
		log.LogAttrs(ctx, slog.LevelWarn, line, slog.String("plugin", o.name))
		return
	}
	attrs := []slog.Attr{slog.String("plugin", o.name)}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		raw := fields[name]
		if name == slog.LevelKey || name == slog.MessageKey || name == slog.TimeKey {
			continue
		}
		var value any
		if json.Unmarshal(raw, &value) == nil {
			attrs = append(attrs, slog.Any(name, value))
		}
	}
	log.LogAttrs(ctx, level, text, attrs...)
}

func logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.Default()
	}
	return log
}
