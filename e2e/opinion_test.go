package e2e

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// unavailable reports a program that is not installed: in the table, and in CI, where it has to be, as a failure.
func unavailable(t *testing.T, name, install string) {
	t.Helper()
	add(row{duotel, name, "-", "not available: apt-get install " + install, 0, "-"})
	if os.Getenv("CI") != "" {
		t.Errorf("%s is not available; CI installs %s", name, install)
	}
}

// acceptOpenMetrics asks for the format.
const acceptOpenMetrics = "application/openmetrics-text; version=1.0.0"

func body(t *testing.T, url, accept string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), strings.Split(accept, ";")[0]) {
		t.Fatalf("%s: asked for %s and got %s", url, accept, resp.Header.Get("Content-Type"))
	}
	return content
}
