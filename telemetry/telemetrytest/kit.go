package telemetrytest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
)

// Kit is an SDK of a test's own. It touches no global, so that tests can run in parallel, and reads
// nothing from the process's environment.
type Kit struct {
	// SDK is what the test hands to the code it tests.
	SDK *telemetry.SDK
}

// Option changes how [New] builds a Kit.
type Option func(testing.TB, *kitOptions)

type kitOptions struct {
	config  telemetry.Config
	options []telemetry.Option
}

// WithConfig replaces the Config, which is otherwise the zero one with a service name. It is to be
// given before the options that change it, such as [WithBackend].
func WithConfig(cfg telemetry.Config) Option {
	return func(_ testing.TB, o *kitOptions) { o.config = cfg }
}

// WithSDKOptions passes options to [telemetry.New].
func WithSDKOptions(opts ...telemetry.Option) Option {
	return func(_ testing.TB, o *kitOptions) { o.options = append(o.options, opts...) }
}

// WithBackend turns push on, to b over protocol, trusting b's certificate where it has one. A Config
// without an interval gets one of an hour, so that the SDK pushes when [telemetry.SDK.ForceFlush] or
// Shutdown says so and the test decides when.
func WithBackend(b *Backend, protocol exporter.Protocol) Option {
	return func(tb testing.TB, o *kitOptions) {
		tb.Helper()
		push := &o.config.Push
		push.Protocol, push.Endpoint = protocol, b.HTTPEndpoint()
		if protocol == exporter.ProtocolGRPC {
			push.Endpoint = b.GRPCEndpoint()
		}
		if b.chain != nil {
			push.Certificate = b.CertificateFile(tb)
		}
		if push.Interval == 0 {
			push.Interval = time.Hour
		}
	}
}

// shutdownTimeout is short because a test may leave its backend hanging.
const shutdownTimeout = time.Second

// New builds an SDK for a test, fails the test when it cannot, and shuts the SDK down when the test
// ends. What the SDK logs goes to the test's output.
func New(tb testing.TB, opts ...Option) *Kit {
	tb.Helper()
	o := kitOptions{config: telemetry.Config{ServiceName: "telemetrytest"}}
	for _, opt := range opts {
		opt(tb, &o)
	}
	logger := slog.New(slog.NewTextHandler(tb.Output(), nil))
	sdk, err := telemetry.New(tb.Context(), o.config, append([]telemetry.Option{telemetry.WithLogger(logger)}, o.options...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if err := sdk.Shutdown(ctx); err != nil {
			tb.Logf("telemetrytest: shutdown: %v", err)
		}
	})
	return &Kit{SDK: sdk}
}

// Scrape scrapes the SDK's /metrics in the Prometheus text format, and fails the test unless the
// answer is 200 and parses.
func (k *Kit) Scrape(tb testing.TB) Exposition {
	tb.Helper()
	w := httptest.NewRecorder()
	k.SDK.MetricsHandler().ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		tb.Fatalf("scrape: status %d: %s", w.Code, w.Body)
	}
	e, err := ParseExposition(w.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// Value scrapes and returns the value of the one series named name, as the exposition has it, that
// has all of labels. It is false when there is none, and when there are several.
func (k *Kit) Value(tb testing.TB, name string, labels map[string]string) (float64, bool) {
	tb.Helper()
	found := k.Scrape(tb).Find(name, labels)
	if len(found) != 1 {
		return 0, false
	}
	return found[0].Value, true
}
