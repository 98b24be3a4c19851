package servers

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
)

// attempts is how often a server is started: an address that was free when it was chosen can be somebody else's when the
// server wants it.
const attempts = 3

// taken is what every server here says then.
var taken = []byte("address already in use")

// Launch is how a program is started.
type Launch struct {
	// Environment is added to that of the test, Args are the program's arguments.
	Environment, Args []string
	// Ready is a URL that answers 200 when the program serves.
	Ready string
}

// StartProcess runs a program and waits until it is ready. Each of at most three starts asks prepare how; there is another one
// only when the program says that an address is in use. It is stopped when the test ends.
func StartProcess(tb testing.TB, name, program string, prepare func() Launch) *Process {
	tb.Helper()
	p, err := launch(tb, name, program, prepare)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return p
}

func launch(tb testing.TB, name, program string, prepare func() Launch) (*Process, error) {
	tb.Helper()
	for attempt := 1; ; attempt++ {
		l := prepare()
		p, err := run(tb, name, program, l)
		if err != nil {
			return nil, err
		}
		err = p.await(l.Ready)
		if err == nil {
			return p, nil
		}
		if !p.addressTaken() {
			return nil, err
		}
		if attempt == attempts {
			return nil, fmt.Errorf("%w: %s, %d times", err, taken, attempts)
		}
		tb.Logf("%s: %s; start %d of %d", name, taken, attempt+1, attempts)
	}
}

// run starts program. It is stopped when the test ends, or before that.
func run(tb testing.TB, name, program string, l Launch) (*Process, error) {
	tb.Helper()
	p := &Process{tb: tb, name: name, cmd: exec.Command(program, l.Args...), log: logFile(tb, name), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = append(os.Environ(), l.Environment...)
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		_ = p.log.Close()
		_ = os.Remove(p.log.Name())
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	tb.Cleanup(p.cleanup)
	return p, nil
}

// addressTaken says whether the process ended because of that.
func (p *Process) addressTaken() bool {
	if !p.Stopped() {
		return false
	}
	log, err := os.ReadFile(p.log.Name())
	return err == nil && bytes.Contains(log, taken)
}

// FreeAddress returns a loopback address whose port was free a moment ago.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// picker chooses addresses; nil is [FreeAddress].
type picker func(testing.TB) string

func (p picker) pick(tb testing.TB) string {
	tb.Helper()
	if p == nil {
		return FreeAddress(tb)
	}
	return p(tb)
}
