package opstest

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"

	"github.com/duotel/duotel/telemetry"
)

// environment is that of the first pod of a release, as the kubelet would make it: fields have the pod's values,
// $(NAME) is replaced, and files and folders are in a folder of the test.
func environment(t *testing.T, o objects) map[string]string {
	t.Helper()
	env := map[string]string{}
	fields := map[string]string{"metadata.namespace": "prod", "metadata.name": "shop-0", "spec.nodeName": "node-1"}
	for _, e := range o.deployments[0].Spec.Template.Spec.Containers[0].Env {
		value := e.Value
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil {
			value = fields[e.ValueFrom.FieldRef.FieldPath]
		}
		for name, before := range env {
			value = strings.ReplaceAll(value, "$("+name+")", before)
		}
		env[e.Name] = value
	}
	if env["DUOTEL_PUSH_SPOOL_DIR"] != "" {
		env["DUOTEL_PUSH_SPOOL_DIR"] = t.TempDir()
	}
	if env["DUOTEL_PUSH_HEADERS_FILE"] != "" {
		file := filepath.Join(t.TempDir(), "headers")
		if err := os.WriteFile(file, []byte("Authorization=Bearer xaat-token\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		env["DUOTEL_PUSH_HEADERS_FILE"] = file
	}
	return env
}

func fromEnv(t *testing.T, env map[string]string) telemetry.Config {
	t.Helper()
	config, err := telemetry.FromEnv(func(key string) (string, bool) { v, ok := env[key]; return v, ok })
	if err != nil {
		t.Fatalf("Duotel does not start with what the chart sets: %v", err)
	}
	return config
}

// TestEverything reads what the chart sets with Duotel's own code.
func TestEverything(t *testing.T) {
	o := installChart(t, load(t, withFiles(t)), string(read(t, "testdata/everything.yaml")))
	env := environment(t, o)
	config := fromEnv(t, env)
	same := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %#v, not %#v", what, got, want)
		}
	}
	same("the service", config.ServiceName, "shop")
	same("the labels", config.Labels, map[string]string{"team": `a,b "c" %$(X) + é`, "zone": "eu"})
	same("the listener", []any{config.Listener.Host, config.Listener.Port}, []any{"0.0.0.0", 9464})
	same("the endpoint", config.Push.Endpoint, "https://api.axiom.co/v1/metrics")
	same("the interval", config.Push.Interval, 30*time.Second)
	same("the spool", config.Push.SpoolDir, env["DUOTEL_PUSH_SPOOL_DIR"])
	same("the headers", config.Push.HeadersFile, env["DUOTEL_PUSH_HEADERS_FILE"])
	same("the resource", map[string]string{
		"deployment.environment.name": config.ResourceAttributes["deployment.environment.name"], "team": config.ResourceAttributes["team"],
		"k8s.pod.name": config.ResourceAttributes["k8s.pod.name"], "service.version": config.ResourceAttributes["service.version"],
	}, map[string]string{"deployment.environment.name": "prod, eu", "team": "a=b%c d", "k8s.pod.name": "shop-0", "service.version": "v1.2.3"})
}

func TestEmergencySwitch(t *testing.T) {
	values := strings.Replace(string(read(t, "testdata/everything.yaml")), "metrics:\n", "metrics:\n  enabled: false\n", 1)
	o := installChart(t, load(t, withFiles(t)), values)
	if config := fromEnv(t, environment(t, o)); !config.Disabled {
		t.Errorf("metrics.enabled=false leaves Duotel on: %+v", config)
	}
	if n := len(o.serviceMonitors) + len(o.configMaps) + len(o.rules) + len(o.claims); n != 0 {
		t.Errorf("%d manifests are for metrics that are off", n)
	}
}

// TestFilesArriveWhole compares what is in the cluster with what is in files/.
func TestFilesArriveWhole(t *testing.T) {
	everything := string(read(t, "testdata/everything.yaml"))
	for name, dir := range map[string]string{"testdata": withFiles(t), "the chart's own": chartFolder} {
		files := os.DirFS(filepath.Join(dir, "files"))
		everything, jobs := everything, ""
		dashboards, rules := map[string]string{}, map[string]monitoring.PrometheusRuleSpec{}
		walk(t, files, func(path string, content []byte) {
			var spec monitoring.PrometheusRuleSpec
			switch {
			case strings.HasSuffix(path, ".json"):
				dashboards[strings.TrimSpace(string(content))] = path
			case strings.HasSuffix(path, ".yaml") && yaml.UnmarshalStrict(content, &spec) == nil:
				rules[path] = spec
				jobs += string(content)
			}
		})
		if len(dashboards) == 0 || len(rules) == 0 {
			if dir != chartFolder {
				t.Fatalf("%s: no files", name)
			}
			continue // nothing has been generated into the chart yet
		}
		if job := regexp.MustCompile(`job="([^"]+)"`).FindStringSubmatch(jobs); job != nil {
			everything = strings.Replace(everything, "serviceName: shop", "serviceName: "+job[1], 1)
		}
		o := installChart(t, load(t, dir), everything)
		for _, c := range o.configMaps {
			for file, content := range c.Data {
				if _, known := dashboards[strings.TrimSpace(content)]; !known {
					t.Errorf("%s: the dashboard %s is not what any file has:\n%s", name, file, content)
				}
				delete(dashboards, strings.TrimSpace(content))
			}
			if c.Labels["grafana_dashboard"] != "1" || c.Annotations["grafana_folder"] != "Services" {
				t.Errorf("%s: the sidecar does not find %s", name, c.Name)
			}
		}
		for _, r := range o.rules {
			maps.DeleteFunc(rules, func(_ string, spec monitoring.PrometheusRuleSpec) bool { return reflect.DeepEqual(spec, r.Spec) })
			if r.Labels["release"] != "prometheus" {
				t.Errorf("%s: the operator does not find %s", name, r.Name)
			}
		}
		if len(dashboards) > 0 || len(rules) > 0 {
			t.Errorf("%s: did not arrive: %v %v", name, slices.Sorted(maps.Values(dashboards)), slices.Sorted(maps.Keys(rules)))
		}
	}
}
