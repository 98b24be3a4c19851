package telemetry

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/exporter"
)

// env is a lookup in lines of KEY=value.
func env(lines ...string) func(string) (string, bool) {
	m := make(map[string]string)
	for _, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		m[key] = value
	}
	return func(key string) (string, bool) {
		value, ok := m[key]
		return value, ok
	}
}

const (
	endpointKey = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
	headersKey  = "OTEL_EXPORTER_OTLP_METRICS_HEADERS"
)

func TestFromEnv(t *testing.T) {
	push := func(p PushConfig) Config { return Config{Push: p} }
	tests := []struct {
		env  []string
		want Config
	}{
		{nil, Config{}},
		{[]string{"OTEL_SDK_DISABLED=", "OTEL_METRIC_EXPORT_INTERVAL= ", "METRICS_NAMESPACE=", endpointKey + "="}, Config{}},
		{[]string{"OTEL_SDK_DISABLED=TRUE"}, Config{Disabled: true}},
		{[]string{"OTEL_SDK_DISABLED=false", "ENABLE_METRICS=true"}, Config{}},
		{[]string{"ENABLE_METRICS=False", endpointKey + "=nonsense", "METRICS_NAMESPACE=0"}, Config{Disabled: true}},
		{[]string{"OTEL_SERVICE_NAME=shop"}, Config{ServiceName: "shop"}},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES=a=b%2Cc, d.e = f g ,h=i=j"}, Config{ResourceAttributes: map[string]string{"a": "b,c", "d.e": "f g", "h": "i=j"}}},
		{[]string{"METRICS_CUSTOM_LABELS=team=a%2Cb,zone=eu"}, Config{Labels: map[string]string{"team": "a,b", "zone": "eu"}}},
		{[]string{"OTEL_METRICS_EXPORTER=none"}, Config{Exporters: []ExporterName{"none"}}},
		{[]string{"OTEL_METRICS_EXPORTER=prometheus, OTLP"}, Config{Exporters: []ExporterName{"prometheus", "otlp"}, Push: PushConfig{Endpoint: "http://localhost:4318/v1/metrics"}}},
		{[]string{"OTEL_METRICS_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, Config{Exporters: []ExporterName{"otlp"}, Push: PushConfig{Protocol: exporter.ProtocolGRPC, Endpoint: "http://localhost:4317"}}},
		{[]string{endpointKey + "=https://h/x?q=1"}, push(PushConfig{Endpoint: "https://h/x?q=1"})},
		{[]string{endpointKey + "=http://h:4318"}, push(PushConfig{Endpoint: "http://h:4318"})},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4318"}, push(PushConfig{Endpoint: "http://h:4318/v1/metrics"})},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:p@h:4318/base/"}, push(PushConfig{Endpoint: "http://u:p@h:4318/base/v1/metrics"})},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=nonsense", endpointKey + "=http://h/m"}, push(PushConfig{Endpoint: "http://h/m"})},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=h:4317", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_INSECURE=true"}, push(PushConfig{Endpoint: "h:4317", Protocol: exporter.ProtocolGRPC, Insecure: true})},
		{[]string{headersKey + "=Authorization=Bearer%20x,X-Axiom-Metrics-Dataset=demo"}, push(PushConfig{Headers: exporter.NewSecrets(map[string]string{"Authorization": "Bearer x", "X-Axiom-Metrics-Dataset": "demo"})})},
		{[]string{"OTEL_EXPORTER_OTLP_HEADERS=a=general,b=general", headersKey + "= A = own , c=d=="}, push(PushConfig{Headers: exporter.NewSecrets(map[string]string{"A": "own", "b": "general", "c": "d=="})})},
		{[]string{"OTEL_EXPORTER_OTLP_TIMEOUT=10s", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=250"}, push(PushConfig{Timeout: 250 * time.Millisecond})},
		{[]string{"OTEL_METRIC_EXPORT_INTERVAL=10000", "OTEL_METRIC_EXPORT_TIMEOUT=1"}, push(PushConfig{Interval: 10 * time.Second, ExportTimeout: time.Millisecond})},
		{[]string{"OTEL_EXPORTER_OTLP_COMPRESSION=GZIP", "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION=none"}, push(PushConfig{Compression: exporter.CompressionNone})},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=DELTA"}, push(PushConfig{Temporality: exporter.TemporalityDelta})},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram"}, push(PushConfig{HistogramAggregation: HistogramBase2})},
		{[]string{"OTEL_METRICS_EXEMPLAR_FILTER=always_on"}, Config{ExemplarFilter: ExemplarAlwaysOn}},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_HOST=::", "OTEL_EXPORTER_PROMETHEUS_PORT=9000"}, Config{Listener: ListenerConfig{Host: "::", Port: 9000}}},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_PORT=65535", "DUOTEL_WEB_CONFIG_FILE=testdata/web/good.yml"}, Config{Listener: ListenerConfig{Port: 65535, WebConfigFile: "testdata/web/good.yml"}}},
		{[]string{`METRICS_EXCLUDED_HANDLERS=^/internal/, \.ico$`}, Config{HTTP: HTTPConfig{ExcludedHandlers: []string{"^/internal/", `\.ico$`}}}},
		{[]string{"METRICS_NAMESPACE=shop", "METRICS_SUBSYSTEM=cart"}, Config{Pull: PullConfig{Namespace: "shop", Subsystem: "cart"}}},
		{[]string{"ENABLE_METRICS=on", "OTEL_METRICS_EXPORTER=,otlp,,otlp,", endpointKey + "=http://h/m"}, Config{Exporters: []ExporterName{"otlp"}, Push: PushConfig{Endpoint: "http://h/m"}}},
		{[]string{"ENABLE_METRICS=0"}, Config{Disabled: true}},
		{[]string{"ENABLE_METRICS=NO"}, Config{Disabled: true}},
		{[]string{"ENABLE_METRICS=off"}, Config{Disabled: true}},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES=,a=b,a=b,"}, Config{ResourceAttributes: map[string]string{"a": "b"}}},
		{[]string{"METRICS_CUSTOM_LABELS=a=b,"}, Config{Labels: map[string]string{"a": "b"}}},
		{[]string{"METRICS_EXCLUDED_HANDLERS=/a,"}, Config{HTTP: HTTPConfig{ExcludedHandlers: []string{"/a"}}}},
		{[]string{"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS=GET, PROPFIND,"}, Config{HTTP: HTTPConfig{KnownMethods: []string{"GET", "PROPFIND"}}}},
		{[]string{"METRICS_HTTP_DURATION_BOUNDS=300ms, 1s,"}, Config{HTTP: HTTPConfig{DurationBounds: []time.Duration{300 * time.Millisecond, time.Second}}}},
		{[]string{"METRICS_HTTP_NAMES=both"}, Config{HTTP: HTTPConfig{Names: HTTPNamesBoth}}},
		{[]string{"DUOTEL_DISCOVERY=https://registry:8080/", "DUOTEL_DISCOVERY_ADDRESS=[fd00::7]:9464"}, Config{Discovery: DiscoveryConfig{URL: "https://registry:8080/", Address: "[fd00::7]:9464"}}},
		{[]string{"DUOTEL_DISCOVERY=etcd://h1:2379,h2,[::1]:2379,[::1]/prefix", "OTEL_EXPORTER_PROMETHEUS_PORT=1"}, Config{Discovery: DiscoveryConfig{URL: "etcd://h1:2379,h2,[::1]:2379,[::1]/prefix"}, Listener: ListenerConfig{Port: 1}}},
		{
			[]string{
				"DUOTEL_DISCOVERY=etcds://h", "DUOTEL_DISCOVERY_ADDRESS=h:1", "DUOTEL_DISCOVERY_CERTIFICATE=testdata/web/server.crt",
				"DUOTEL_DISCOVERY_USERNAME=me", "DUOTEL_DISCOVERY_PASSWORD_FILE=testdata/web/good.yml",
			},
			Config{Discovery: DiscoveryConfig{URL: "etcds://h", Address: "h:1", Certificate: "testdata/web/server.crt", Username: "me", PasswordFile: "testdata/web/good.yml"}},
		},
		{
			[]string{
				"DUOTEL_DISCOVERY=HTTPS://h", "DUOTEL_DISCOVERY_ADDRESS=worker-1.example:80", "DUOTEL_DISCOVERY_CERTIFICATE=testdata/web/server.crt",
				"DUOTEL_DISCOVERY_CLIENT_CERTIFICATE=testdata/web/server.crt", "DUOTEL_DISCOVERY_CLIENT_KEY=testdata/web/server.key",
			},
			Config{Discovery: DiscoveryConfig{
				URL: "HTTPS://h", Address: "worker-1.example:80", Certificate: "testdata/web/server.crt",
				ClientCertificate: "testdata/web/server.crt", ClientKey: "testdata/web/server.key",
			}},
		},
		{[]string{"OTEL_TRACES_EXPORTER=whatever", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=x"}, Config{}},
	}
	for _, test := range tests {
		got, err := FromEnv(env(test.env...))
		if err != nil {
			t.Errorf("%q: %v", test.env, err)
			continue
		}
		if len(got.Push.Headers) == 0 {
			got.Push.Headers = nil
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q:\n got %+v\nwant %+v", test.env, got, test.want)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%q: not valid: %v", test.env, err)
		}
	}
}

// One defect per line: the first variable is the one that is wrong, and the error must have its name,
// its value and what follows.
func TestFromEnvRefuses(t *testing.T) {
	const (
		protocol     = "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
		listenerPort = "OTEL_EXPORTER_PROMETHEUS_PORT=1"
	)
	tests := []struct {
		env  []string
		says string
	}{
		{[]string{"ENABLE_METRICS=maybe"}, "true or false"},
		{[]string{"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS=GET,P T"}, "methods"},
		{[]string{"OTEL_SERVICE_NAME=\xff"}, "UTF-8"},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES=a=b,c"}, "pair 2: has no ="},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES==b"}, "pair 1: has no key"},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES=a=%zz"}, "%25"},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES=a=%ff"}, "UTF-8"},
		{[]string{`OTEL_RESOURCE_ATTRIBUTES="a=b"`}, "quotes"},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES=a='b'"}, "quotes"},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES=a=b,a=c"}, "twice"},
		{[]string{"OTEL_METRICS_EXPORTER=statsd"}, "prometheus, otlp and console, or none alone"},
		{[]string{"OTEL_METRICS_EXPORTER=none,otlp"}, "none is not alone"},
		{[]string{"OTEL_EXPORTER_OTLP_PROTOCOL=http/json"}, "http/protobuf or grpc"},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=thrift", protocol}, "http/protobuf or grpc"},
		{[]string{endpointKey + "=h:4318"}, "http://h:4318/v1/metrics was probably meant"},
		{[]string{endpointKey + "=127.0.0.1:443/x"}, "https://127.0.0.1:443/x was probably meant"},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=h:4318"}, "http://h:4318 was probably meant"},
		{[]string{endpointKey + "=h", protocol}, "has no scheme"},
		{[]string{endpointKey + "=h:0", protocol}, "has no scheme"},
		{[]string{endpointKey + "=grpc://h:4317", protocol}, "neither http nor https"},
		{[]string{endpointKey + "=http://:4318"}, "no host"},
		{[]string{endpointKey + "=http://h:70000"}, "port"},
		{[]string{endpointKey + "=http://h h/"}, "is not a URL"},
		{[]string{"OTEL_EXPORTER_OTLP_TIMEOUT=10s"}, "write 10000"},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=0"}, "1 to 2147483647"},
		{[]string{"OTEL_METRIC_EXPORT_INTERVAL=1m"}, "write 60000"},
		{[]string{"OTEL_METRIC_EXPORT_INTERVAL=-1"}, "out of range"},
		{[]string{"OTEL_METRIC_EXPORT_INTERVAL=2147483648"}, "out of range"},
		{[]string{"OTEL_METRIC_EXPORT_TIMEOUT=soon"}, "milliseconds"},
		{[]string{"OTEL_EXPORTER_OTLP_COMPRESSION=brotli"}, "none or gzip"},
		{[]string{"OTEL_EXPORTER_OTLP_CERTIFICATE=testdata/missing.pem"}, "no such file"},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE=testdata/web/good.yml"}, "PEM"},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY=", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=x"}, "both or neither"},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE=", "OTEL_EXPORTER_OTLP_CLIENT_KEY=x"}, "both or neither"},
		{[]string{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=testdata/missing.pem", "OTEL_EXPORTER_OTLP_CLIENT_KEY=x"}, "no such file"},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=diff"}, "cumulative, delta or lowmemory"},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=buckets"}, "base2_exponential_bucket_histogram"},
		{[]string{"OTEL_METRICS_EXEMPLAR_FILTER=sometimes"}, "trace_based, always_on or always_off"},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0:9464"}, "OTEL_EXPORTER_PROMETHEUS_PORT"},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_HOST=[::1]"}, "brackets"},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_HOST=http://h"}, "is not a host"},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_PORT=0"}, "1 to 65535"},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_PORT=65536"}, "1 to 65535"},
		{[]string{"OTEL_EXPORTER_PROMETHEUS_PORT=http"}, "1 to 65535"},
		{[]string{"DUOTEL_WEB_CONFIG_FILE=testdata/web/good.yml"}, "none is asked for"},
		{[]string{"DUOTEL_WEB_CONFIG_FILE=testdata/web/missing.yml", "OTEL_EXPORTER_PROMETHEUS_PORT=1"}, "no such file"},
		{[]string{"METRICS_EXCLUDED_HANDLERS=/a,("}, "missing closing )"},
		{[]string{"METRICS_EXCLUDED_HANDLERS=/a{1,3}"}, "write the repetition out"},
		{[]string{"METRICS_NAMESPACE=9shop"}, "letters, digits"},
		{[]string{"METRICS_SUBSYSTEM=a-b"}, "letters, digits"},
		{[]string{"METRICS_CUSTOM_LABELS=a-b=c"}, "not the name of a label"},
		{[]string{"METRICS_CUSTOM_LABELS=__a=c"}, "reserved"},
		{[]string{"METRICS_CUSTOM_LABELS=le=c"}, "reserved"},
		{[]string{"METRICS_CUSTOM_LABELS=otel_scope_name=c"}, "reserved"},
		{[]string{"METRICS_CUSTOM_LABELS=a="}, "no value"},
		{[]string{"METRICS_CUSTOM_LABELS=a=%ff"}, "UTF-8"},
		{[]string{"METRICS_HTTP_DURATION_BOUNDS=0.3"}, "300ms,1s"},
		{[]string{"METRICS_HTTP_DURATION_BOUNDS=-1s"}, "from 1µs up"},
		{[]string{"METRICS_HTTP_NAMES=old"}, "semconv, classic or both"},
		{[]string{"DUOTEL_DISCOVERY=registry:8080", listenerPort}, "http://registry:8080 was probably meant; the URL of a registry"},
		{[]string{"DUOTEL_DISCOVERY=registry", listenerPort}, "has no scheme"},
		{[]string{"DUOTEL_DISCOVERY=1x://h", listenerPort}, "has a scheme that is none"},
		{[]string{"DUOTEL_DISCOVERY=http://", listenerPort}, "has no host"},
		{[]string{"DUOTEL_DISCOVERY=etcd:///p", listenerPort}, "has no host"},
		{[]string{"DUOTEL_DISCOVERY=etcd://h 1/p", listenerPort}, "is not a URL"},
		{[]string{"DUOTEL_DISCOVERY=http://h:70000", listenerPort}, "port"},
		{[]string{"DUOTEL_DISCOVERY=http://h/%zz", listenerPort}, "is not a URL"},
		{[]string{"DUOTEL_DISCOVERY_ADDRESS=", "DUOTEL_DISCOVERY=http://h"}, "or a listener: OTEL_EXPORTER_PROMETHEUS_PORT"},
		{[]string{"DUOTEL_DISCOVERY_ADDRESS=10.0.0.7"}, "10.0.0.7:9464"},
		{[]string{"DUOTEL_DISCOVERY_ADDRESS=http://h:1/metrics"}, "host:port"},
		{[]string{"DUOTEL_DISCOVERY_ADDRESS=0.0.0.0:9464"}, "others could reach"},
		{[]string{"DUOTEL_DISCOVERY_ADDRESS=[::]:9464"}, "others could reach"},
		{[]string{"DUOTEL_DISCOVERY_ADDRESS=a_!:1"}, "host:port"},
		{[]string{"DUOTEL_DISCOVERY_HEADERS_FILE=testdata/none"}, "no such file"},
		{[]string{"DUOTEL_DISCOVERY_CERTIFICATE=testdata/web/good.yml"}, "PEM"},
		{[]string{"DUOTEL_DISCOVERY_CLIENT_KEY=", "DUOTEL_DISCOVERY_CLIENT_CERTIFICATE=x"}, "both or neither"},
		{[]string{"DUOTEL_DISCOVERY_CLIENT_CERTIFICATE=", "DUOTEL_DISCOVERY_CLIENT_KEY=x"}, "both or neither"},
		{[]string{"DUOTEL_DISCOVERY_CERTIFICATE=testdata/web/server.crt", "DUOTEL_DISCOVERY=etcd://h/p", listenerPort}, "etcd:// is without; none, or DUOTEL_DISCOVERY with etcds"},
		{[]string{"DUOTEL_DISCOVERY_HEADERS_FILE=testdata/web/one.headers", "DUOTEL_DISCOVERY=etcd://h/p", listenerPort}, "a store has DUOTEL_DISCOVERY_USERNAME"},
		{[]string{"DUOTEL_DISCOVERY_USERNAME=me", "DUOTEL_DISCOVERY_PASSWORD_FILE=testdata/web/good.yml", "DUOTEL_DISCOVERY=http://h", listenerPort}, "a registry has its credentials as a header"},
		{[]string{"DUOTEL_DISCOVERY_PASSWORD_FILE=", "DUOTEL_DISCOVERY_USERNAME=me"}, "both or neither"},
		{[]string{"DUOTEL_DISCOVERY_USERNAME=", "DUOTEL_DISCOVERY_PASSWORD_FILE=x"}, "both or neither"},
		{[]string{"DUOTEL_DISCOVERY_PASSWORD_FILE=testdata/none", "DUOTEL_DISCOVERY_USERNAME=me"}, "no such file"},
		{[]string{"DUOTEL_DISCOVERY=etcd://h:0/p", listenerPort}, "port"},
		{[]string{"DUOTEL_DISCOVERY=etcd://h:1,/p", listenerPort}, "has no host, or one that is empty"},
		{[]string{"DUOTEL_DISCOVERY=etcd://h:1:2/p", listenerPort}, "has a host that is none"},
	}
	for _, test := range tests {
		key, value, _ := strings.Cut(test.env[0], "=")
		if value == "\xff" {
			value = `\xff`
		}
		value = strings.ReplaceAll(value, `"`, `\"`)
		_, err := FromEnv(env(test.env...))
		if err == nil {
			t.Errorf("%q: no error", test.env)
			continue
		}
		if lines := strings.Count(err.Error(), "\n"); lines > 0 {
			t.Errorf("%q: more than one error:\n%v", test.env, err)
		}
		for _, part := range []string{"env: " + key + `="` + value + `": `, test.says} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %v\ndoes not say %q", test.env, err, part)
			}
		}
	}
}

// F37: what is odd and can be understood starts, and the log says how it was understood.
func TestF37UnderstoodWithAWarning(t *testing.T) {
	tests := []struct {
		env  string
		says string
		ok   func(Config) bool
	}{
		{"OTEL_SDK_DISABLED=1", "is read as false", func(c Config) bool { return !c.Disabled }},
		{"OTEL_SDK_DISABLED=yes", "only true is true", func(c Config) bool { return !c.Disabled }},
		{"OTEL_EXPORTER_OTLP_INSECURE=t", "is read as false", func(c Config) bool { return !c.Push.Insecure }},
		{"OTEL_EXPORTER_PROMETHEUS_PORT=tcp://10.96.1.2:9464", "Kubernetes", func(c Config) bool { return c.Listener == ListenerConfig{} }},
		{"OTEL_EXPORTER_PROMETHEUS_PORT=udp://[fd00::1]:9464", "Kubernetes", func(c Config) bool { return c.Listener == ListenerConfig{} }},
	}
	for _, test := range tests {
		cfg, err := FromEnv(env(test.env))
		said := strings.Join(cfg.warnings(), "\n")
		key, _, _ := strings.Cut(test.env, "=")
		if err != nil || !test.ok(cfg) || !strings.Contains(said, key) || !strings.Contains(said, test.says) {
			t.Errorf("%s: %v, %+v, warned %q, want %q", test.env, err, cfg, said, test.says)
		}
	}
	for _, quiet := range []string{"OTEL_SDK_DISABLED=False", "OTEL_EXPORTER_OTLP_INSECURE=TRUE", "OTEL_EXPORTER_PROMETHEUS_PORT=9464"} {
		if cfg, err := FromEnv(env(quiet)); err != nil || len(cfg.notes) > 0 {
			t.Errorf("%s: %v, warned %q", quiet, err, cfg.notes)
		}
	}
}

// What follows ? or # may be a token, so it is not repeated.
func TestFromEnvRefusesFragment(t *testing.T) {
	_, err := FromEnv(env(endpointKey + "=http://h/x#" + secret))
	if err == nil || !strings.Contains(err.Error(), endpointKey+`="http://h/x": has a fragment`) || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

func TestFromEnvJoinsAllErrors(t *testing.T) {
	bad := []string{
		"OTEL_RESOURCE_ATTRIBUTES=a", "OTEL_METRICS_EXPORTER=x", "OTEL_EXPORTER_OTLP_PROTOCOL=x", endpointKey + "=x",
		headersKey + "=x", "OTEL_EXPORTER_OTLP_HEADERS=x", "OTEL_EXPORTER_OTLP_TIMEOUT=x", "OTEL_EXPORTER_PROMETHEUS_PORT=x",
		"METRICS_EXCLUDED_HANDLERS=(", "METRICS_NAMESPACE=-", "METRICS_CUSTOM_LABELS=-=x", "METRICS_HTTP_NAMES=x",
	}
	_, err := FromEnv(env(bad...))
	if err == nil {
		t.Fatal("no error")
	}
	for _, line := range bad {
		key, _, _ := strings.Cut(line, "=")
		if !strings.Contains(err.Error(), "env: "+key+"=") {
			t.Errorf("%s is not named in:\n%v", key, err)
		}
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != len(bad) {
		t.Errorf("%d errors, want %d:\n%v", got, len(bad), err)
	}
}

func TestTableIsComplete(t *testing.T) {
	seen := make(map[string]bool)
	for _, v := range variables {
		if v.meaning == "" || v.allowed == "" || v.unset == "" || v.field == "" || v.set == nil {
			t.Errorf("%v: a column is empty", v.keys)
		}
		for _, key := range v.keys {
			if seen[key] {
				t.Errorf("%s is there twice", key)
			}
			seen[key] = true
		}
	}
}

// What is wrong with discovery is said without its secrets.
func TestDiscoverySecretsAreNotSaid(t *testing.T) {
	for text, shown := range map[string]string{
		"http://me:" + secret + "@h:1/":             `DUOTEL_DISCOVERY="http://h:1/ (user not shown)": has a user name or password: write them as a header, Authorization=Basic …, into the file of DUOTEL_DISCOVERY_HEADERS_FILE`,
		"http://h/?token=" + secret:                 `DUOTEL_DISCOVERY="http://h/": has a query`,
		"http://h/#" + secret:                       `DUOTEL_DISCOVERY="http://h/": has a query`,
		"etcd://me:" + secret + "@h 1:1,h2:1/p":     `DUOTEL_DISCOVERY="etcd://h 1:1,h2:1/p (user not shown)": is not a URL`,
		"etcd://me:" + secret + "/@h/p\x7f":         `DUOTEL_DISCOVERY=(not shown): is not a URL`,
		"me:" + secret + "@h":                       `DUOTEL_DISCOVERY=(not shown): has no scheme`,
		"!://me:" + secret + "@h1:1,h2:2/?k=secret": `has a scheme that is none`,
	} {
		_, err := FromEnv(env("DUOTEL_DISCOVERY="+text, "OTEL_EXPORTER_PROMETHEUS_PORT=1"))
		if err == nil || !strings.Contains(err.Error(), shown) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v\nwant %s", text, err, shown)
		}
	}
	_, err := FromEnv(env("DUOTEL_DISCOVERY_ADDRESS=http://me:" + secret + "@h:1"))
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
}

// What is odd about discovery starts, and the log says so.
func TestDiscoveryWarnings(t *testing.T) {
	const on, port = "DUOTEL_DISCOVERY=http://h/", "OTEL_EXPORTER_PROMETHEUS_PORT=9464"
	tests := []struct {
		env  []string
		says string // "" for nothing
	}{
		{[]string{on, port}, `"localhost" is reached from this machine only: set OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0, or DUOTEL_DISCOVERY_ADDRESS`},
		{[]string{on, "OTEL_EXPORTER_PROMETHEUS_HOST=127.0.0.1"}, `"127.0.0.1" is reached from this machine only`},
		{[]string{on, "OTEL_EXPORTER_PROMETHEUS_HOST=::1"}, `"::1" is reached from this machine only`},
		{[]string{on, "OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0"}, ""},
		{[]string{on, "OTEL_EXPORTER_PROMETHEUS_HOST=10.0.0.7"}, ""},
		{[]string{on, port, "DUOTEL_DISCOVERY_ADDRESS=127.0.0.1:9464"}, ""}, // somebody wants it so
		{[]string{"DUOTEL_DISCOVERY_ADDRESS=h:1"}, "DUOTEL_DISCOVERY is not: the process is not listed anywhere"},
		{[]string{on, "OTEL_METRICS_EXPORTER=none"}, "there is no page, and the process is not listed"},
		{[]string{on, "DUOTEL_DISCOVERY_ADDRESS=h:1", "DUOTEL_DISCOVERY_CERTIFICATE=testdata/web/server.crt"}, "write https"},
	}
	for _, test := range tests {
		cfg, err := FromEnv(env(append(test.env, "OTEL_SERVICE_NAME=shop")...))
		said := strings.Join(cfg.warnings(), "\n")
		if err != nil || (test.says == "") != (said == "") || !strings.Contains(said, test.says) {
			t.Errorf("%q: %v, warned %q, want %q", test.env, err, said, test.says)
		}
	}
}
