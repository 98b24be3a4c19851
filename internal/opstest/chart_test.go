package opstest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
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

// render is helm template: the chart in dir with the values of a YAML document. It returns the files by their names in
// the chart.
func render(t *testing.T, dir, values string) (map[string]string, error) {
	t.Helper()
	var vals map[string]any
	if err := yaml.Unmarshal([]byte(values), &vals); err != nil {
		t.Fatalf("values %q: %v", values, err)
	}
	chart, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: "shop", Namespace: "prod", IsInstall: true, Revision: 1}
	all, err := util.ToRenderValues(chart, vals, release, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, all)
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasSuffix(name, ".tpl") })
	return files, err
}

// install renders and decodes.
func install(t *testing.T, dir, values string) objects {
	t.Helper()
	files, err := render(t, dir, values)
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
	everything := map[string]any{}
	if err := yaml.Unmarshal(read(t, "testdata/everything.yaml"), &everything); err != nil {
		t.Fatal(err)
	}
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
	dir := withFiles(t)
	for _, c := range []struct{ values, want string }{
		{"{}", "curl -s http://localhost:9464/metrics"},
		{"{}", "nothing tells Prometheus of it"},
		{"metrics: {enabled: false}", "no page, no push, and no probes"},
		{"{metrics: {enabled: false}, probes: {port: http}}", "no page, no push."},
		{"metrics: {serviceMonitor: {enabled: true}}", "Pull: a ServiceMonitor."},
		{"otlp: {endpoint: https://h/v1/metrics}", "--from-literal=headers='Authorization=Bearer TOKEN'"},
		{"{otlp: {endpoint: http://h:4318/v1/metrics}, spool: {type: claim}}", "WARNING: 2 replicas share one ReadWriteOnce claim"},
	} {
		files, err := render(t, dir, c.values)
		if err != nil {
			t.Fatal(err)
		}
		if notes := files["duotel-service/templates/NOTES.txt"]; !strings.Contains(notes, c.want) {
			t.Errorf("%s: the notes do not say %q:\n%s", c.values, c.want, notes)
		}
	}
}
