package scheduler_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/scheduler"
)

func TestLinesOfALog(t *testing.T) {
	t.Parallel()
	log, logger := scheduler.NewSyncLog(mask.New("hunter22"))
	logger = logger.With("stream", "public.orders", "connector", "shop").WithGroup("page")
	logger.Warn("slow hunter22", "url", "https://u:hunter22@host", "n", 3, slog.Group("sub", "ok", true), "err", errors.New("no hunter22"), "stream", "inner")
	logger.Error(strings.Repeat("ä", 9000) + "\xff")
	lines := log.Take()
	if len(lines) != 2 || len(log.Take()) != 0 {
		t.Fatalf("lines: %+v", lines)
	}
	var attrs map[string]any
	if err := json.Unmarshal(lines[0].Attrs, &attrs); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"connector": "shop", "page.url": "https://u:***@host", "page.n": 3.0, "page.sub.ok": true, "page.err": "no ***", "page.stream": "inner"}
	if l := lines[0]; l.Level != "warn" || l.Message != "slow ***" || l.Stream != "public.orders" || fmt.Sprint(attrs) != fmt.Sprint(want) {
		t.Errorf("line: %+v, attributes %v", l, attrs)
	}
	if l := lines[1]; l.Level != "error" || len(l.Message) > 5000 || !utf8.ValidString(l.Message) || !strings.HasSuffix(l.Message, "…") {
		t.Errorf("a long line is %d bytes", len(l.Message))
	}
}

func TestALogNeverBlocksAndIsBounded(t *testing.T) {
	t.Parallel()
	log, logger := scheduler.NewSyncLog(nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				logger.Debug("line")
			}
		})
	}
	all.Wait()
	lines := log.Take()
	if n := len(lines); n != 1001 || lines[n-1].Message != "3000 lines came too fast and are not kept" {
		t.Errorf("%d lines; the last is %+v", n, lines[n-1])
	}
}
