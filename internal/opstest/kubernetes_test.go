package opstest

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/duotel/duotel/telemetry"
)

// manifestsOfGen reads a folder that the command's own tests compare with.
func manifestsOfGen(t *testing.T, name string) objects {
	t.Helper()
	return manifestsIn(t, filepath.Join("../../cmd/duotel/internal/kubernetes/testdata", name))
}

// manifestsIn decodes every file of a folder strictly.
func manifestsIn(t *testing.T, dir string) (o objects) {
	t.Helper()
	walk(t, os.DirFS(dir), func(path string, content []byte) {
		if err := o.decode(content); err != nil {
			t.Errorf("%s/%s: %v", dir, path, err)
		}
	})
	return o
}

// TestManifestsOfGen looks at the plain manifests as at the chart's.
func TestManifestsOfGen(t *testing.T) {
	documented := documentedVariables(t)
	for name, want := range map[string]map[string]int{
		"default":   {"Deployment": 1, "Service": 2, "ServiceAccount": 1, "NetworkPolicy": 1, "ServiceMonitor": 1},
		"collector": {"Deployment": 1, "Service": 2, "ServiceAccount": 1, "NetworkPolicy": 1, "ServiceMonitor": 1},
		"push":      {"Deployment": 1, "Service": 2, "ServiceAccount": 1, "NetworkPolicy": 1, "PodMonitor": 1, "PrometheusRule": 2, "ConfigMap": 1},
	} {
		o := manifestsOfGen(t, name)
		for _, finding := range findings(o, documented) {
			t.Errorf("%s: %s", name, finding)
		}
		kinds := map[string]int{}
		for id := range o.metas {
			kind, _, _ := strings.Cut(id, "/")
			kinds[kind]++
		}
		if !reflect.DeepEqual(kinds, want) {
			t.Errorf("%s: there are %v, not %v", name, kinds, want)
		}
	}
}

// TestManifestsOfGenStart reads the variables with Duotel's own code.
func TestManifestsOfGenStart(t *testing.T) {
	for _, name := range []string{"default", "collector"} {
		if config := fromEnv(t, environment(t, manifestsOfGen(t, name))); config.ServiceName != "shop" || config.Listener.Port != 9464 {
			t.Errorf("%s: %+v", name, config)
		}
	}
	config := fromEnv(t, environment(t, manifestsOfGen(t, "push")))
	if config.ServiceName != "on" || config.Pull.Namespace != "shop" || config.Pull.Subsystem != "eu" || config.HTTP.Names != telemetry.HTTPNamesBoth ||
		config.Push.Endpoint != "https://api.axiom.co/v1/metrics" || config.Push.SpoolDir == "" || config.Push.HeadersFile == "" {
		t.Errorf("push: %+v", config)
	}
}

// TestManifestsOfTheKits looks at those in ops/ and examples/.
func TestManifestsOfTheKits(t *testing.T) {
	documented := documentedVariables(t)
	for _, pattern := range []string{opsFolder + "/*/kubernetes", "../../examples/*/*/kubernetes"} {
		folders, err := filepath.Glob(pattern)
		if err != nil || len(folders) == 0 {
			t.Errorf("%s: %d folders, %v", pattern, len(folders), err)
		}
		for _, dir := range folders {
			o := manifestsIn(t, dir)
			for _, finding := range findings(o, documented) {
				t.Errorf("%s: %s", dir, finding)
			}
			t.Logf("%s: %d manifests", dir, len(o.metas))
		}
	}
}
