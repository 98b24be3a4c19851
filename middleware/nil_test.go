package middleware_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/duotel/duotel/middleware"
)

// nilOptions are the options that take something live, each given nil in the ways there are.
func nilOptions() map[string][]middleware.Option {
	var (
		meters  *sdkmetric.MeterProvider
		tracers *sdktrace.TracerProvider
	)
	return map[string][]middleware.Option{
		"WithMeterProvider":  {middleware.WithMeterProvider(nil), middleware.WithMeterProvider(meters)},
		"WithTracerProvider": {middleware.WithTracerProvider(nil), middleware.WithTracerProvider(tracers)},
		"WithPropagators":    {middleware.WithPropagators(nil)},
		"WithMux":            {middleware.WithMux(nil)},
		"WithAttributes":     {middleware.WithAttributes(nil)},
		"WithURLTemplate":    {middleware.WithURLTemplate(nil)},
		"WithErrorHandler":   {middleware.WithErrorHandler(nil)},
		"WithExcluded":       {middleware.WithExcluded(nil)},
		"option 1":           {nil},
	}
}

// TestF51NilOptions wants servers and clients to refuse each, with its name.
func TestF51NilOptions(t *testing.T) {
	for name, opts := range nilOptions() {
		for _, opt := range opts {
			_, server := middleware.New(opt)
			_, client := middleware.NewTransport(nil, opt)
			for _, err := range []error{server, client} {
				if err == nil || !strings.Contains(err.Error(), "middleware: "+name+`="<nil>": `) {
					t.Errorf("%s: %v, want an error that names the option", name, err)
				}
			}
		}
	}
}

// TestF51EveryOption wants the table above to have every option that takes a pointer, an interface or a function.
func TestF51EveryOption(t *testing.T) {
	known := nilOptions()
	for _, name := range []string{"option.go", "option_own.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "With") || len(f.Type.Params.List) == 0 {
				continue
			}
			live := f.Type.Params.List[0].Type
			if many, ok := live.(*ast.Ellipsis); ok {
				live = many.Elt
			}
			if s, ok := live.(*ast.SelectorExpr); ok && s.Sel.Name == "Duration" {
				continue // a number
			}
			if _, plain := live.(*ast.Ident); !plain && known[f.Name.Name] == nil {
				t.Errorf("%s is not tried with nil", f.Name.Name)
			}
		}
	}
}

// TestF52FailuresBegin has functions that panic now and then, and what the handler is told: a failure is over after a minute.
func TestF52FailuresBegin(t *testing.T) { synctest.Test(t, failuresBegin) }

func failuresBegin(t *testing.T) {
	var told []string
	handle := middleware.WithErrorHandler(func(err error) { told = append(told, err.Error()) })
	panics := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "bad") }
	server, err := middleware.New(handle, middleware.WithAttributes(func(r *http.Request) []attribute.KeyValue {
		if panics(r) {
			panic("attributes")
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	client, err := middleware.NewTransport(noNetwork{}, handle, middleware.WithURLTemplate(func(r *http.Request) string {
		if panics(r) {
			panic("template")
		}
		return ""
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/bad", "/bad", "/good", "/bad", "/later", "/bad", "/good"} {
		if path == "/later" {
			time.Sleep(time.Minute)
		}
		server.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		_, _ = client.RoundTrip(httptest.NewRequest(http.MethodGet, "http://backend"+path, nil)) //nolint:bodyclose // there is none
	}
	attributes, template := "middleware: WithAttributes: the function panicked: attributes", "middleware: WithURLTemplate: the function panicked: template"
	if want := []string{attributes, template, attributes, template}; !slices.Equal(told, want) {
		t.Errorf("told %q, want each when it begins", told)
	}
}

// noNetwork is a transport without a network.
type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }
