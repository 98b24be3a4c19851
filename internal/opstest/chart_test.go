package opstest

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

// withFiles returns a copy of the chart whose files/ are those of testdata/files, so that no test here depends on
// what the kit has just written there.
func withFiles(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "duotel-service")
	if err := os.CopyFS(dir, os.DirFS(chartFolder)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "files")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "files"), os.DirFS("testdata/files")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// load reads the chart in dir.
func load(t *testing.T, dir string) chart.Charter {
	t.Helper()
	c, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parseValues(t *testing.T, document string) map[string]any {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal([]byte(document), &values); err != nil {
		t.Fatalf("values %q: %v", document, err)
	}
	return values
}

// renderChart is helm template: the files by their names in the chart.
func renderChart(c chart.Charter, values map[string]any) (map[string]string, error) {
	release := common.ReleaseOptions{Name: "shop", Namespace: "prod", IsInstall: true, Revision: 1}
	all, err := util.ToRenderValues(c, values, release, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasSuffix(name, ".tpl") })
	return files, err
}

// installChart renders the chart and decodes every manifest strictly.
func installChart(t *testing.T, c chart.Charter, values string) objects {
	t.Helper()
	files, err := renderChart(c, parseValues(t, values))
	if err != nil {
		t.Fatalf("values %s: %v", values, err)
	}
	var all objects
	for name, file := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		if err := all.decode([]byte(file)); err != nil {
			t.Fatalf("values %s: %s: %v\n%s", values, name, err, file)
		}
	}
	return all
}

func TestLint(t *testing.T) {
	everything := parseValues(t, string(read(t, "testdata/everything.yaml")))
	for name, c := range map[string]struct {
		dir    string
		values map[string]any
	}{
		"as it is":             {chartFolder, nil},
		"everything turned on": {withFiles(t), everything},
	} {
		t.Run(name, func(t *testing.T) {
			lint := action.NewLint()
			lint.Strict, lint.Namespace = true, "prod"
			result := lint.Run([]string{c.dir}, c.values)
			for _, m := range result.Messages {
				t.Log(m.Error())
				if m.Severity > support.UnknownSev {
					t.Error("helm lint has something to say: ", m.Error())
				}
			}
			if len(result.Errors) > 0 || result.TotalChartsLinted != 1 {
				t.Errorf("charts linted %d, errors %v", result.TotalChartsLinted, result.Errors)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	shop := load(t, withFiles(t))
	for _, c := range []struct{ values, want string }{
		{"{}", "curl -s http://localhost:9464/metrics"},
		{"{}", "nothing tells Prometheus of it"},
		{"metrics: {enabled: false}", "no page, no push, and no probes"},
		{"{metrics: {enabled: false}, probes: {port: http}}", "no page, no push."},
		{"metrics: {serviceMonitor: {enabled: true}}", "Pull: a ServiceMonitor."},
		{"otlp: {endpoint: https://h/v1/metrics}", "--from-literal=headers='Authorization=Bearer TOKEN'"},
		{"{otlp: {endpoint: http://h:4318/v1/metrics}, spool: {type: claim}}", "WARNING: 2 replicas share one ReadWriteOnce claim"},
	} {
		files, err := renderChart(shop, parseValues(t, c.values))
		if err != nil {
			t.Fatal(err)
		}
		if notes := files["duotel-service/templates/NOTES.txt"]; !strings.Contains(notes, c.want) {
			t.Errorf("%s: the notes do not say %q:\n%s", c.values, c.want, notes)
		}
	}
}

// withoutFiles returns a copy of the chart into which nothing has been generated.
func withoutFiles(t *testing.T) string {
	t.Helper()
	dir := withFiles(t)
	if err := os.RemoveAll(filepath.Join(dir, "files")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// walk calls f with every file.
func walk(t *testing.T, files fs.FS, f func(path string, content []byte)) {
	t.Helper()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err == nil {
			f(path, content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
