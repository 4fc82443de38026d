package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/spec"
)

// Source starts the command and opens its source of that name. The process ends
// with Close. The value implements sluice.Acker exactly when the plugin's does.
func Source(ctx context.Context, c Command, name string, config json.RawMessage) (sluice.Source, error) {
	p, opened, err := open(ctx, c, KindSource, name, config)
	if err != nil {
		return nil, err
	}
	s := &source{p}
	if opened.Acker {
		return &ackingSource{s}, nil
	}
	return s, nil
}

// Destination starts the command and opens its destination of that name. The
// process ends with Close. The value implements sluice.Querier exactly when the
// plugin's does.
func Destination(ctx context.Context, c Command, name string, config json.RawMessage) (sluice.Destination, error) {
	p, opened, err := open(ctx, c, KindDestination, name, config)
	if err != nil {
		return nil, err
	}
	d := &destination{p, opened.Traits}
	if opened.Querier {
		return &queryingDestination{d}, nil
	}
	return d, nil
}

// Connector returns d with an Open that starts the command for each source.
func Connector(c Command, d spec.Connector) spec.Connector {
	d.Open = func(ctx context.Context, config json.RawMessage) (sluice.Source, error) {
		return Source(ctx, c, d.Name, config)
	}
	return d
}

// DestinationIn returns d with an Open that starts the command for each destination.
func DestinationIn(c Command, d spec.Destination) spec.Destination {
	d.Open = func(ctx context.Context, config json.RawMessage) (sluice.Destination, error) {
		return Destination(ctx, c, d.Name, config)
	}
	return d
}

// Inspect starts the command, asks what it offers and ends it.
func Inspect(ctx context.Context, c Command) (Info, error) {
	p, err := start(ctx, c, c.Path)
	if err != nil {
		return Info{}, err
	}
	defer p.stop()
	return p.info(ctx)
}

func (p *process) info(ctx context.Context) (Info, error) {
	var info Info
	err := p.call(ctx, methodInfo, nil, &info)
	return info, err
}

func open(ctx context.Context, c Command, kind Kind, name string, config json.RawMessage) (*process, openReply, error) {
	p, err := start(ctx, c, string(kind)+" "+name)
	if err != nil {
		return nil, openReply{}, err
	}
	opened, err := p.openIn(ctx, kind, name, config)
	if err != nil {
		p.stop()
		return nil, openReply{}, err
	}
	return p, opened, nil
}

// openIn opens a source or destination in the process. Opening does no I/O, so
// one that takes long hangs.
func (p *process) openIn(parent context.Context, kind Kind, name string, config json.RawMessage) (opened openReply, err error) {
	ctx, cancel := context.WithTimeout(parent, p.command.StartTimeout)
	defer cancel()
	info, err := p.info(ctx)
	if err == nil {
		offer, ok := info.Find(kind, name)
		if !ok {
			return opened, notOffered(info, kind, name)
		}
		p.output.hide(offer.Config, config)
		err = p.call(ctx, methodOpen, openRequest{Kind: kind, Name: name, Config: config,
			LogLevel: int(logLevel(ctx, p.command.Log)), SocketDir: p.dir, Shared: p.shared != nil, Egress: p.command.Egress}, &opened)
	}
	if err != nil && ctx.Err() != nil && parent.Err() == nil {
		return opened, sluice.Errorf(sluice.Config, "plugin_start", "open "+p.name, "report this to the plugin's author",
			"the plugin did not answer within %s", p.command.StartTimeout)
	}
	return opened, err
}

func notOffered(info Info, kind Kind, name string) error {
	var names []string
	for _, o := range info.Offers {
		names = append(names, string(o.Kind)+" "+o.Name)
	}
	return sluice.Errorf(sluice.Config, "plugin_unknown_name", "open "+string(kind)+" "+name,
		"check the name, or the file name of the plugin", "the executable offers %q, but no %s %q", names, kind, name)
}

// logLevel is the lowest level that the host's logger shows.
func logLevel(ctx context.Context, log *slog.Logger) slog.Level {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if logger(log).Enabled(ctx, l) {
			return l
		}
	}
	return slog.LevelError
}

// begun prepares a call: its gRPC context, which lives until the process ends,
// so that the plugin's own answer to a cancelled context is what is returned;
// and finished, to be called when it is over. A call that goes on for long after
// ctx ended ends the process.
func (p *process) begun(ctx context.Context) (call context.Context, finished func()) {
	id := p.calls.Add(1)
	md := metadata.Pairs(callKey, strconv.FormatUint(id, 10))
	if at, ok := ctx.Deadline(); ok {
		md.Set(deadlineKey, at.Format(time.RFC3339Nano))
	}
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(p.command.StopTimeout)
		defer timer.Stop()
		if errors.Is(ctx.Err(), context.Canceled) { // a deadline the plugin knows itself
			go p.cancel(id, over)
		}
		select {
		case <-over:
		case <-timer.C:
			p.kill("it went on for " + p.command.StopTimeout.String() + " after it was asked to stop")
		}
	})
	return metadata.NewOutgoingContext(p.life, md), func() {
		stop()
		close(over)
	}
}

// cancel asks the plugin to end the context of a call.
func (p *process) cancel(id uint64, over <-chan struct{}) {
	ctx, cancel := context.WithCancel(p.life)
	defer cancel()
	go func() {
		select {
		case <-over:
			cancel()
		case <-ctx.Done():
		}
	}()
	_ = p.conn.Invoke(ctx, fullMethod(methodCancel), &message{data: strconv.AppendUint(nil, id, 10)}, &message{})
}

// call runs a unary method. out may be nil.
func (p *process) call(ctx context.Context, method string, in, out any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	raw, err := marshal(in)
	if err != nil {
		return fmt.Errorf("%s: encode: %w", method, err)
	}
	callCtx, finished := p.begun(ctx)
	var answered message
	err = p.conn.Invoke(callCtx, fullMethod(method), &message{data: raw}, &answered)
	finished()
	if err != nil {
		return p.broken(ctx, method, err)
	}
	return p.result(method, answered.data, out)
}

// result decodes an answer.
func (p *process) result(method string, raw []byte, out any) error {
	var r reply
	if err := json.Unmarshal(raw, &r); err != nil {
		return p.protocol(method, err)
	}
	if r.Error != nil {
		return r.Error.err(p.output.mask)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(r.Result, out); err != nil {
		return p.protocol(method, err)
	}
	return nil
}

func (p *process) protocol(method string, err error) error {
	return sluice.Errorf(sluice.Bug, "plugin_protocol", p.name+" "+method,
		"this is a bug of the plugin, or it was built for another version", "the answer cannot be read: %w", err)
}

// broken turns a gRPC error into ours: most mean that the process is gone, the
// others that it speaks another protocol.
func (p *process) broken(ctx context.Context, method string, err error) error {
	op := p.name + " " + method
	answered := []codes.Code{codes.Unknown, codes.Unimplemented, codes.ResourceExhausted, codes.Internal}
	if c := status.Code(err); slices.Contains(answered, c) && p.life.Err() == nil && !p.closing.Load() {
		return sluice.Errorf(sluice.Bug, "plugin_protocol", op,
			"this is a bug of the plugin, or it was built for another version", "%s", p.output.mask(status.Convert(err).Message()))
	}
	return p.died(ctx, op, err)
}

// close asks the plugin to close what it has open and ends the process. It is
// idempotent; the plugin is asked once.
func (p *process) close() error {
	if p.closed.Swap(true) {
		return nil
	}
	defer p.stop()
	if p.life.Err() != nil {
		return nil // it died, and the call that it died in said so
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	timer := time.AfterFunc(p.command.StopTimeout, cancel)
	defer timer.Stop()
	err := p.call(ctx, methodClose, nil, nil)
	if err != nil && ctx.Err() != nil { // ours, not the caller's: nobody interrupted this
		return sluice.Errorf(sluice.Transient, codeKilled, p.name+" "+methodClose, "Close must return soon: look at what it waits for",
			"it did not end within %s, so that the process was ended", p.command.StopTimeout)
	}
	return err
}

// stream opens a streaming method and sends its first frame.
func (p *process) stream(ctx context.Context, method string, first *message) (grpc.ClientStream, error) {
	s, err := p.conn.NewStream(ctx, &grpc.StreamDesc{StreamName: method, ServerStreams: true, ClientStreams: true}, fullMethod(method))
	if err != nil {
		return nil, err
	}
	return s, s.SendMsg(first)
}
