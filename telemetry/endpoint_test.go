package telemetry

import (
	"strings"
	"testing"
)

func TestShowURLHasNoSecret(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"http://h:4318/v1/metrics", "http://h:4318/v1/metrics"},
		{"http://u:s3cr3t@h/x", "http://xxxxx@h/x"},
		{"http://s3cr3t@h/x", "http://xxxxx@h/x"},
		{"http://h/x?token=s3cr3t", "http://h/x"},
		{"http://u:s3/cr3t@h", notShown},
		{"http://u:s3cr3t@h:port/", notShown},
		{"u:s3cr3t@h:4318", notShown},
		{"http://h/x@s3cr3t", notShown},
		{"h:4318?token=s3cr3t", "h:4318"},
		{"h:4318", "h:4318"},
	}
	for _, test := range tests {
		if got := showURL(test.raw); got != test.want {
			t.Errorf("%s: got %s, want %s", test.raw, got, test.want)
		}
	}
}

// F8: what is legal, and probably not meant, is said at start-up.
func TestEndpointWarnings(t *testing.T) {
	const grpc = "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
	tests := []struct {
		env  []string
		says string // empty: no warning
	}{
		{[]string{endpointKey + "=http://h:4318/v1/metrics"}, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4318"}, ""},
		{[]string{endpointKey + "=http://h:4317", grpc}, ""},
		{[]string{endpointKey + "=h:4317", grpc}, ""},
		{[]string{endpointKey + "=http://h:4317/v1/metrics", grpc}, "the path is not used"},
		{[]string{endpointKey + "=http://h", grpc}, "443"},
		{[]string{endpointKey + "=http://h/m", "OTEL_METRICS_EXPORTER=prometheus"}, "nothing is pushed"},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_PORT=1", "OTEL_METRICS_EXPORTER=otlp"}, "it has no /metrics"},
		{[]string{endpointKey + "=http://h/m", headersKey + "=Authorization="}, `"Authorization" has no value`},
		{[]string{endpointKey + "=http://h/m", "OTEL_EXPORTER_OTLP_TIMEOUT=2000", "OTEL_METRIC_EXPORT_TIMEOUT=1000"}, "a whole push only 1s"},
		{[]string{endpointKey + "=http://h/m", "OTEL_EXPORTER_OTLP_CERTIFICATE=testdata/web/server.crt"}, "no effect"},
	}
	for _, test := range tests {
		cfg, err := FromEnv(env(append(test.env, "OTEL_SERVICE_NAME=s")...))
		if err != nil {
			t.Errorf("%q: %v", test.env, err)
			continue
		}
		got := strings.Join(cfg.warnings(), "\n")
		if strings.Contains(got, secret) {
			t.Errorf("%q: a password in %q", test.env, got)
		}
		if test.says == "" && got != "" || !strings.Contains(got, test.says) {
			t.Errorf("%q: got %q, want %q", test.env, got, test.says)
		}
	}
}

func TestWarningsServiceName(t *testing.T) {
	if w := (Config{}).warnings(); len(w) != 1 || !strings.Contains(w[0], "OTEL_SERVICE_NAME") {
		t.Errorf("got %q", w)
	}
	if w := (Config{ResourceAttributes: map[string]string{"service.name": "x"}}).warnings(); len(w) != 0 {
		t.Errorf("got %q", w)
	}
	if w := (Config{Disabled: true}).warnings(); len(w) != 0 {
		t.Errorf("got %q", w)
	}
}

// A socket is spoken to with TLS unless told otherwise, which is seldom meant; and xds needs an import.
func TestF39TargetsFromTheEnvironment(t *testing.T) {
	const protocol = "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
	cfg, err := FromEnv(env(endpointKey+"=unix:///run/otel.sock", protocol))
	if err != nil || !strings.Contains(strings.Join(cfg.warnings(), "\n"), "OTEL_EXPORTER_OTLP_INSECURE=true") {
		t.Errorf("got %v, warned %q", err, cfg.warnings())
	}
	cfg, err = FromEnv(env(endpointKey+"=unix:///run/otel.sock", protocol, "OTEL_EXPORTER_OTLP_INSECURE=true"))
	if err != nil || strings.Contains(strings.Join(cfg.warnings(), "\n"), "socket") {
		t.Errorf("got %v, warned %q", err, cfg.warnings())
	}
	if _, err = FromEnv(env(endpointKey+"=xds:///shop", protocol)); err == nil || !strings.Contains(err.Error(), `google.golang.org/grpc/xds`) {
		t.Errorf("xds without its resolver: %v", err)
	}
	if _, err = FromEnv(env(endpointKey + "=unix:///run/otel.sock")); err == nil || !strings.Contains(err.Error(), "neither http nor https") {
		t.Errorf("http/protobuf with a socket: %v", err)
	}
}
