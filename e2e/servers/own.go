package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Service is a running program of the repository that serves a page.
type Service struct {
	// Address is host:port of its page.
	Address string

	cmd    *exec.Cmd
	exited chan struct{}
}

// address is in what the demo and the examples print, and in what duotel sd does.
var address = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)/(?:metrics|, for Prometheus)`)

// StartService starts a program that prints the URL of its page, waits for that, and stops it when the test ends. env is added to the
// environment.
func StartService(tb testing.TB, program string, env []string, args ...string) *Service {
	tb.Helper()
	log, err := os.Create(filepath.Join(tb.TempDir(), "log"))
	if err != nil {
		tb.Fatal(err)
	}
	s := &Service{cmd: exec.Command(program, args...), exited: make(chan struct{})}
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = append(os.Environ(), env...), log, log
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	tb.Cleanup(func() {
		s.Stop()
		log.Close()
	})
	deadline := time.Now().Add(readyTimeout)
	for s.Address == "" {
		content, err := os.ReadFile(log.Name())
		if err != nil {
			tb.Fatal(err)
		}
		if found := address.FindSubmatch(content); found != nil {
			s.Address = string(found[1])
			return s
		}
		select {
		case <-s.exited:
			tb.Fatalf("%s %s ended: %s", program, strings.Join(args, " "), content)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%s does not say where its page is: %s", program, content)
		}
	}
	return s
}

// Kill ends the service without a goodbye.
func (s *Service) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Stop sends SIGTERM, and SIGKILL to a service that has not ended in time. It may be called twice.
func (s *Service) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		s.Kill()
	}
}
