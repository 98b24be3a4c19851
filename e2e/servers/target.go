package servers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Targets is a file of targets that Prometheus reads again when it changes.
type Targets struct {
	// File is for [Job.File].
	File string
	tb   testing.TB
}

// NewTargets returns a list of no targets.
func NewTargets(tb testing.TB) *Targets {
	tb.Helper()
	t := &Targets{File: filepath.Join(tb.TempDir(), "targets.json"), tb: tb}
	t.Set()
	return t
}

// Set replaces the targets, in one step: half a file would be an error to Prometheus.
func (t *Targets) Set(addresses ...string) {
	t.tb.Helper()
	if addresses == nil {
		addresses = []string{}
	}
	content, err := json.Marshal([]map[string]any{{"targets": addresses}})
	if err == nil {
		err = os.WriteFile(t.File+".new", content, 0o600)
	}
	if err == nil {
		err = os.Rename(t.File+".new", t.File)
	}
	if err != nil {
		t.tb.Fatal(err)
	}
}
