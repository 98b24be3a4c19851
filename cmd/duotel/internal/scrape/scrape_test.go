package scrape_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/scrape"
)

var update = flag.Bool("update", false, "write the files that the tests compare with")

// TestRender compares with files that internal/opstest loads with Prometheus's own package, ops/prometheus/scrape.yaml
// among them.
func TestRender(t *testing.T) {
	for path, s := range map[string]scrape.Service{
		"../../../../ops/prometheus/scrape.yaml": {Name: "demo", Targets: []string{"localhost:8080"}, Ways: scrape.Ways},
		"testdata/default.yaml":                  {Name: "shop"},
		"testdata/native.yaml":                   {Name: "shop", Targets: []string{"10.0.0.1:9464", "[::1]:9464"}, Ways: []scrape.Way{scrape.Native}},
		"testdata/registry.yaml":                 {Name: "shop.eu-1", Ways: []scrape.Way{scrape.Discovery}, Registry: "https://sd.example.org/sd?group=shop&health=passing"},
	} {
		got, err := scrape.Render(s)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what is rendered (go test ./internal/scrape -update writes it):\n%s", path, got)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		service scrape.Service
		want    []string
	}{
		{scrape.Service{}, []string{`service=""`, "allowed are letters"}},
		{scrape.Service{Name: "a b"}, []string{`service="a b"`, "allowed are letters"}},
		{scrape.Service{Name: "../a"}, []string{`service="../a"`, "a letter or digit first"}},
		{scrape.Service{Name: "a", Targets: []string{"http://h:1"}}, []string{`target="http://h:1"`, "host:port"}},
		{scrape.Service{Name: "a", Targets: []string{"h:1", "h"}}, []string{`target="h"`, "host:port"}},
		{scrape.Service{Name: "a", Targets: []string{":9464"}}, []string{`target=":9464"`, "host:port"}},
		{scrape.Service{Name: "a", Ways: []scrape.Way{"udp"}}, []string{`way="udp"`, `"http_sd"`}},
		{scrape.Service{Name: "a", Ways: []scrape.Way{"text", "text"}}, []string{`way="text"`, "each once"}},
		{scrape.Service{Name: "a", Registry: "localhost/sd"}, []string{`registry="localhost/sd"`, "http or https URL"}},
	} {
		_, err := scrape.Render(c.service)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: the error does not say %s: %v", c.service, want, err)
			}
		}
	}
}
