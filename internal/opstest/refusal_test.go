package opstest

import (
	"strings"
	"testing"
)

// TestSchemaRefuses has one defect per row. The message must name the key, and the value or what is allowed.
func TestSchemaRefuses(t *testing.T) {
	shop := load(t, withFiles(t))
	for _, c := range []struct {
		values string
		want   []string
	}{
		{"metric: {enabled: true}", []string{"additional properties 'metric' not allowed"}},
		{"metrics: {prot: 9464}", []string{"'/metrics'", "additional properties 'prot' not allowed"}},
		{"metrics: {enabled: 'yes'}", []string{"'/metrics/enabled'", "got string, want boolean"}},
		{"metrics: {port: 0}", []string{"'/metrics/port'", "got 0, want 1"}},
		{"metrics: {port: 70000}", []string{"'/metrics/port'", "got 70,000, want 65,535"}},
		{"metrics: {port: '9464'}", []string{"'/metrics/port'", "got string, want integer"}},
		{"metrics: {path: metrics}", []string{"'/metrics/path'", "'metrics' does not match pattern '^/'"}},
		{"metrics: {customLabels: {a-b: c}}", []string{"'/metrics/customLabels'", "additional properties 'a-b' not allowed"}},
		{"resourceAttributes: {'a=b': c}", []string{"'/resourceAttributes'", "additional properties 'a=b' not allowed"}},
		{"metrics: {customLabels: {a: ''}}", []string{"'/metrics/customLabels/a'", "minLength: got 0, want 1"}},
		{"metrics: {httpNames: semconvv}", []string{"'/metrics/httpNames'", "value must be one of 'semconv', 'classic', 'both'"}},
		{"metrics: {durationBounds: [300]}", []string{"'/metrics/durationBounds/0'", "got number, want string"}},
		{"metrics: {durationBounds: [300 ms]}", []string{"'/metrics/durationBounds/0'", "'300 ms' does not match pattern"}},
		{"metrics: {interval: 30}", []string{"'/metrics/interval'", "got number, want string"}},
		{"metrics: {serviceMonitor: {enable: true}}", []string{"'/metrics/serviceMonitor'", "additional properties 'enable' not allowed"}},
		{"metrics: {podMonitor: {labels: {a: 1}}}", []string{"'/metrics/podMonitor/labels/a'", "got number, want string"}},
		{"otlp: {endpoint: collector}", []string{"'/otlp/endpoint'", "'collector' does not match pattern"}},
		{"otlp: {protocol: http/json}", []string{"'/otlp/protocol'", "value must be one of 'http/protobuf', 'grpc'"}},
		{"otlp: {temporality: deltas}", []string{"'/otlp/temporality'", "value must be one of 'cumulative', 'delta', 'lowmemory'"}},
		{"otlp: {headersSecret: {name: a}}", []string{"'/otlp/headersSecret'", "got object, want string"}},
		{"otlp: {interval: 10s}", []string{"'/otlp/interval'", "got string, want integer"}},
		{"spool: {type: disk}", []string{"'/spool/type'", "value must be one of 'none', 'emptyDir', 'claim'"}},
		{"spool: {path: spool}", []string{"'/spool/path'", "'spool' does not match pattern"}},
		{"spool: {size: much}", []string{"'/spool/size'", "'much' does not match pattern"}},
		{"probes: {port: admin}", []string{"'/probes/port'", "value must be one of 'metrics', 'http'"}},
		{"networkPolicy: {prometheus: {podLabels: {app.kubernetes.io/name: null}}}", []string{"'/networkPolicy/prometheus/podLabels'", "minProperties: got 0, want 1"}},
		{"image: {repository: ''}", []string{"'/image/repository'", "minLength: got 0, want 1"}},
		{"image: {tag: 'a b'}", []string{"'/image/tag'", "'a b' does not match pattern"}},
		{"image: {pullPolicy: Sometimes}", []string{"'/image/pullPolicy'", "'Always', 'IfNotPresent', 'Never'"}},
		{"serviceName: 'a,b'", []string{"'/serviceName'", "'a,b' does not match pattern"}},
		{"env: [{name: A, valu: b}]", []string{"'/env/0'", "additional properties 'valu' not allowed"}},
		{"env: {A: b}", []string{"'/env'", "got object, want array"}},
		{"replicas: -1", []string{"'/replicas'", "got -1, want 0"}},
		{"resources: {limit: {memory: 1Gi}}", []string{"'/resources'", "additional properties 'limit' not allowed"}},
	} {
		_, err := renderChart(shop, parseValues(t, c.values))
		if err == nil {
			t.Errorf("%s: was taken", c.values)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %s:\n%v", c.values, want, err)
			}
		}
	}
}

// TestChecksRefuse is for values that are right, but not together.
func TestChecksRefuse(t *testing.T) {
	shop, bare := load(t, withFiles(t)), load(t, withoutFiles(t))
	for _, c := range []struct {
		values string
		want   []string
	}{
		{"metrics: {serviceMonitor: {enabled: true}, podMonitor: {enabled: true}}", []string{"metrics.serviceMonitor.enabled=true", "stored twice", "enable one"}},
		{"metrics: {port: 8080}", []string{"metrics.port=8080", "service.targetPort", "metrics.listener=false"}},
		{"metrics: {path: /m}", []string{`metrics.path="/m"`, "is at /metrics"}},
		{"{metrics: {listener: false, port: 8080}, networkPolicy: {enabled: true}}", []string{"networkPolicy.enabled=true", "metrics.port=8080", "a port of its own"}},
		{"metrics: {customLabels: {__a: c}}", []string{"metrics.customLabels.__a", "is reserved"}},
		{"metrics: {customLabels: {le: c}}", []string{"metrics.customLabels.le", "is reserved"}},
		{"metrics: {customLabels: {otel_scope_name: c}}", []string{"metrics.customLabels.otel_scope_name", "is reserved"}},
		{"spool: {type: claim}", []string{`spool.type="claim"`, "set otlp.endpoint"}},
		{"otlp: {headersSecret: axiom}", []string{`otlp.headersSecret="axiom"`, "set otlp.endpoint"}},
	} {
		_, err := renderChart(shop, parseValues(t, c.values))
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %s: %v", c.values, want, err)
			}
		}
	}
	other := withFiles(t)
	write(t, other, "files/own.yaml", []byte("groups: [{name: a, rules: [{record: a:b, expr: 'up{job=\"till\"}'}, {record: a:c, expr: \"up{job=\\\"stock\\\"}\"}]}]\n"))
	_, err := renderChart(load(t, other), parseValues(t, "{serviceName: shop, metrics: {prometheusRule: {enabled: true}}}"))
	if err == nil || !strings.Contains(err.Error(), `serviceName="shop": the rules in files/ ask for till, stock`) {
		t.Errorf("rules for another job: %v", err)
	}
	for _, job := range []string{"till", "stock"} {
		if _, err := renderChart(load(t, other), parseValues(t, "{serviceName: "+job+", metrics: {prometheusRule: {enabled: true}}}")); err != nil {
			t.Errorf("rules for the job %s: %v", job, err)
		}
	}
	for values, want := range map[string]string{
		"metrics: {prometheusRule: {enabled: true}}": "files/ has no *.yaml with groups of rules; write them there with duotel gen",
		"metrics: {dashboards: {enabled: true}}":     "files/ has no *.json; write the dashboards there with duotel gen",
	} {
		if _, err := renderChart(bare, parseValues(t, values)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error does not say %s: %v", values, want, err)
		}
	}
}
