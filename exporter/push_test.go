package exporter_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/duotel/duotel/exporter"
)

func TestPushSendsExactlyWhatItsConfigSays(t *testing.T) {
	for key, value := range map[string]string{
		"ENDPOINT": "http://127.0.0.1:1/wrong", "METRICS_ENDPOINT": "https://127.0.0.1:2/wrong",
		"HEADERS": "x-env=1,authorization=env", "METRICS_HEADERS": "x-env-metrics=1",
		"COMPRESSION": "gzip", "METRICS_COMPRESSION": "gzip",
		"TIMEOUT": "1", "METRICS_TIMEOUT": "1", "INSECURE": "false", "METRICS_INSECURE": "false",
		"CERTIFICATE": "/does/not/exist", "METRICS_CLIENT_CERTIFICATE": "/does/not/exist", "METRICS_CLIENT_KEY": "/none",
		"METRICS_TEMPORALITY_PREFERENCE": "delta", "METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram",
		"PROTOCOL": "http/json",
	} {
		t.Setenv("OTEL_EXPORTER_OTLP_"+key, value)
	}
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "env.attr=1")
	t.Setenv("OTEL_SERVICE_NAME", "env")
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "1")
	t.Setenv("OTEL_METRIC_EXPORT_TIMEOUT", "1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:3")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:3")
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			b := newBackend(t)
			endpoint := b.endpoint(protocol)
			if protocol == exporter.ProtocolHTTPProtobuf {
				endpoint = b.http + "/a%2Fb/?token=x"
			}
			p, _ := newPush(t, exporter.PushConfig{
				Endpoint: endpoint, Protocol: protocol,
				Headers:  map[string]string{"X-Ours": "yes", "Authorization": "Bearer ours"},
				Resource: resource.NewSchemaless(attribute.String("service.name", "ours")),
			})
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkArrival(t, b, protocol)
		})
	}
}

func checkArrival(t *testing.T, b *backend, protocol exporter.Protocol) {
	t.Helper()
	all := b.all()
	if len(all) != 1 {
		t.Fatalf("%d requests, want 1", len(all))
	}
	got := all[0]
	if protocol == exporter.ProtocolHTTPProtobuf && got.url != "/a%2Fb/?token=x" {
		t.Errorf("posted to %s", got.url)
	}
	for key, want := range map[string]string{
		"X-Ours": "yes", "Authorization": "Bearer ours", "X-Env": "", "X-Env-Metrics": "", "Content-Encoding": "",
		"Grpc-Encoding": "",
	} {
		if value := got.header.Get(key); value != want {
			t.Errorf("header %s is %q, want %q", key, value, want)
		}
	}
	rm := got.request.GetResourceMetrics()[0]
	attrs := rm.GetResource().GetAttributes()
	if len(attrs) != 1 || attrs[0].GetValue().GetStringValue() != "ours" {
		t.Errorf("resource is %v", attrs)
	}
	if b.metric("g").GetGauge().GetDataPoints()[0].GetAsInt() != 1 {
		t.Errorf("the metric did not arrive: %v", rm)
	}
}

func TestPushCompressesWithGzip(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			b := newBackend(t)
			p, _ := newPush(t, exporter.PushConfig{Endpoint: b.endpoint(protocol), Protocol: protocol, Compression: exporter.CompressionGzip})
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if b.metric("g") == nil {
				t.Fatal("nothing arrived")
			}
			if protocol == exporter.ProtocolHTTPProtobuf && b.all()[0].header.Get("Content-Encoding") != "gzip" {
				t.Error("not compressed")
			}
			if s := p.Stats(); s.Bytes <= 0 {
				t.Errorf("Bytes is %d", s.Bytes)
			}
		})
	}
}

// F3, F5: what fails to be collected is reported, and the rest goes out.
func TestPushSurvivesBadProducers(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	for name, bad := range map[string]produce{
		"error": func(context.Context) ([]metricdata.ScopeMetrics, error) { return nil, errors.New("boom") },
		"panic": func(context.Context) ([]metricdata.ScopeMetrics, error) { panic("boom") },
		"hang":  func(context.Context) ([]metricdata.ScopeMetrics, error) { <-hang; return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t)
			p, log := newPush(t, exporter.PushConfig{
				Endpoint: b.endpoint(""), ExportTimeout: 200 * time.Millisecond,
				Producers: []sdkmetric.Producer{bad, gauge("g", 1)},
			})
			for range 2 {
				if err := p.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := len(b.all()); got != 2 {
				t.Errorf("%d requests, want 2", got)
			}
			if got := p.Stats().CollectErrors; got != 2 {
				t.Errorf("CollectErrors is %d, want 2", got)
			}
			if !strings.Contains(log.String(), "left out") {
				t.Errorf("nothing in the log: %s", log)
			}
		})
	}
}

func TestPushOwnInstrumentsSurviveAFailingCallback(t *testing.T) {
	b := newBackend(t)
	p, _ := newPush(t, exporter.PushConfig{Endpoint: b.endpoint("")})
	meter := p.MeterProvider().Meter("runtime")
	_, err := meter.Int64ObservableGauge("bad", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		return errors.New("boom")
	}))
	if err != nil {
		t.Fatal(err)
	}
	good, err := meter.Int64Counter("good")
	if err != nil {
		t.Fatal(err)
	}
	good.Add(t.Context(), 3)
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.metric("good").GetSum().GetDataPoints(); len(got) != 1 || got[0].GetAsInt() != 3 {
		t.Errorf("good arrived as %v", got)
	}
}

func TestNewPushNamesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		cfg  exporter.PushConfig
		want []string
	}{
		{exporter.PushConfig{}, []string{`Endpoint=""`, "https://"}},
		{exporter.PushConfig{Endpoint: "host:4318"}, []string{`Endpoint="host:4318"`, "scheme"}},
		{exporter.PushConfig{Endpoint: "ftp://h"}, []string{`"ftp://h"`, "scheme"}},
		{exporter.PushConfig{Endpoint: "http:///v1/metrics"}, []string{"no host"}},
		{exporter.PushConfig{Endpoint: "http://u:secret@h:x/"}, []string{"Endpoint", "not a URL"}},
		{exporter.PushConfig{Endpoint: "http://h", Protocol: "http/json"}, []string{`Protocol="http/json"`, "http/protobuf, grpc"}},
		{exporter.PushConfig{Endpoint: "http://h", Compression: "brotli"}, []string{`Compression="brotli"`, "none, gzip"}},
		{exporter.PushConfig{Endpoint: "http://h", Temporality: "Delta"}, []string{`Temporality="Delta"`, "lowmemory"}},
		{exporter.PushConfig{Endpoint: "http://h", Timeout: -1}, []string{`Timeout="-1ns"`, "negative"}},
		{exporter.PushConfig{Endpoint: "http://h", MaxExportBatchSize: -2}, []string{`MaxExportBatchSize="-2"`, "negative"}},
		{exporter.PushConfig{Endpoint: "http://h", Headers: map[string]string{"a b": "secret"}}, []string{`Headers["a b"]`}},
		{exporter.PushConfig{Endpoint: "http://h", Headers: map[string]string{"k": "secret\n"}}, []string{`Headers["k"]`, "printable"}},
		{exporter.PushConfig{Endpoint: "http://h", Producers: []sdkmetric.Producer{nil}}, []string{"Producers[0]", "nil"}},
	} {
		p, err := exporter.NewPush(t.Context(), tt.cfg)
		if err == nil {
			_ = p.Shutdown(t.Context())
			t.Errorf("%v: accepted", tt.want)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q lacks %q", err, want)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q shows a secret", err)
		}
	}
}

// F16: Shutdown keeps its deadline whatever hangs.
func TestPushShutdownKeepsItsDeadline(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for _, protocol := range protocols {
		for name, prepare := range map[string]func(b *backend, cfg *exporter.PushConfig){
			"backend hangs": func(b *backend, _ *exporter.PushConfig) {
				b.script(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
					func(ctx context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
						<-ctx.Done()
						return nil, ctx.Err()
					})
			},
			"producer hangs": func(_ *backend, cfg *exporter.PushConfig) {
				cfg.Producers = []sdkmetric.Producer{produce(func(context.Context) ([]metricdata.ScopeMetrics, error) {
					<-release
					return nil, nil
				})}
			},
			"nothing listens": func(_ *backend, cfg *exporter.PushConfig) { cfg.Endpoint = "http://127.0.0.1:1/" },
		} {
			t.Run(string(protocol)+" "+name, func(t *testing.T) {
				b := newBackend(t)
				cfg := exporter.PushConfig{Endpoint: b.endpoint(protocol), Protocol: protocol}
				prepare(b, &cfg)
				p, _ := newPush(t, cfg)
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
				defer cancel()
				start := time.Now()
				err := p.Shutdown(ctx)
				if took := time.Since(start); took > 200*time.Millisecond {
					t.Errorf("took %v", took)
				}
				if name != "producer hangs" && err == nil {
					t.Error("no error although nothing was accepted")
				}
				if s := p.Stats(); s.State != exporter.PushStopped || (err != nil && s.PointsLost != 1) {
					t.Errorf("state %s, lost %d (%v)", s.State, s.PointsLost, err)
				}
			})
		}
	}
}

func TestPushShutdownPushesOnceMore(t *testing.T) {
	for _, protocol := range protocols {
		b := newBackend(t)
		p, _ := newPush(t, exporter.PushConfig{Endpoint: b.endpoint(protocol), Protocol: protocol})
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(b.all()); got != 1 {
			t.Errorf("%s: %d requests, want 1", protocol, got)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
		if err := p.ForceFlush(t.Context()); !errors.Is(err, exporter.ErrShutdown) {
			t.Errorf("ForceFlush after Shutdown: %v", err)
		}
	}
}
