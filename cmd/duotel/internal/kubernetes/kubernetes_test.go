package kubernetes_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/folder"
	"github.com/duotel/duotel/cmd/duotel/internal/kubernetes"
)

var update = flag.Bool("update", false, "write the files that the tests compare with")

const rules = "# Written by duotel gen.\ngroups:\n  - name: shop\n    rules:\n      - record: shop:up\n        expr: |\n          sum(up)\n\n          > 0\n"

// services are what the folders in testdata are made for.
var services = map[string]kubernetes.Service{
	"default": {Name: "shop"},
	"push": {
		Name: "on", Image: "registry.example.org/shop:v1.2.3", HTTPPort: 9000, MetricsPort: 9001, Monitor: kubernetes.PodMonitor,
		Namespace: "shop", Subsystem: "eu", HTTPNames: "both", DurationBounds: []string{"300ms", "1s"}, Native: true,
		Endpoint: "https://api.axiom.co/v1/metrics", HeadersSecret: "axiom.prod", Temporality: "delta",
		Rules:      []folder.File{{Path: "rules.yaml", Data: []byte(rules)}, {Path: "slo/rules_slo.yaml", Data: []byte(rules)}},
		Dashboards: []folder.File{{Path: "dashboards/Go and process.json", Data: []byte("{\n  \"title\": \"{{ a }}: <b>\",\n\n  \"id\": 1\n}\n")}},
	},
	"collector": {Name: "shop", Endpoint: "http://collector:4318/v1/metrics"},
}

// TestManifests compares with the folders of testdata, which internal/opstest decodes strictly into the types of
// Kubernetes and of the Prometheus operator.
func TestManifests(t *testing.T) {
	for name, service := range services {
		dir := filepath.Join("testdata", name)
		files, err := kubernetes.Manifests(service)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				path := filepath.Join(dir, f.Path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, f := range files {
			if want, err := os.ReadFile(filepath.Join(dir, f.Path)); err != nil || !bytes.Equal(f.Data, want) {
				t.Errorf("%s/%s is not what is written (go test ./internal/kubernetes -update writes it): %v\n%s", dir, f.Path, err, f.Data)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != len(files) {
			t.Errorf("%s has %d files, not %d: %v", dir, len(entries), len(files), err)
		}
	}
}

func TestManifestsRefuse(t *testing.T) {
	file := func(path, data string) []folder.File { return []folder.File{{Path: path, Data: []byte(data)}} }
	for _, c := range []struct {
		service kubernetes.Service
		want    []string
	}{
		{kubernetes.Service{}, []string{`service=""`, "a-z, 0-9"}},
		{kubernetes.Service{Name: "Shop"}, []string{`service="Shop"`, "a-z, 0-9"}},
		{kubernetes.Service{Name: strings.Repeat("a", 56)}, []string{`service="aaa`, "at most 55"}},
		{kubernetes.Service{Name: "a", HTTPPort: -1}, []string{`http port="-1"`, "1 to 65535"}},
		{kubernetes.Service{Name: "a", MetricsPort: 70000}, []string{`metrics port="70000"`, "1 to 65535"}},
		{kubernetes.Service{Name: "a", MetricsPort: 8080}, []string{`metrics port="8080"`, "choose another"}},
		{kubernetes.Service{Name: "a", Monitor: "Probe"}, []string{`monitor="Probe"`, `"PodMonitor"`}},
		{kubernetes.Service{Name: "a", HTTPNames: "old"}, []string{`names="old"`, `"classic"`}},
		{kubernetes.Service{Name: "a", Temporality: "gauge"}, []string{`temporality="gauge"`, `"lowmemory"`}},
		{kubernetes.Service{Name: "a", Endpoint: "http://h", HeadersSecret: "A B"}, []string{`headers secret="A B"`}},
		{kubernetes.Service{Name: "a", HeadersSecret: "b"}, []string{`headers secret="b"`, "give one"}},
		{kubernetes.Service{Name: "a", HTTPPort: -1, HTTPNames: "old"}, []string{`http port="-1"`, `names="old"`}},
		{kubernetes.Service{Name: "a", Rules: file("r.yaml", "rules: []")}, []string{`file="r.yaml"`, "field rules not found"}},
		{kubernetes.Service{Name: "a", Rules: file("r.yaml", "groups: []")}, []string{`file="r.yaml"`, "one document with groups"}},
		{kubernetes.Service{Name: "a", Rules: file("r.yaml", rules+"---\n"+rules)}, []string{`file="r.yaml"`, "one document with groups"}},
		{kubernetes.Service{Name: "a", Rules: file("r.yaml", "---\n"+rules)}, []string{`file="r.yaml"`, "no --- before it"}},
		{kubernetes.Service{Name: "a", Dashboards: file("d.json", "{")}, []string{`file="d.json"`, "a JSON object"}},
		{kubernetes.Service{Name: "a", Dashboards: file("d.json", "[]")}, []string{`file="d.json"`, "a JSON object"}},
		{kubernetes.Service{Name: "a", Dashboards: file("d.json", `{"a":"`+strings.Repeat("b", 1<<20)+`"}`)}, []string{`file="d.json"`, "a ConfigMap holds"}},
		{kubernetes.Service{Name: "a", Dashboards: append(file("a/b.json", "{}"), file("a b.json", "{}")...)}, []string{`file="a b.json"`, `"a/b.json"`, "rename one"}},
	} {
		_, err := kubernetes.Manifests(c.service)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.200v: the error does not say %s: %v", c.service, want, err)
			}
		}
	}
}
