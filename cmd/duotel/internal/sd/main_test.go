package sd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
)

// asCommand makes the test binary the command, so that tests can start it as a process of its own.
const asCommand = "DUOTEL_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		streams := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
		root := cli.Command(streams, cli.Flags("duotel"), "duotel", "", "", nil)
		root.Subcommands = []*ffcli.Command{New(streams)}
		status := cli.Run(ctx, root, os.Args[1:], streams)
		stop()
		os.Exit(status)
	}
	goleak.VerifyTestMain(m)
}

// wait is longer than anything that a test waits for takes.
const wait = 30 * time.Second

// buffer is written by a process and read by a test.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// process is `duotel sd`, running.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	base   string // its URL, with / at the end
	log    *buffer
	client *http.Client
	header http.Header // of every request
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{"sd"}, args...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// start runs `duotel sd` on a free port until the test ends, and waits until it is ready.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, nil, args...)
}

// startWith is start for a server with TLS.
func startWith(t *testing.T, config *tls.Config, args ...string) *process {
	t.Helper()
	p := &process{t: t, log: &buffer{}, header: http.Header{}}
	transport := &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: 50}
	p.client = &http.Client{Transport: transport, Timeout: wait}
	p.cmd = command(context.Background(), append([]string{"-listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		transport.CloseIdleConnections()
		if t.Failed() {
			t.Log(p.log)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	_, address, ok := strings.Cut(line, "serving ")
	if err != nil || !ok {
		t.Fatalf("the first line is %q, %v; want one with the URL; %s", line, err, p.log)
	}
	p.base, _, _ = strings.Cut(address, ",")
	if config == nil {
		p.until("ready", func() bool { status, _ := p.do(http.MethodGet, "readyz", ""); return status == http.StatusOK })
	}
	return p
}

// stop ends the process as a service manager does, and expects that all was well.
func (p *process) stop() {
	p.t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	p.client.CloseIdleConnections()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("after SIGTERM: %v; want status 0; %s", err, p.log)
	}
}

// try makes one request, from several goroutines too.
func (p *process) try(method, path, body string) (status int, header http.Header, text string, err error) {
	req, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	for name, values := range p.header {
		req.Header[name] = values
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(raw), err
}

// do makes one request that has to be answered.
func (p *process) do(method, path, body string) (int, string) {
	p.t.Helper()
	status, _, text, err := p.try(method, path, body)
	if err != nil {
		p.t.Fatalf("%s %s: %v; %s", method, path, err, p.log)
	}
	return status, text
}

// expect makes one request and looks at its answer.
func (p *process) expect(method, path, body string, status int, want string) {
	p.t.Helper()
	got, text := p.do(method, path, body)
	if got != status || !strings.Contains(text, want) {
		p.t.Errorf("%s %s: HTTP %d %.400q; want %d with %q", method, path, got, text, status, want)
	}
}

// until waits until a condition holds.
func (p *process) until(what string, holds func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(wait)
	for !holds() {
		if time.Now().After(deadline) {
			p.t.Fatalf("not %s within %s; %s", what, wait, p.log)
		}
		time.Sleep(20 * time.Millisecond) // another process has no channel to wait for
	}
}

// fails runs `duotel sd` that has to end by itself, and returns its exit status and what it said.
func fails(t *testing.T, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	out, err := command(ctx, args...).CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("%q: %v; want an exit status; %s", args, err, out)
	}
	return exit.ExitCode(), string(out)
}
