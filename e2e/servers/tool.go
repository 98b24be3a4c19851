package servers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Tool is a program that is built from a pinned module under tools/.
type Tool struct {
	// Name is the program's, Version that of what it is made of.
	Name, Version string
	module        string   // the folder under tools/
	pkg           string   // what is built in it
	flags         []string // of go build
}

// The tools.
var (
	PrometheusTool = Tool{
		Name: "prometheus", Version: "v0.315.0", module: "prometheus",
		pkg: "github.com/prometheus/prometheus/cmd/prometheus", flags: []string{"-tags", "netgo,remove_all_sd"},
	}
	PromtoolTool = Tool{
		Name: "promtool", Version: "v0.315.0", module: "prometheus",
		pkg: "github.com/prometheus/prometheus/cmd/promtool", flags: []string{"-tags", "netgo,remove_all_sd"},
	}
	EtcdTool      = Tool{Name: "etcd", Version: "v3.7.3", module: "etcd", pkg: "go.etcd.io/etcd/server/v3"}
	CollectorTool = Tool{Name: "collector", Version: "v0.155.0", module: "collector", pkg: "."}
)

// Tools returns every tool, the slowest to build first.
func Tools() []Tool { return []Tool{PrometheusTool, PromtoolTool, CollectorTool, EtcdTool} }

// building lets one build run at a time: each takes every core by itself.
var building sync.Mutex

// Build returns the path of t's program and builds it where it is missing or its pins have changed. What it does is
// told to progress. An error has the compiler's last words.
func (t Tool) Build(ctx context.Context, progress io.Writer) (string, error) {
	building.Lock()
	defer building.Unlock()
	dir := filepath.Join(Root(), "e2e", "tools", t.module)
	program, err := t.program(dir)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintf(progress, "building %s %s, once: some minutes on a cold cache\n", t.Name, t.Version)
	start := time.Now()
	if err := t.compile(ctx, dir, program, progress); err != nil {
		return "", fmt.Errorf("build: %s: %w", t.Name, err)
	}
	fmt.Fprintf(progress, "building %s %s: %d s\n", t.Name, t.Version, int(time.Since(start).Seconds()))
	return program, nil
}

// program is where t's program is, or will be. Its name has the sum of all that decides what is built.
func (t Tool) program(dir string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), t.pkg, t.flags)
	for _, file := range []string{"go.mod", "go.sum", "main.go"} {
		content, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil && !(file == "main.go" && errors.Is(err, os.ErrNotExist)) {
			return "", fmt.Errorf("build: %s: %w", t.Name, err)
		}
		sum.Write(content)
	}
	return filepath.Join(Cache(), fmt.Sprintf("%s-%s-%.6x", t.Name, t.Version, sum.Sum(nil))), nil
}

// compile writes to a file beside the program and renames it, so that a build that was interrupted leaves none.
func (t Tool) compile(ctx context.Context, dir, program string, progress io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return err
	}
	partial := program + ".partial"
	args := append([]string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"}, t.flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", partial, t.pkg)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOPROXY="+proxy())
	stop := tick(progress, t.Name)
	out, err := cmd.CombinedOutput()
	stop()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(out, 20))
	}
	return os.Rename(partial, program)
}

// tick says every half a minute that a build goes on, until stop is called.
func tick(progress io.Writer, name string) (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		start, ticker := time.Now(), time.NewTicker(30*time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				fmt.Fprintf(progress, "building %s: %d s so far\n", name, int(time.Since(start).Seconds()))
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}
