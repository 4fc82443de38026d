package plugin

import (
	"context"
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc"

	"github.com/sluicehq/sluice"
)

// script is a stream whose other side sends given frames.
type script struct {
	grpc.ClientStream
	frames [][]byte
}

func (s *script) RecvMsg(m any) error {
	if len(s.frames) == 0 {
		return errors.New("the other side is gone")
	}
	m.(*message).data, s.frames = slices.Clone(s.frames[0]), s.frames[1:]
	return nil
}

func (s *script) SendMsg(any) error { return nil }

type nothing struct{}

func (nothing) Send(context.Context, sluice.Batch) error                     { return nil }
func (nothing) Reject(context.Context, sluice.Rejected) error                { return nil }
func (nothing) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error { return nil }

// read gives a reading these frames.
func read(t *testing.T, frames ...[]byte) error {
	r := &reading{p: &process{name: "test", output: newOutput("test", nil)}, stream: &script{frames: frames}, sink: nothing{}, decoder: newBatchDecoder()}
	r.sinkCtx, r.stopSink = context.WithCancel(t.Context())
	defer r.stopSink()
	return r.run(t.Context())
}

func TestReadRefusesFramesOutOfOrder(t *testing.T) {
	t.Parallel()
	lane, end := []byte(`L{"queue":0}`), []byte(`E{}`)
	table := frames(t)
	good := [][]byte{lane, []byte(`C{"queue":0,"lane":{"stream":{"name":"t"}},"cursor":"MQ=="}`), []byte(`J{"queue":0,"rejected":{"value":""}}`), end}
	if err := read(t, good...); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][][]byte{
		"empty":            {{}},
		"unknown kind":     {[]byte("?")},
		"no queue":         {[]byte(`C{"queue":0}`), end},
		"queue twice":      {lane, lane, end},
		"no JSON":          {lane, []byte(`C{`), end},
		"batch, no table":  {lane, table[2], end},
		"schema, no table": {lane, table[1], end},
		"batch, no schema": {lane, table[0], table[2], end},
		"batch, no queue":  {table[0], table[1], table[2], end},
		"batch cut":        {lane, table[0], table[1], table[2][:20], end},
		"answer cut":       {[]byte(`E{`)},
		"request":          {[]byte(`R{}`), end},
	} {
		if e := sluice.AsError(read(t, bad...)); e == nil || e.Class != sluice.Bug || e.Code != "plugin_protocol" {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestReadRefusesMoreFramesThanAQueueHolds(t *testing.T) {
	t.Parallel()
	r := &reading{queues: []chan delivery{make(chan delivery, 2)}}
	for range 2 {
		if err := r.deliver(0, delivery{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.deliver(0, delivery{}); !errors.Is(err, errFrame) {
		t.Error(err)
	}
}
