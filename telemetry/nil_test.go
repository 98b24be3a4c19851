package telemetry_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/duotel/duotel/middleware"
	"github.com/duotel/duotel/telemetry"
)

// nilOptions are the options that take something live, each given nil in the ways there are.
func nilOptions() map[string][]telemetry.Option {
	var (
		registry *prometheus.Registry
		tracers  *sdktrace.TracerProvider
		buffer   *bytes.Buffer
		gather   prometheus.GathererFunc
	)
	return map[string][]telemetry.Option{
		"WithLogger":           {telemetry.WithLogger((*slog.Logger)(nil))},
		"WithErrorHandler":     {telemetry.WithErrorHandler(nil)},
		"WithGatherer":         {telemetry.WithGatherer(nil), telemetry.WithGatherer(registry), telemetry.WithGatherer(gather)},
		"WithView":             {telemetry.WithView(nil)},
		"WithCardinalityLimit": {telemetry.WithCardinalityLimit(nil)},
		"WithTracerProvider":   {telemetry.WithTracerProvider(nil), telemetry.WithTracerProvider(tracers)},
		"WithPullFilter":       {telemetry.WithPullFilter(nil)},
		"WithPushFilter":       {telemetry.WithPushFilter(nil)},
		"WithAuthorizer":       {telemetry.WithAuthorizer(nil)},
		"WithDiscoveryStore":   {telemetry.WithDiscoveryStore("etcd", nil)},
		"WithPushDial":         {telemetry.WithPushDial(nil)},
		"WithConsole":          {telemetry.WithConsole(nil), telemetry.WithConsole(io.Writer(buffer))},
		"option 1":             {nil},
	}
}

// TestF51NilOptions wants New to refuse each, with its name and without anything of it at work.
func TestF51NilOptions(t *testing.T) {
	for name, opts := range nilOptions() {
		for _, opt := range opts {
			sdk, err := telemetry.New(t.Context(), telemetry.Config{}, opt)
			if err == nil {
				_ = sdk.Shutdown(t.Context())
				t.Errorf("%s: New takes nil", name)
			} else if !strings.Contains(err.Error(), "telemetry: "+name+`="<nil>": is nil; `) {
				t.Errorf("%s: %v, want the option's name", name, err)
			}
		}
	}
}

// TestF51EveryOption wants the table above to have every option with an argument.
func TestF51EveryOption(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := nilOptions()
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "With") || len(f.Type.Params.List) == 0 {
			continue
		}
		if known[f.Name.Name] == nil {
			t.Errorf("%s is not tried with nil", f.Name.Name)
		}
	}
}

// TestF51MissingToken is how people get a nil authorizer: by an error that they did not look at.
func TestF51MissingToken(t *testing.T) {
	a, _ := telemetry.BearerTokenFile("missing")
	if _, err := telemetry.New(t.Context(), telemetry.Config{}, telemetry.WithAuthorizer(a)); err == nil || !strings.Contains(err.Error(), "WithAuthorizer") {
		t.Errorf("New: %v, want an error that names the option", err)
	}
}

// TestF51AllAtOnce wants what is wrong with the Config and with options in one error.
func TestF51AllAtOnce(t *testing.T) {
	_, err := telemetry.New(t.Context(), telemetry.Config{Exporters: []telemetry.ExporterName{"carrier pigeon"}},
		telemetry.WithView(nil), telemetry.WithAuthorizer(nil), nil)
	for _, want := range []string{"carrier pigeon", "WithView", "WithAuthorizer", "option 3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// TestF51MiddlewareWithABadOption panics where it is built. It serves nothing unmeasured.
func TestF51MiddlewareWithABadOption(t *testing.T) {
	sdk, _ := newSDK(t, telemetry.Config{})
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for want, opt := range map[string]middleware.Option{
		"WithSizeBuckets":    middleware.WithSizeBuckets(2, 1),
		"WithAttributeLimit": middleware.WithAttributeLimit(0),
		"WithAttributes":     middleware.WithAttributes(nil),
		"option":             nil,
	} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), want) {
					t.Errorf("panicked with %v, want an error that names %s", err, want)
				}
			}()
			sdk.Middleware(next, opt)
		}()
	}
	sdk.Middleware(next).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}

// TestF52MiddlewaresFailures go to the handler of WithErrorHandler, as everything else does.
func TestF52MiddlewaresFailures(t *testing.T) {
	h := new(collected)
	sdk, _ := newSDK(t, telemetry.Config{}, telemetry.WithErrorHandler(h.handle))
	handler := sdk.Middleware(http.NotFoundHandler(), middleware.WithAttributes(panicsAt("/bad")))
	for _, path := range []string{"/bad", "/bad", "/good", "/bad"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	if got := h.all(); !slices.Equal(got, []string{"middleware: WithAttributes: the function panicked: no"}) {
		t.Errorf("told %q, want it when it begins", got)
	}
}

// TestF52OpenTelemetrysErrors reach the handler after SetGlobal, and otel.Handle as the handler is no circle.
func TestF52OpenTelemetrysErrors(t *testing.T) {
	t.Cleanup(func() {
		otel.SetMeterProvider(metricnoop.NewMeterProvider())
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Print(err) }))
	})
	h := new(collected)
	sdk, _ := newSDK(t, telemetry.Config{}, telemetry.WithErrorHandler(h.handle))
	sdk.SetGlobal()
	otel.Handle(errors.New("somebody's bridge"))
	if got := h.all(); !slices.Equal(got, []string{"somebody's bridge"}) {
		t.Errorf("told %q", got)
	}
	for name, f := range map[string]func(error){"otel.Handle": otel.Handle, "around it": func(err error) { otel.Handle(err) }} {
		circle, _ := newSDK(t, telemetry.Config{}, telemetry.WithErrorHandler(f))
		circle.SetGlobal()
		otel.Handle(errors.New(name)) // comes back
	}
}

// collected keeps what a handler was told.
type collected struct {
	mu   sync.Mutex
	told []string
}

func (c *collected) handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, err.Error())
}

func (c *collected) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}

// panicsAt gives an attribute, but for the requests of one path.
func panicsAt(path string) func(*http.Request) []attribute.KeyValue {
	return func(r *http.Request) []attribute.KeyValue {
		if r.URL.Path == path {
			panic("no")
		}
		return []attribute.KeyValue{attribute.String("k", "v")}
	}
}

// TestRenamedInstrumentAtItsLimit is named in the log, with the limit that the function gave its first name.
func TestRenamedInstrumentAtItsLimit(t *testing.T) {
	sdk, text := newSDK(t, telemetry.Config{},
		telemetry.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: "jobs"}, sdkmetric.Stream{Name: "work"})),
		telemetry.WithCardinalityLimit(func(i sdkmetric.Instrument) int {
			if i.Name == "jobs" {
				return 3
			}
			return 0
		}))
	c, _ := sdk.MeterProvider().Meter("app").Int64Counter("jobs")
	for i := range 5 {
		c.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("i", i)))
	}
	scrape(sdk.MetricsHandler())
	if want := "cardinality: work: 3 of 3 series are used"; !strings.Contains(text.String(), want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}

// TestFunctionsOfTheApplicationMakeInstruments calls back into the provider from a limit's function, for an instrument of the same meter, and
// from a view, for one of another.
func TestFunctionsOfTheApplicationMakeInstruments(t *testing.T) {
	var provider metric.MeterProvider
	within := func(meter, name string) {
		if provider != nil && name == "outer" {
			c, _ := provider.Meter(meter).Int64Counter("inner")
			c.Add(t.Context(), 1)
		}
	}
	sdk, _ := newSDK(t, telemetry.Config{},
		telemetry.WithView(func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			within("other", i.Name)
			return sdkmetric.Stream{}, false
		}),
		telemetry.WithCardinalityLimit(func(i sdkmetric.Instrument) int {
			within("app", i.Name)
			return 0
		}))
	provider = sdk.MeterProvider()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, _ := provider.Meter("app").Int64Counter("outer")
		c.Add(t.Context(), 1)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("making an instrument hangs")
	}
	page := scrape(sdk.MetricsHandler()).Body.String()
	for _, want := range []string{`outer_total{otel_scope_name="app"} 1`, `inner_total{otel_scope_name="app"} 1`, `inner_total{otel_scope_name="other"}`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
}
