package servers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programs are the repository's own, built once in a run of the tests.
var programs struct {
	sync.Mutex
	built map[string]string
}

// Program builds a command of the repository, given by its folder ("cmd/demo"), and returns the path of the program.
func Program(tb testing.TB, folder string) string {
	tb.Helper()
	programs.Lock()
	defer programs.Unlock()
	if path := programs.built[folder]; path != "" {
		return path
	}
	path := filepath.Join(Cache(), "own-"+filepath.Base(folder))
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-o", path, ".")
	cmd.Dir = filepath.Join(Root(), filepath.FromSlash(folder))
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build %s: %v\n%s", folder, err, tail(out, logLines))
	}
	if programs.built == nil {
		programs.built = map[string]string{}
	}
	programs.built[folder] = path
	return path
}

// Run runs a program to its end and returns what it printed. A status other than want fails the test.
func Run(tb testing.TB, want int, program string, args ...string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), program, args...).CombinedOutput()
	status := 0
	if err != nil {
		status = -1
		if exit, ok := err.(*exec.ExitError); ok {
			status = exit.ExitCode()
		}
	}
	if status != want {
		tb.Fatalf("%s: status %d, want %d: %s", fmt.Sprint(append([]string{filepath.Base(program)}, args...)), status, want, out)
	}
	return string(out)
}
