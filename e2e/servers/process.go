package servers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// readyTimeout is generous: a shared machine may be slow, and a server that exits is noticed at once.
	readyTimeout = 90 * time.Second
	// stopTimeout is what a server has between SIGTERM and SIGKILL.
	stopTimeout = 15 * time.Second
	// logLines of a server are shown when a test fails.
	logLines = 25
)

// Process is a running server. It belongs to one test.
type Process struct {
	tb     testing.TB
	name   string
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{} // closed when the process has ended
	err    error         // of Wait, once exited is closed
}

// Stop sends SIGTERM and waits for the process to end.
func (p *Process) Stop() {
	p.tb.Helper()
	p.stop()
}

// Stopped says whether the process has ended.
func (p *Process) Stopped() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// stop sends SIGTERM, then SIGKILL to a process that has not ended in time. It may be called twice.
func (p *Process) stop() {
	p.tb.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		p.tb.Errorf("%s: still there %v after SIGTERM", p.name, stopTimeout)
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

func (p *Process) cleanup() {
	p.stop()
	_ = p.log.Close()
	if !p.tb.Failed() {
		_ = os.Remove(p.log.Name())
		return
	}
	content, _ := os.ReadFile(p.log.Name())
	p.tb.Logf("%s: the last lines of %s:\n%s", p.name, p.log.Name(), tail(content, logLines))
}

// await polls url, which is the server's own word that it serves. It ends when the process does, also in the middle of a
// request: whoever has the server's address may never answer.
func (p *Process) await(url string) error {
	ctx, cancel := context.WithTimeout(p.tb.Context(), readyTimeout)
	defer cancel()
	go func() {
		select {
		case <-p.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !answers(ctx, url) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if p.Stopped() {
				return fmt.Errorf("ended before it was ready: %v", p.err)
			}
			return fmt.Errorf("not ready within %v", readyTimeout)
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func logFile(tb testing.TB, name string) *os.File {
	tb.Helper()
	dir := filepath.Join(Cache(), "logs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	pattern := strings.NewReplacer("/", "_", " ", "_").Replace(tb.Name()) + "." + name + ".*.log"
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// build is Tool.Build for a test.
func build(tb testing.TB, t Tool) string {
	tb.Helper()
	program, err := t.Build(tb.Context(), os.Stderr)
	if err != nil {
		tb.Fatal(err)
	}
	return program
}

// write makes a file in a folder of the test's own.
func write(tb testing.TB, dir, name, content string) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
