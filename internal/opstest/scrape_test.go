package opstest

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/http"
	"go.yaml.in/yaml/v2"
)

// loadScrape reads a file as Prometheus does: by itself, and by scrape_config_files of another.
func loadScrape(t *testing.T, path string) *config.Config {
	t.Helper()
	c, err := config.LoadFile(path, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var strict config.ScrapeConfigs
	if err := yaml.UnmarshalStrict(read(t, path), &strict); err != nil {
		t.Errorf("%s: not a file for scrape_config_files: %v", path, err)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	around, err := config.Load("scrape_config_files: ["+absolute+"]", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	included, err := around.GetScrapeConfigs()
	if err != nil || len(included) != len(c.ScrapeConfigs) || len(included) != len(strict.ScrapeConfigs) {
		t.Errorf("%s: included, it has %d jobs: %v", path, len(included), err)
	}
	return c
}

// TestScrape reads ops/prometheus/scrape.yaml.
func TestScrape(t *testing.T) {
	jobs, err := loadScrape(t, opsFolder+"/prometheus/scrape.yaml").GetScrapeConfigs()
	if err != nil || len(jobs) != 4 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	text, native, https, discovery := jobs[0], jobs[1], jobs[2], jobs[3]
	if slices.Contains(text.ScrapeProtocols, config.PrometheusProto) || text.ScrapeNativeHistogramsEnabled() {
		t.Errorf("the job for text is %+v", text)
	}
	if native.ScrapeProtocols[0] != config.PrometheusProto || !native.ScrapeNativeHistogramsEnabled() || !native.ConvertClassicHistogramsToNHCBEnabled() {
		t.Errorf("the job for native histograms is %+v", native)
	}
	if client := https.HTTPClientConfig; https.Scheme != "https" || client.BasicAuth.Username != "prometheus" ||
		!strings.HasSuffix(client.BasicAuth.PasswordFile, ".password") || client.TLSConfig.InsecureSkipVerify {
		t.Errorf("the job for HTTPS is %+v", https)
	}
	sd, ok := discovery.ServiceDiscoveryConfigs[0].(*http.SDConfig)
	if !ok || sd.URL != "http://localhost:8080/sd?group=demo" || sd.HTTPClientConfig.Authorization.Type != "Bearer" {
		t.Errorf("the job for HTTP SD is %+v", discovery)
	}
}

// TestScrapeOfGen reads what the command's own tests compare with.
func TestScrapeOfGen(t *testing.T) {
	files, err := filepath.Glob("../../cmd/duotel/internal/scrape/testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if jobs, err := loadScrape(t, file).GetScrapeConfigs(); err != nil || len(jobs) != 1 || !strings.HasPrefix(jobs[0].JobName, "shop") {
			t.Errorf("%s: %d jobs, %v", file, len(jobs), err)
		}
	}
}

// TestScrapeIsStrict is here so that the two above can be believed.
func TestScrapeIsStrict(t *testing.T) {
	broken := strings.Replace(string(read(t, opsFolder+"/prometheus/scrape.yaml")), "scrape_native_histograms", "scrape_native_histogram", 1)
	path := filepath.Join(t.TempDir(), "scrape.yaml")
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.LoadFile(path, false, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "scrape_native_histogram") {
		t.Errorf("Prometheus takes a key it does not know: %v", err)
	}
}
