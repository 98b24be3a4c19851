package exporter_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

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
			b := newLoopback(t)
			p, _ := newPush(t, b.to(protocol, exporter.PushConfig{
				Endpoint: strings.Replace(b.urls[protocol], "/v1/metrics", "/a%2Fb/?token=x", 1),
				Headers:  exporter.NewSecrets(map[string]string{"X-Ours": "yes", "Authorization": "Bearer ours"}),
				Resource: resource.NewSchemaless(attribute.String("service.name", "ours")),
			}))
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
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		size := map[exporter.Compression]int64{}
		for _, compression := range []exporter.Compression{exporter.CompressionNone, exporter.CompressionGzip} {
			p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Compression: compression, Producers: gauges(50)}))
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			size[compression] = p.Stats().Bytes
		}
		if plain, packed := size[exporter.CompressionNone], size[exporter.CompressionGzip]; packed <= 0 || packed > plain/2 {
			t.Errorf("%d bytes, compressed %d", plain, packed)
		}
		for _, a := range b.all() {
			if a.points() != 50 {
				t.Errorf("%d points arrived", a.points())
			}
		}
	})
}

// F3, F5: what fails to be collected is reported, and the rest goes out.
func TestPushSurvivesBadProducers(t *testing.T) {
	for name, bad := range map[string]func(hang chan struct{}) error{
		"error": func(chan struct{}) error { return errors.New("boom") },
		"panic": func(chan struct{}) error { panic("boom") },
		"exit":  func(chan struct{}) error { runtime.Goexit(); return nil },
		"hang":  func(hang chan struct{}) error { <-hang; return nil },
	} {
		everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
			hang := make(chan struct{})
			defer close(hang)
			p, log := newPush(t, b.to(protocol, exporter.PushConfig{Producers: []sdkmetric.Producer{
				produce(func(context.Context) ([]metricdata.ScopeMetrics, error) { return nil, bad(hang) }),
				gauge("g", 1),
			}}))
			start := time.Now()
			for range 2 {
				if err := p.ForceFlush(t.Context()); err == nil || !strings.Contains(err.Error(), "incomplete: ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: %v, want one line that says what the push lacks", name, err)
				}
			}
			if took := time.Since(start); took > 0 && name != "hang" {
				t.Errorf("%s took %v", name, took)
			}
			if s := p.Stats(); s.PointsSent != 2 || s.CollectErrors != 2 || len(b.all()) != 2 || s.State != exporter.PushFailing || !s.LastSuccess.IsZero() {
				t.Errorf("%s: %+v", name, s)
			}
			if log.count("left out") == 0 {
				t.Errorf("%s: nothing in the log: %s", name, log)
			}
		})
	}
}

// A producer that has returned is free, however soon the next push comes.
func TestPushAsksEveryProducerEveryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const producers, pushes = 100, 100
		b := newBackend(t)
		p, log := newPush(t, b.to("", exporter.PushConfig{Producers: gauges(producers)}))
		for range pushes {
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s := p.Stats(); s.PointsSent != producers*pushes || s.CollectErrors != 0 {
			t.Errorf("%d points sent, want %d; log:\n%s", s.PointsSent, producers*pushes, log)
		}
	})
}

func TestPushOwnInstrumentsSurviveAFailingCallback(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{}))
		meter := p.MeterProvider().Meter("runtime")
		must(meter.Int64ObservableGauge("bad", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			return errors.New("boom")
		})))
		must(meter.Int64Counter("good")).Add(t.Context(), 3)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.metric("good").GetSum().GetDataPoints(); len(got) != 1 || got[0].GetAsInt() != 3 {
			t.Errorf("good arrived as %v", got)
		}
	})
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
		{exporter.PushConfig{Endpoint: "http://h", Headers: exporter.NewSecrets(map[string]string{"a b": "secret"})}, []string{`Headers["a b"]`}},
		{exporter.PushConfig{Endpoint: "http://h", Headers: exporter.NewSecrets(map[string]string{"k": "secret\n"})}, []string{`Headers["k"]`, "printable"}},
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
