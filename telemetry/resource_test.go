package telemetry

import (
	"runtime/debug"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// released is the build information of a binary with a version.
func released() (*debug.BuildInfo, bool) {
	return &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, true
}

func attributes(t *testing.T, cfg Config) map[attribute.Key]string {
	t.Helper()
	r, err := newResource(t.Context(), cfg, released)
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[attribute.Key]string)
	for _, kv := range r.Attributes() {
		m[kv.Key] = kv.Value.String()
	}
	return m
}

// F14, F18: an instance id always, the same for two SDKs, and nothing from the environment.
func TestResource(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "from-environment")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "from=environment,service.instance.id=x")
	first, second := attributes(t, Config{}), attributes(t, Config{})
	if id := first[semconv.ServiceInstanceIDKey]; len(id) != 36 || id != second[semconv.ServiceInstanceIDKey] {
		t.Errorf("instance ids %q and %q", id, second[semconv.ServiceInstanceIDKey])
	}
	for _, key := range []attribute.Key{
		semconv.ServiceNameKey, semconv.TelemetrySDKNameKey, semconv.TelemetrySDKLanguageKey, semconv.TelemetrySDKVersionKey,
		semconv.HostNameKey, semconv.OSTypeKey, semconv.ProcessPIDKey, semconv.ProcessRuntimeNameKey, semconv.ProcessRuntimeVersionKey,
	} {
		if first[key] == "" {
			t.Errorf("no %s", key)
		}
	}
	if v := first[semconv.ServiceVersionKey]; v != "v1.2.3" {
		t.Errorf("service.version is %q, want the build's", v)
	}
	if first[semconv.ServiceNameKey] == "from-environment" || first["from"] != "" {
		t.Error("the environment is in the resource")
	}
	for _, key := range []attribute.Key{"process.command", semconv.ProcessCommandArgsKey, "process.command_line"} {
		if _, ok := first[key]; ok {
			t.Errorf("%s may hold secrets", key)
		}
	}
}

func TestResourceConfigWins(t *testing.T) {
	got := attributes(t, Config{ServiceName: "shop", ResourceAttributes: map[string]string{
		"service.name": "loses", "service.instance.id": "pod-1", "host.name": "h", "service.version": "9", "k": "v",
	}})
	for key, want := range map[attribute.Key]string{
		"service.name": "shop", "service.instance.id": "pod-1", "host.name": "h", "service.version": "9", "k": "v",
	} {
		if got[key] != want {
			t.Errorf("%s: got %q, want %q", key, got[key], want)
		}
	}
	got = attributes(t, Config{ResourceAttributes: map[string]string{"service.name": "", "service.instance.id": ""}})
	if got["service.name"] == "" || got["service.instance.id"] == "" {
		t.Error("an empty identity wins over the detected one")
	}
}

func TestResourceWithLabels(t *testing.T) {
	r, err := newResource(t.Context(), Config{ServiceName: "shop"}, released)
	if err != nil {
		t.Fatal(err)
	}
	labelled := withLabels(r, map[string]string{"zone": "eu"})
	if v, _ := labelled.Set().Value("zone"); v.AsString() != "eu" || labelled.SchemaURL() != semconv.SchemaURL {
		t.Errorf("got %v, schema %q", labelled, labelled.SchemaURL())
	}
	if labelled.Len() != r.Len()+1 {
		t.Errorf("%d attributes, want one more than %d", labelled.Len(), r.Len())
	}
}

func TestServiceVersion(t *testing.T) {
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: modified}}
	}
	tests := []struct {
		info debug.BuildInfo
		want string
	}{
		{debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: vcs("true")}, "v1.2.3"},
		{debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs("false")}, "abc"},
		{debug.BuildInfo{Settings: vcs("true")}, "abc+dirty"},
		{debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, ""},
	}
	for _, test := range tests {
		if got := serviceVersion(&test.info); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.info, got, test.want)
		}
	}
}
