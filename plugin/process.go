package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// Defaults of a Command.
const (
	DefaultMemoryLimit  = 80 << 20
	DefaultStartTimeout = 20 * time.Second
	DefaultStopTimeout  = 5 * time.Second
)

// A Command says how to start a plugin.
type Command struct {
	Path string
	Args []string
	// Env is the whole environment of the process, but for what the host adds of
	// its own; see Environment. Secrets never go here.
	Env []string
	// Egress is the outbound policy of the installation, which what is opened gets
	// with its context (egress.From). Connectors that connect by connectors/kit keep
	// to it; nothing forces others.
	Egress egress.Policy
	// MemoryLimit is the size in bytes that the process's Go runtime keeps to by
	// collecting more often (GOMEMLIMIT). 0: DefaultMemoryLimit; below 0: none.
	MemoryLimit int64
	// HardLimit is the resident size in bytes past which the host kills the
	// process, on Linux. 0: none.
	HardLimit int64
	// StartTimeout is how long the process may take to answer; 0: DefaultStartTimeout.
	StartTimeout time.Duration
	// StopTimeout is how long a call may go on after its context ended; then the
	// process is killed. 0: DefaultStopTimeout.
	StopTimeout time.Duration
	// Log takes what the process logs and writes to its standard error; nil:
	// slog's default logger at the time.
	Log *slog.Logger
	// Exited, if not nil, is called once when the process has been closed, with
	// the largest resident size in bytes that it had; 0 where that is not known.
	Exited func(peak int64)
}

// inherited are the variables that a plugin gets from its host. Others may hold
// secrets of other connections.
var inherited = []string{"PATH", "HOME", "USER", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "GOTRACEBACK", "SYSTEMROOT"}

// Environment returns the part of environ that plugins may see: paths, locale,
// time zone, certificates and proxies.
func Environment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.Contains(inherited, name)
	})
}

func (c Command) withDefaults() Command {
	if c.MemoryLimit == 0 {
		c.MemoryLimit = DefaultMemoryLimit
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = DefaultStartTimeout
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = DefaultStopTimeout
	}
	return c
}

// environment returns c.Env with the Go runtime's limits, where c.Env does not
// set them itself.
func (c Command) environment() []string {
	env := slices.Clone(c.Env)
	set := func(name string) bool {
		return slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	}
	if c.MemoryLimit > 0 && !set("GOMEMLIMIT") {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(c.MemoryLimit, 10))
	}
	return env
}

// process is a running plugin.
type process struct {
	command Command
	name    string // for people: "source postgres"
	cmd     *exec.Cmd
	client  *goplugin.Client
	conn    *grpc.ClientConn
	life    context.Context // ends with the process
	end     context.CancelFunc
	dir     string   // of the socket
	stdout  *os.File // what go-plugin reads
	parent  *os.File // open while the host wants the process to live
	shared  *shared  // memory that rows come through; nil: there is none
	output  *output
	exited  chan struct{} // closed once the process is gone and its output read
	oomBase oomCount

	calls    atomic.Uint64
	started  atomic.Bool
	peak     atomic.Int64           // resident bytes, as last seen
	reason   atomic.Pointer[string] // why the host killed the process
	overHard atomic.Bool
	closing  atomic.Bool
	closed   atomic.Bool
	once     sync.Once
}

// start runs the command and shakes hands with it. name is for people. The
// process is gone when it returns an error.
func start(ctx context.Context, c Command, name string) (*process, error) {
	c = c.withDefaults()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := exec.LookPath(c.Path)
	if err != nil {
		return nil, sluice.Errorf(sluice.Config, "plugin_start", "start "+name, "check that the file exists and may be executed", "%w", err)
	}
	p := &process{command: c, name: name, exited: make(chan struct{}), output: newOutput(name, c.Log), oomBase: countOOM()}
	p.life, p.end = context.WithCancel(context.Background())
	p.cmd = exec.Command(path, c.Args...) //nolint:noctx // it lives until it is closed, whatever opened it
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          goplugin.PluginSet{pluginName: &grpcPlugin{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
		SkipHostEnv:      true,
		StartTimeout:     c.StartTimeout,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: socketParent()},
		SyncStdout:       p.output.writer(),
		SyncStderr:       p.output.writer(),
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			p.dir = dir
			p.cmd.Env = append(c.environment(), cmd.Env...)
			return &processRunner{p: p}, nil
		},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(newCodec()), grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
			grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connWindow),
			grpc.WithReadBufferSize(socketBuffer), grpc.WithWriteBufferSize(socketBuffer),
			grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		},
	})
	stop := context.AfterFunc(ctx, func() { p.kill("the start was cancelled") })
	defer stop()
	if err := p.dispense(); err != nil {
		return nil, p.startFailed(ctx, err)
	}
	return p, nil
}

func (p *process) dispense() error {
	rpc, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := rpc.Dispense(pluginName)
	if err != nil {
		return err
	}
	conn, ok := raw.(*grpc.ClientConn)
	if !ok {
		return fmt.Errorf("unexpected client %T", raw)
	}
	p.conn = conn
	return nil
}

// socketParent is where the folder of a socket is made. The path of a socket may
// have about a hundred bytes.
func socketParent() string {
	if dir := os.TempDir(); len(dir) <= 60 {
		return dir
	}
	return filepath.Clean("/tmp")
}

func (p *process) startFailed(ctx context.Context, err error) error {
	op := "start " + p.name
	death := p.killedAtStart(op, err)
	p.stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if death != nil {
		return death
	}
	hint := "check that " + p.cmd.Path + " is a Sluice plugin for this system, and of this version"
	if strings.Contains(err.Error(), "Unrecognized remote plugin message") {
		hint += "; a plugin calls plugin.Serve at once and writes nothing to standard output before: it logs with log/slog, or to standard error"
	}
	if tail := p.output.tail(); tail != "" {
		err = fmt.Errorf("%w; it wrote:\n%s", err, tail)
	}
	if strings.Contains(err.Error(), "incompatible API version") {
		return sluice.Errorf(sluice.Config, "plugin_incompatible", op, "build the plugin again with this version of Sluice",
			"the plugin was built for another version of the contract; this host speaks version %d", ContractVersion)
	}
	return sluice.Errorf(sluice.Config, "plugin_start", op, hint, "%w", err)
}

// killedAtStart returns the error of a process that somebody else, or the want of
// memory, ended before it shook hands: nothing is wrong with the plugin. It must be
// called before stop.
func (p *process) killedAtStart(op string, cause error) error {
	select {
	case <-p.exited:
	default:
		return nil
	}
	_, oom := p.outOfMemory(p.output.tail())
	if oom || p.reason.Load() == nil && killed(p.cmd.ProcessState.Sys()) {
		return p.postMortem(op, cause)
	}
	return nil
}

// killPatience is how long the end of a process may follow that of its output.
const killPatience = 300 * time.Millisecond

// processRunner lets go-plugin start our process, and see as much of it as it needs.
type processRunner struct {
	p      *process
	stdout *os.File
}

// Start implements runner.Runner.
func (r *processRunner) Start(context.Context) error {
	p := r.p
	stdout, stdoutW, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, stderrW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdout.Close(), stdoutW.Close())
	}
	alive, aliveW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdout.Close(), stdoutW.Close(), stderr.Close(), stderrW.Close())
	}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles = stdoutW, stderrW, []*os.File{alive}
	if memory, file, err := newShared(); err == nil { // without it, rows come over the socket
		p.shared, p.cmd.ExtraFiles = memory, append(p.cmd.ExtraFiles, file)
		defer func() { _ = file.Close() }()
	}
	p.cmd.SysProcAttr = ownGroup()
	err = p.cmd.Start()
	_, _, _ = stdoutW.Close(), stderrW.Close(), alive.Close()
	if err != nil {
		return errors.Join(err, stdout.Close(), stderr.Close(), aliveW.Close())
	}
	r.stdout, p.stdout, p.parent = stdout, stdout, aliveW
	p.started.Store(true)
	if p.reason.Load() != nil { // told to end before it had begun
		_ = p.cmd.Process.Kill()
	}
	go p.await(stderr)
	if p.command.HardLimit > 0 {
		go p.watchMemory()
	}
	return nil
}

// await collects the process's end.
func (p *process) await(stderr *os.File) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(p.output.writer(), stderr)
	}()
	_ = p.cmd.Wait()
	killGroup(p.cmd.Process.Pid)
	// A grandchild may hold standard error open; its words are not waited for.
	select {
	case <-read:
	case <-time.After(200 * time.Millisecond):
	}
	_ = stderr.Close()
	<-read
	p.output.flush()
	_ = p.parent.Close()
	p.end()
	close(p.exited)
}

// Wait implements runner.Runner.
func (r *processRunner) Wait(context.Context) error {
	<-r.p.exited
	return nil
}

// Kill implements runner.Runner. go-plugin sees the end of a process's output before
// we see that of the process: one that is dying already was not ended by us.
func (r *processRunner) Kill(context.Context) error {
	if r.p.started.Load() {
		select {
		case <-r.p.exited:
			return nil
		case <-time.After(killPatience):
		}
	}
	r.p.kill("the handshake failed")
	return nil
}

// Stdout implements runner.Runner.
func (r *processRunner) Stdout() io.ReadCloser { return r.stdout }

// Stderr implements runner.Runner; we read it ourselves, to have the last words.
func (r *processRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name implements runner.Runner.
func (r *processRunner) Name() string { return r.p.cmd.Path }

// ID implements runner.Runner.
func (r *processRunner) ID() string {
	if !r.p.started.Load() {
		return ""
	}
	return strconv.Itoa(r.p.cmd.Process.Pid)
}

// Diagnose implements runner.Runner.
func (r *processRunner) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner.
func (r *processRunner) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(address) != filepath.Clean(r.p.dir) {
		return "", "", fmt.Errorf("the plugin listens on %s %s, not in the folder it was given", network, address)
	}
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (r *processRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// kill ends the process at once; the first reason given is kept.
func (p *process) kill(reason string) {
	p.reason.CompareAndSwap(nil, &reason)
	if p.started.Load() {
		_ = p.cmd.Process.Kill()
	}
}

// stop ends the process and frees what it used. It may be called more than once.
func (p *process) stop() {
	p.once.Do(func() {
		p.closing.Store(true)
		if p.started.Load() {
			p.peak.Store(max(p.peak.Load(), peakBytes(p.cmd.Process.Pid)))
		}
		p.kill("closed")
		if p.started.Load() {
			<-p.exited
			_ = p.stdout.Close() // go-plugin waits for its end, and someone else may hold it open
		}
		p.client.Kill()
		if p.conn != nil {
			_ = p.conn.Close()
		}
		p.end()
		p.shared.close()
		if p.dir != "" {
			_ = os.RemoveAll(p.dir)
		}
		if p.command.Exited != nil {
			p.command.Exited(p.peak.Load())
		}
	})
}

// watchMemory kills the process when it grows past its hard limit.
func (p *process) watchMemory() {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.exited:
			return
		case <-tick.C:
		}
		size := residentBytes(p.cmd.Process.Pid)
		p.peak.Store(max(p.peak.Load(), size))
		if size > p.command.HardLimit {
			p.overHard.Store(true)
			logger(p.command.Log).Warn("plugin is over its memory limit and is killed", "plugin", p.name, "resident", size, "limit", p.command.HardLimit)
			p.kill("over its memory limit")
			return
		}
	}
}
