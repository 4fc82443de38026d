//go:build linux

package plugin

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/sluicehq/sluice"
)

// pairOfShared returns the memory as a host and as its plugin see it.
func pairOfShared(t *testing.T) (host, plugin *shared) {
	t.Helper()
	host, file, err := newShared()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system has no memory to share")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	plugin, err = mapShared(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(0); err == nil {
		t.Error("the memory can be taken away under the other side")
	}
	t.Cleanup(host.close)
	t.Cleanup(plugin.close)
	return host, plugin
}

func TestSharedMemoryHandsSlotsOver(t *testing.T) {
	t.Parallel()
	host, plugin := pairOfShared(t)
	var given []*message
	for i := range sharedSlots {
		m := plugin.claim(1, minPooled)
		if m == nil {
			t.Fatalf("no slot %d", i)
		}
		m.data = append(m.data, bytes.Repeat([]byte{byte(i + 1)}, minPooled)...)
		given = append(given, m)
	}
	if plugin.claim(1, minPooled) != nil {
		t.Error("a slot is claimed twice")
	}
	first, err := host.fetch(given[0].inSlot().data)
	if err != nil || !bytes.Equal(first, given[0].data) {
		t.Fatal(err, len(first))
	}
	m := plugin.claim(2, minPooled)
	if m == nil || m.slot != given[0].slot {
		t.Fatal("a slot that was fetched is not free")
	}
	if m.data = append(m.data, 9); first[0] != 1 {
		t.Error("what was fetched changes with its slot")
	}
	plugin.abandon(1)
	for range sharedSlots - 1 {
		if plugin.claim(3, minPooled) == nil {
			t.Error("a slot that was abandoned is not free")
		}
	}
	if plugin.claim(3, minPooled) != nil {
		t.Error("a slot of another stream was abandoned too")
	}
}

func TestSharedMemoryIsNotForEverything(t *testing.T) {
	t.Parallel()
	host, plugin := pairOfShared(t)
	if plugin.claim(1, slotSize+1) != nil || plugin.claim(1, minPooled-1) != nil {
		t.Error("a batch of a size that belongs on the socket got a slot")
	}
	if (*shared)(nil).claim(1, minPooled) != nil {
		t.Error("a slot of no memory")
	}
	good := plugin.claim(1, slotSize)
	good.data = good.data[:slotSize]
	frame := good.inSlot().data
	damaged := func(at int, to byte) []byte {
		bad := bytes.Clone(frame)
		bad[at] = to
		return bad
	}
	for name, bad := range map[string][]byte{"cut": frame[:8], "slot": damaged(4, sharedSlots), "far slot": damaged(7, 255),
		"size": damaged(8, 1), "empty": {frameSlot, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if _, err := host.fetch(bad); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := host.fetch(frame); err != nil {
		t.Error(err)
	}
	host.close()
	if _, err := host.fetch(frame); !errors.Is(err, errFrame) {
		t.Error(err)
	}
}

// Rows in shared memory are checked as those of the socket are.
func TestReadThroughSharedMemory(t *testing.T) {
	t.Parallel()
	host, plugin := pairOfShared(t)
	all := frames(t)
	put := func(data []byte) []byte {
		m := plugin.claim(1, minPooled)
		m.data = append(m.data, data...)
		return m.inSlot().data
	}
	run := func(batch []byte) error {
		r := &reading{p: &process{name: "test", output: newOutput("test", nil), shared: host}, sink: nothing{}, decoder: newBatchDecoder(),
			stream: &script{frames: [][]byte{[]byte(`L{"queue":3}`), all[0], all[1], batch, []byte(`E{}`)}}}
		r.queues = make([]chan delivery, 3)
		for i := range r.queues {
			r.queues[i] = make(chan delivery)
		}
		r.sinkCtx, r.stopSink = context.WithCancel(t.Context())
		defer r.stopSink()
		return r.run(t.Context())
	}
	if err := run(put(all[2])); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]byte{"a frame of JSON": put(all[0]), "a slot within a slot": put(put(all[2])), "cut": put(all[2][:40])} {
		if e := sluice.AsError(run(bad)); e == nil || e.Code != "plugin_protocol" {
			t.Errorf("%s: %v", name, e)
		}
	}
}
