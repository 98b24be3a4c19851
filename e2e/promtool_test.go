package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
)

// TestPromtoolCheckMetrics lints the names of a scrape.
func TestPromtoolCheckMetrics(t *testing.T) {
	cfg := base("http://" + servers.FreeAddress(t)) // the push exit's own metrics are linted too
	cfg.HTTP.Names, cfg.Push.ExportTimeout = telemetry.HTTPNamesBoth, 100*time.Millisecond
	s := service.Start(t, cfg)
	useClient(t, s)
	s.Round(t.Context())
	_ = s.Flush(t.Context()) // fails, and is counted
	page := body(t, s.Metrics, "text/plain")

	cmd := exec.Command(servers.Promtool(t), "check", "metrics")
	cmd.Stdin = bytes.NewReader(page)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	complaints := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if ours(lines.Text()) {
			complaints++
			t.Error(lines.Text())
		}
	}
	families := bytes.Count(page, []byte("# TYPE "))
	add(row{duotel, "promtool", servers.PromtoolTool.Version, "check metrics", families, differencesOf(complaints)})
}

// ours says whether a line of promtool's is about a name that Duotel chose.
func ours(line string) bool {
	for _, prefix := range []string{"duotel_", "http_", "otel_", "target_"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
