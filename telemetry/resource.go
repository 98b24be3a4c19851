package telemetry

import (
	"context"
	"runtime/debug"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// processIdentity is the default service.name and a service.instance.id. Two SDKs in one process are
// one instance, so they share it.
var processIdentity = sync.OnceValue(func() []attribute.KeyValue {
	r, _ := resource.New(context.Background(), resource.WithService())
	return r.Attributes()
})

// newResource says who sends: what cfg says over what is detected. It reads no environment, and leaves
// out the command line, which may hold secrets. What cannot be detected is missing and no error; the
// error is ctx's alone. build is [debug.ReadBuildInfo] but in tests, whose binaries have no version.
func newResource(ctx context.Context, cfg Config, build func() (*debug.BuildInfo, bool)) (*resource.Resource, error) {
	detected, _ := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		resource.WithOSType(),
		resource.WithProcessPID(),
		resource.WithProcessExecutableName(),
		resource.WithProcessRuntimeName(),
		resource.WithProcessRuntimeVersion(),
	)
	attrs := append(detected.Attributes(), processIdentity()...)
	if info, ok := build(); ok {
		if version := serviceVersion(info); version != "" {
			attrs = append(attrs, semconv.ServiceVersion(version))
		}
	}
	return resource.NewWithAttributes(semconv.SchemaURL, append(attrs, configured(cfg)...)...), ctx.Err()
}

// configured are cfg's own attributes. An identity that is set but empty is as good as none.
func configured(cfg Config) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, len(cfg.ResourceAttributes)+1)
	for key, value := range cfg.ResourceAttributes {
		k := attribute.Key(key)
		if value == "" && (k == semconv.ServiceNameKey || k == semconv.ServiceInstanceIDKey) {
			continue
		}
		attrs = append(attrs, k.String(value))
	}
	if cfg.ServiceName != "" {
		attrs = append(attrs, semconv.ServiceName(cfg.ServiceName))
	}
	return attrs
}

// withLabels is the push exit's resource: res with [Config.Labels] as attributes.
func withLabels(res *resource.Resource, labels map[string]string) *resource.Resource {
	attrs := res.Attributes()
	for name, value := range labels {
		attrs = append(attrs, attribute.String(name, value))
	}
	return resource.NewWithAttributes(res.SchemaURL(), attrs...)
}

// serviceVersion is the main module's version, or else the revision it was built from.
func serviceVersion(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, modified string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value
		}
	}
	if revision != "" && modified == "true" {
		return revision + "+dirty"
	}
	return revision
}
