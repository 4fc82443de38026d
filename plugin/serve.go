package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/spec"
)

const (
	streamWindow = 2 << 20 // bytes on their way in one stream that nobody has asked for yet
	connWindow   = 8 << 20 // and in all streams of a connection
	socketBuffer = 128 << 10
	callWorkers  = 8 // goroutines that keep their grown stack from one call to the next; where they are busy, calls get their own
	parentPipe   = 3 // file descriptor whose other end the host holds open while it lives
)

// Serve offers connectors and destinations to the host that started this
// process, until that host ends. It is what a plugin's main calls, and all that
// it calls: Serve takes over standard output and the default logger, whose
// lines the host shows under the connector's name. Started by hand, the process
// says what it is and exits.
//
// Each process serves one open source or destination.
func Serve(connectors []spec.Connector, destinations []spec.Destination) {
	s := &server{connectors: connectors, destinations: destinations, cancels: map[uint64]context.CancelFunc{}}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         goplugin.PluginSet{pluginName: &grpcPlugin{server: s}},
		Logger:          hclog.NewNullLogger(),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.ForceServerCodecV2(newCodec()),
				grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
				grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connWindow),
				grpc.ReadBufferSize(socketBuffer), grpc.WriteBufferSize(socketBuffer), grpc.NumStreamWorkers(callWorkers))...)
		},
	})
}

// grpcPlugin joins the service to go-plugin, on both sides.
type grpcPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
	server *server
}

// GRPCServer is called once the process knows that a host started it, and
// before go-plugin takes standard error away.
func (p *grpcPlugin) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	p.server.settle()
	g.RegisterService(p.server.describe(), p.server)
	return nil
}

// GRPCClient returns the connection.
func (p *grpcPlugin) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// server is the plugin's side of the service.
type server struct {
	connectors   []spec.Connector
	destinations []spec.Destination
	logLevel     slog.LevelVar
	stderr       *os.File // the real one

	mu          sync.Mutex
	source      sluice.Source
	destination sluice.Destination
	socketDir   string
	shared      *shared
	streams     uint32                        // that were given a number
	cancels     map[uint64]context.CancelFunc // of the calls that are running; nil: cancelled before it came
}

// settle makes this process a child of its host: it logs to it, leaves signals
// to it, and ends with it.
func (s *server) settle() {
	s.stderr = os.Stderr
	slog.SetDefault(slog.New(slog.NewJSONHandler(s.stderr, &slog.HandlerOptions{Level: &s.logLevel})))
	// The host stops its plugins itself, after the last checkpoint: a signal to
	// the whole group must not stop them before.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGTERM, syscall.SIGHUP)
	parent := os.NewFile(parentPipe, "parent")
	go func() {
		_, _ = io.Copy(io.Discard, parent)
		s.mu.Lock()
		if s.socketDir != "" {
			_ = os.RemoveAll(s.socketDir)
		}
		os.Exit(0)
	}()
}

func (s *server) describe() *grpc.ServiceDesc {
	d := &grpc.ServiceDesc{ServiceName: serviceName, HandlerType: (*any)(nil)}
	for name, handle := range map[string]func(context.Context, []byte) (any, error){
		methodInfo:     s.info,
		methodOpen:     s.open,
		methodCheck:    s.check,
		methodDiscover: s.discover,
		methodAck:      s.ack,
		methodBegin:    s.begin,
		methodDescribe: s.describeTable,
		methodAlter:    s.alter,
		methodMerge:    s.merge,
		methodClose:    s.close,
		methodCancel:   s.cancel,
	} {
		d.Methods = append(d.Methods, grpc.MethodDesc{MethodName: name, Handler: s.unary(handle)})
	}
	for name, handle := range map[string]func(grpc.ServerStream) error{
		methodRead: s.read, methodStage: s.stage, methodQuery: s.query,
	} {
		d.Streams = append(d.Streams, grpc.StreamDesc{StreamName: name, ServerStreams: true, ClientStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error { return handle(stream) }})
	}
	return d
}

// unary wraps a method: its error travels in the answer, not as a gRPC status.
func (s *server) unary(handle func(context.Context, []byte) (any, error)) grpc.MethodHandler {
	return func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in message
		if err := decode(&in); err != nil {
			return nil, err
		}
		ctx, end := s.running(ctx)
		defer end()
		result, err := handle(ctx, in.data)
		return answer(result, err)
	}
}

func answer(result any, err error) (*message, error) {
	r := reply{Error: toFault(err)}
	if err == nil && result != nil {
		raw, err := marshal(result)
		if err != nil {
			return nil, err
		}
		r.Result = raw
	}
	raw, err := marshal(r)
	return &message{data: raw}, err
}

// running gives a call the deadline of the host's context, and a number by
// which the host can cancel it.
func (s *server) running(ctx context.Context) (context.Context, func()) {
	md, _ := metadata.FromIncomingContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	release := cancel
	if v := md.Get(deadlineKey); len(v) == 1 {
		if at, err := time.Parse(time.RFC3339Nano, v[0]); err == nil {
			var stop context.CancelFunc
			ctx, stop = context.WithDeadline(ctx, at)
			release = func() { stop(); cancel() }
		}
	}
	v := md.Get(callKey)
	if len(v) != 1 {
		return ctx, release
	}
	id, err := strconv.ParseUint(v[0], 10, 64)
	if err != nil {
		return ctx, release
	}
	s.mu.Lock()
	if _, early := s.cancels[id]; early {
		cancel()
	}
	s.cancels[id] = cancel
	s.mu.Unlock()
	return ctx, func() {
		s.mu.Lock()
		delete(s.cancels, id)
		s.mu.Unlock()
		release()
	}
}

func (s *server) cancel(_ context.Context, in []byte) (any, error) {
	var id uint64
	if err := json.Unmarshal(in, &id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.cancels[id]; cancel != nil {
		cancel()
	} else {
		s.cancels[id] = nil
	}
	return nil, nil
}

// info is the first call. It takes standard output and error back from
// go-plugin, which would carry them over gRPC and lose the last words of a
// process that ends.
func (s *server) info(context.Context, []byte) (any, error) {
	s.mu.Lock()
	os.Stdout, os.Stderr = s.stderr, s.stderr
	s.mu.Unlock()
	info := Info{Contract: ContractVersion, Version: "(devel)"}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		info.Version = b.Main.Version
	}
	for _, c := range s.connectors {
		info.Offers = append(info.Offers, Offered{KindSource, c.Name, c.Title, c.Config})
	}
	for _, d := range s.destinations {
		info.Offers = append(info.Offers, Offered{KindDestination, d.Name, d.Title, d.Config})
	}
	return info, nil
}

var errNotOpen = errors.New("nothing of that kind is open in this process")

func (s *server) open(_ context.Context, in []byte) (any, error) {
	var req openRequest
	if err := json.Unmarshal(in, &req); err != nil {
		return nil, err
	}
	s.logLevel.Set(slog.Level(req.LogLevel))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socketDir = req.SocketDir
	if req.Shared && s.shared == nil {
		shared, err := openShared()
		if err != nil {
			return nil, fmt.Errorf("share memory with the host: %w", err)
		}
		s.shared = shared
	}
	if s.source != nil || s.destination != nil {
		return nil, errors.New("this process has something open already")
	}
	// What is opened outlives the call, and so must its context.
	ctx := egress.With(context.Background(), req.Egress)
	if req.Kind == KindSource {
		d, ok := spec.Find(s.connectors, req.Name)
		if !ok {
			return nil, unknownName(req)
		}
		source, err := d.Open(ctx, req.Config)
		if err != nil {
			return nil, err
		}
		s.source = source
		_, acker := source.(sluice.Acker)
		return openReply{Acker: acker}, nil
	}
	d, ok := spec.Find(s.destinations, req.Name)
	if !ok {
		return nil, unknownName(req)
	}
	destination, err := d.Open(ctx, req.Config)
	if err != nil {
		return nil, err
	}
	s.destination = destination
	_, querier := destination.(sluice.Querier)
	return openReply{Querier: querier, Traits: destination.Traits()}, nil
}

func unknownName(req openRequest) error {
	return sluice.Errorf(sluice.Config, "plugin_unknown_name", "open "+req.Name,
		"check the name, or the file name of the plugin", "this executable has no %s %q", req.Kind, req.Name)
}

// sharing returns the memory that is shared with the host, if any, and a number
// for the stream that is to use it.
func (s *server) sharing() (*shared, uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = max(s.streams+1, 1)
	return s.shared, s.streams
}

func (s *server) opened() (sluice.Source, sluice.Destination) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source, s.destination
}

func (s *server) check(ctx context.Context, _ []byte) (any, error) {
	source, destination := s.opened()
	switch {
	case source != nil:
		return nil, source.Check(ctx)
	case destination != nil:
		return nil, destination.Check(ctx)
	}
	return nil, errNotOpen
}

func (s *server) close(context.Context, []byte) (any, error) {
	source, destination := s.opened()
	switch {
	case source != nil:
		return nil, source.Close()
	case destination != nil:
		return nil, destination.Close()
	}
	return nil, nil
}

// receiveRequest reads the first frame of a stream: what the host asks for.
func receiveRequest(stream grpc.ServerStream, request any) error {
	var first message
	if err := stream.RecvMsg(&first); err != nil {
		return err
	}
	if len(first.data) == 0 || first.data[0] != frameRequest {
		return errFrame
	}
	return json.Unmarshal(first.data[1:], request)
}
