package telemetry_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// pushField sets one field of a PushConfig, or those that only make sense together, and looks for its
// effect at the backend after one push.
type pushField struct {
	options []telemetrytest.BackendOption
	set     func(testing.TB, *telemetrytest.Backend, *telemetry.PushConfig)
	seen    func(*testing.T, *telemetrytest.Backend, telemetry.PushConfig)
	fails   bool // the push
}

// setting is a set that needs neither the test nor the backend.
func setting(f func(*telemetry.PushConfig)) func(testing.TB, *telemetrytest.Backend, *telemetry.PushConfig) {
	return func(_ testing.TB, _ *telemetrytest.Backend, c *telemetry.PushConfig) { f(c) }
}

// everyPush fails unless every request that carries data is as it should be.
func everyPush(ok func(telemetrytest.Request) bool) func(*testing.T, *telemetrytest.Backend, telemetry.PushConfig) {
	return func(t *testing.T, b *telemetrytest.Backend, _ telemetry.PushConfig) {
		t.Helper()
		if len(pushes(b)) == 0 {
			t.Error("nothing arrived")
		}
		for _, r := range pushes(b) {
			if !ok(r) {
				t.Errorf("request %d: %s %s %s, encoding %q, %d points, header %v", r.Seq, r.Protocol, r.Path, r.Answer, r.Encoding, r.Points, r.Header)
			}
		}
	}
}

// overTLS makes the endpoint and the authority to trust those of a backend that has WithTLS.
func overTLS(tb testing.TB, b *telemetrytest.Backend, c *telemetry.PushConfig) {
	c.Certificate = b.CertificateFile(tb)
}

var arrives = everyPush(func(telemetrytest.Request) bool { return true })

// pushFields has a row for every field, by name.
var pushFields = map[string]pushField{
	"Endpoint": {
		options: []telemetrytest.BackendOption{telemetrytest.WithPath("/some/where")},
		set:     setting(func(*telemetry.PushConfig) {}),
		seen:    everyPush(func(r telemetrytest.Request) bool { return r.Path == "/some/where" }),
	},
	"Protocol": {
		set: func(_ testing.TB, b *telemetrytest.Backend, c *telemetry.PushConfig) {
			c.Protocol, c.Endpoint = exporter.ProtocolGRPC, b.GRPCEndpoint()
		},
		seen: everyPush(func(r telemetrytest.Request) bool { return r.Protocol == exporter.ProtocolGRPC }),
	},
	"Headers": {
		set:  setting(func(c *telemetry.PushConfig) { c.Headers = exporter.NewSecrets(map[string]string{"X-Tenant": "blue"}) }),
		seen: everyPush(func(r telemetrytest.Request) bool { return r.Header.Get("X-Tenant") == "blue" }),
	},
	"HeadersFile": {
		set: func(tb testing.TB, _ *telemetrytest.Backend, c *telemetry.PushConfig) {
			c.HeadersFile = fileWith(tb, "headers", "X-Tenant=blue\n")
		},
		seen: everyPush(func(r telemetrytest.Request) bool { return r.Header.Get("X-Tenant") == "blue" }),
	},
	"Timeout": { // the push itself hangs once, and is sent again long before the default has passed
		set: func(_ testing.TB, b *telemetrytest.Backend, c *telemetry.PushConfig) {
			b.Script(telemetrytest.Accept(), telemetrytest.Hang())
			c.Timeout = 2 * time.Second
		},
		seen: arrives,
	},
	"Compression": {
		set:  setting(func(c *telemetry.PushConfig) { c.Compression = exporter.CompressionGzip }),
		seen: everyPush(func(r telemetrytest.Request) bool { return r.Encoding == "gzip" && r.WireBytes < r.Bytes }),
	},
	"Certificate":       {options: []telemetrytest.BackendOption{telemetrytest.WithTLS()}, set: overTLS, seen: arrives},
	"ClientCertificate": {options: []telemetrytest.BackendOption{telemetrytest.WithMutualTLS()}, set: overMutualTLS, seen: arrives},
	"ClientKey":         {options: []telemetrytest.BackendOption{telemetrytest.WithMutualTLS()}, set: overMutualTLS, seen: arrives},
	"Insecure": {
		set: func(_ testing.TB, b *telemetrytest.Backend, c *telemetry.PushConfig) {
			c.Protocol, c.Endpoint, c.Insecure = exporter.ProtocolGRPC, strings.TrimPrefix(b.GRPCEndpoint(), "http://"), true
		},
		seen: arrives,
	},
	"Temporality": {
		set: setting(func(c *telemetry.PushConfig) { c.Temporality = exporter.TemporalityLowMemory }),
		seen: func(t *testing.T, b *telemetrytest.Backend, _ telemetry.PushConfig) {
			want := map[string]metricdata.Temporality{
				"jobs": metricdata.DeltaTemporality, "wait": metricdata.DeltaTemporality, "observed": metricdata.CumulativeTemporality,
			}
			for name, temporality := range want {
				if found := b.Find(name, nil); len(found) != 1 || found[0].Temporality != temporality {
					t.Errorf("%s is %v, want one series, %s", name, found, temporality)
				}
			}
		},
	},
	"HistogramAggregation": {
		set: setting(func(c *telemetry.PushConfig) { c.HistogramAggregation = telemetry.HistogramBase2 }),
		seen: func(t *testing.T, b *telemetrytest.Backend, _ telemetry.PushConfig) {
			found := b.Find("wait", nil)
			if len(found) != 1 || found[0].Kind != telemetrytest.KindExponentialHistogram || found[0].Exponential.Scale != 20 {
				t.Errorf("the histogram arrived as %+v", found)
			}
		},
	},
	"Interval": {
		set: setting(func(c *telemetry.PushConfig) { c.Interval = 20 * time.Millisecond }),
		seen: func(t *testing.T, b *telemetrytest.Backend, _ telemetry.PushConfig) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := b.WaitFor(ctx, 4); err != nil { // the preflight, the flush, and two that nobody asked for
				t.Error(err)
			}
		},
	},
	"ExportTimeout": { // the push hangs, and is given up long before the defaults have passed
		set: func(_ testing.TB, b *telemetrytest.Backend, c *telemetry.PushConfig) {
			b.Script(telemetrytest.Accept())
			b.Default(telemetrytest.Hang())
			c.ExportTimeout = 200 * time.Millisecond
		},
		seen:  func(*testing.T, *telemetrytest.Backend, telemetry.PushConfig) {},
		fails: true,
	},
	"MaxExportBatchSize": {
		set:  setting(func(c *telemetry.PushConfig) { c.MaxExportBatchSize = 3 }),
		seen: everyPush(func(r telemetrytest.Request) bool { return r.Points <= 3 }),
	},
	"SpoolDir": {
		set: func(tb testing.TB, b *telemetrytest.Backend, c *telemetry.PushConfig) {
			b.Script(telemetrytest.Accept())
			b.Default(outage)
			c.SpoolDir = tb.TempDir()
		},
		seen: func(t *testing.T, _ *telemetrytest.Backend, c telemetry.PushConfig) {
			if files := must(filepath.Glob(filepath.Join(c.SpoolDir, "*.otlp"))); len(files) == 0 {
				t.Error("nothing is in the spool")
			}
		},
		fails: true,
	},
}

func overMutualTLS(tb testing.TB, b *telemetrytest.Backend, c *telemetry.PushConfig) {
	overTLS(tb, b, c)
	c.ClientCertificate, c.ClientKey = b.ClientFiles(tb)
}

// flushLimit is far more than a push to loopback takes, and less than the defaults of what bounds one.
const flushLimit = exporter.DefaultPushTimeout * 3 / 4

// TestEveryPushFieldArrives sets the fields of a PushConfig one by one. A field without a row is a failure.
func TestEveryPushFieldArrives(t *testing.T) {
	fields := reflect.TypeFor[telemetry.PushConfig]()
	if fields.NumField() != len(pushFields) {
		t.Errorf("%d fields, and %d rows", fields.NumField(), len(pushFields))
	}
	for field := range fields.Fields() {
		t.Run(field.Name, func(t *testing.T) {
			t.Parallel()
			row, ok := pushFields[field.Name]
			if !ok {
				t.Fatal("there is no row for this field")
			}
			backend := telemetrytest.NewBackend(t, row.options...)
			push := telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}
			row.set(t, backend, &push)
			pushOnce(t, push, row.fails)
			row.seen(t, backend, push)
		})
	}
}

// pushOnce records something of every kind and flushes, after a preflight that is accepted.
func pushOnce(t *testing.T, push telemetry.PushConfig, fails bool) {
	t.Helper()
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", Push: push}, telemetry.WithStrictPush())
	m := sdk.MeterProvider().Meter("app")
	must(m.Int64Counter("jobs")).Add(t.Context(), 1)
	must(m.Float64Histogram("wait")).Record(t.Context(), 1)
	must(m.Int64ObservableCounter("observed", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(1)
		return nil
	})))
	ctx, cancel := context.WithTimeout(t.Context(), flushLimit)
	defer cancel()
	if err := sdk.ForceFlush(ctx); (err != nil) != fails || ctx.Err() != nil {
		t.Errorf("ForceFlush returned %v, its context has %v", err, ctx.Err())
	}
}

// TestPushDial pushes to a host that nobody knows, through a tunnel that a program has for it.
func TestPushDial(t *testing.T) {
	for _, protocol := range []exporter.Protocol{exporter.ProtocolHTTPProtobuf, exporter.ProtocolGRPC} {
		backend := telemetrytest.NewBackend(t)
		there, endpoint := backend.HTTPEndpoint(), "http://metrics.invalid:4318/v1/metrics"
		if protocol == exporter.ProtocolGRPC {
			there, endpoint = backend.GRPCEndpoint(), "http://metrics.invalid:4317"
		}
		target := must(url.Parse(there))
		var asked atomic.Value
		tunnel := func(ctx context.Context, network, address string) (net.Conn, error) {
			asked.Store(address)
			return new(net.Dialer).DialContext(ctx, network, target.Host)
		}
		sdk, _ := newSDK(t, telemetry.Config{Push: telemetry.PushConfig{Endpoint: endpoint, Protocol: protocol}}, telemetry.WithPushDial(tunnel))
		must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(t.Context(), 1)
		if err := sdk.ForceFlush(t.Context()); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
		if want := must(url.Parse(endpoint)).Host; asked.Load() != want || backend.Sum("jobs", nil) != 1 {
			t.Errorf("%s: dialled %v, want %s; the backend has %v", protocol, asked.Load(), want, backend.Sum("jobs", nil))
		}
	}
}

// TestPushThroughAProxy pushes to a host that does not exist through the proxy of the environment, which a
// process reads once: so this is a process of its own.
func TestPushThroughAProxy(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	done(t, proxied("HTTP_PROXY="+strings.TrimSuffix(backend.HTTPEndpoint(), "/v1/metrics"), "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://backend.invalid/v1/metrics"))
	if got := backend.Sum("jobs", nil); got != 1 {
		t.Errorf("jobs arrived as %v, want 1", got)
	}
}

// F39: grpc takes the proxy of https, as grpc-go does by itself, and NO_PROXY holds.
func TestF39GRPCThroughTheProxyOfTheEnvironment(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	asked := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		there := must(net.Dial("tcp", strings.TrimPrefix(backend.GRPCEndpoint(), "http://")))
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		var copying sync.WaitGroup
		copying.Go(func() {
			_, _ = io.Copy(there, here)
			_ = there.Close()
		})
		_, _ = io.Copy(here, there)
		_ = here.Close()
		copying.Wait()
	}))
	t.Cleanup(proxy.Close)
	done(t, proxied("HTTPS_PROXY="+proxy.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://backend.invalid:4317"))
	if got := backend.Sum("jobs", nil); got != 1 || len(asked) == 0 || <-asked != "CONNECT backend.invalid:4317" {
		t.Errorf("jobs arrived as %v, want 1, and through the proxy", got)
	}
	for len(asked) > 0 {
		<-asked
	}
	// The push fails then, and with it the job.
	_ = proxied("HTTPS_PROXY="+proxy.URL, "NO_PROXY=.invalid", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_TIMEOUT=200",
		"OTEL_METRIC_EXPORT_TIMEOUT=200", "OTEL_EXPORTER_OTLP_ENDPOINT=http://backend.invalid:4317")
	if len(asked) > 0 {
		t.Errorf("the proxy was asked for %s, which NO_PROXY excludes", <-asked)
	}
}

// proxied runs TestRunJob in a process with more environment.
func proxied(more ...string) error {
	cmd := exec.Command(os.Args[0], "-test.run=^TestRunJob$")
	cmd.Env = append(os.Environ(), "DUOTEL_TEST_JOB=return", "OTEL_METRIC_EXPORT_INTERVAL=2147483647", "NO_PROXY=", "no_proxy=")
	cmd.Env = append(cmd.Env, more...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func done(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
