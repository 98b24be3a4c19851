package arch

import (
	"path"
	"testing"
)

// importing is a file that imports name and nothing else.
func importing(name string) string { return "package p\n\nimport _ \"" + name + "\"\n" }

func TestImportsRejected(t *testing.T) {
	tests := []struct{ dir, imports string }{
		{"middleware", Module + "/telemetry"},
		{"middleware", Module + "/exporter"},
		{"middleware", Module + "/internal/guard"},
		{"middleware", "go.opentelemetry.io/otel/sdk/metric"},
		{"middleware", "go.opentelemetry.io/otel/exporters/prometheus"},
		{"middleware", "github.com/prometheus/client_golang/prometheus"},
		{"middleware", "github.com/prometheus/common/model"},
		{"middleware", "os"},
		{"middleware", "os/signal"},
		{"middleware/internal/route", "os"},
		{"exporter", Module + "/telemetry"},
		{"exporter", Module + "/telemetry/telemetrytest"},
		{"exporter", Module + "/middleware"},
		{"exporter", Module + "/internal/guard"},
		{"exporter", "os"},
		{"exporter/internal/batch", "os"},
		{"exporter", "flag"},
		{"exporter", "log"},
		{"exporter", "github.com/prometheus/client_golang/prometheus/promauto"},
		{"exporter/internal/delta", "net/http"},
		{"exporter/internal/exposition", "github.com/prometheus/client_golang/prometheus/promhttp"},
		{"exporter/internal/batch", "go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"},
		{"telemetry", "flag"},
		{"telemetry", "log"},
		{"telemetry", "testing"},
		{"telemetry", Module + "/telemetry/telemetrytest"},
		{"telemetry/telemetrytest", "flag"},
		{"cmd/demo", Module + "/internal/guard"},
		{"cmd/demo", Module + "/telemetry/internal/environment"},
	}
	for _, tt := range tests {
		t.Run(tt.dir+" imports "+path.Base(tt.imports), func(t *testing.T) {
			want(t, run(t, map[string]string{tt.dir + "/x.go": importing(tt.imports)}), "import", `"`+tt.imports+`"`)
		})
	}
}

func TestImportsAccepted(t *testing.T) {
	tests := []struct{ file, imports string }{
		{"middleware/x.go", "net/http"},
		{"middleware/x.go", "log/slog"},
		{"middleware/x.go", "go.opentelemetry.io/otel"},
		{"middleware/x.go", "go.opentelemetry.io/otel/metric/x"},
		{"middleware/x.go", "go.opentelemetry.io/otel/semconv/v1.43.0"},
		{"middleware/x.go", "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"},
		{"exporter/x.go", "go.opentelemetry.io/otel/sdk/metric"},
		{"exporter/x.go", "log/slog"},
		{"exporter/internal/otlptransport/x.go", "net/http"},
		{"exporter/internal/spool/x.go", "os"},
		{"telemetry/x.go", "os"},
		{"telemetry/x.go", Module + "/internal/guard"},
		{"telemetry/telemetrytest/x.go", "testing"},
		{"cmd/demo/x.go", Module + "/telemetry/telemetrytest"},
		{"cmd/demo/x.go", "flag"},
	}
	for _, tt := range tests {
		t.Run(tt.file+" imports "+path.Base(tt.imports), func(t *testing.T) {
			if got := run(t, map[string]string{tt.file: importing(tt.imports)}); len(got) != 0 {
				t.Errorf("violations = %v; want none", got)
			}
		})
	}
}

// TestImportsOfTests shows that the table is about sources: a test may import more.
func TestImportsOfTests(t *testing.T) {
	got := run(t, map[string]string{"middleware/x_test.go": importing("go.opentelemetry.io/otel/sdk/metric")})
	if len(got) != 0 {
		t.Errorf("violations = %v; want none", got)
	}
}

func TestCallsRejected(t *testing.T) {
	tests := []struct{ dir, imports, body string }{
		{"telemetry", `"log"; _ "net"`, `log.Fatalf("x")`},
		{"internal/guard", `"log"`, `log.Fatal("x")`},
		{"telemetry", `"os"`, `os.Exit(1)`},
		{"exporter/internal/spool", `"os"`, `os.Getenv("X")`},
		{"exporter/internal/spool", `"os"`, `os.Environ()`},
		{"telemetry", `"go.opentelemetry.io/otel"`, `otel.SetMeterProvider(nil)`},
		{"telemetry", `api "go.opentelemetry.io/otel"`, `api.SetErrorHandler(nil)`},
		{"telemetry", `"go.opentelemetry.io/otel"`, `f := otel.SetTracerProvider; f(nil)`},
		{"middleware", `"go.opentelemetry.io/otel"`, `otel.SetTextMapPropagator(nil)`},
		{"exporter", `"github.com/prometheus/client_golang/prometheus"`, `use(prometheus.DefaultRegisterer)`},
		{"exporter", `"github.com/prometheus/client_golang/prometheus"`, `use(prometheus.DefaultGatherer)`},
		{"exporter", `prom "github.com/prometheus/client_golang/prometheus"`, `prom.MustRegister(nil)`},
		{"exporter", `"github.com/prometheus/client_golang/prometheus/promhttp"`, `promhttp.Handler()`},
		{"exporter", `"net"`, `net.Listen("tcp", "")`},
		{"telemetry", `"net/http"`, `http.ListenAndServe("", nil)`},
		{"telemetry", `"net/http"`, `http.HandleFunc("/", nil)`},
		{"cmd/demo", `"context"`, `context.TODO()`},
	}
	for _, tt := range tests {
		t.Run(tt.dir+" "+tt.body, func(t *testing.T) {
			src := "package p\n\nimport (" + tt.imports + ")\n\nfunc f() { " + tt.body + " }\n"
			got := run(t, map[string]string{tt.dir + "/x.go": src})
			for i, v := range got {
				if v.Rule == "import" && v.Line == 3 { // package log is refused as an import too
					got = append(got[:i], got[i+1:]...)
					break
				}
			}
			want(t, got, "call", tt.dir+"/x.go:5")
		})
	}
}

func TestCallsAccepted(t *testing.T) {
	tests := []struct{ file, src string }{
		{
			"telemetry/global.go",
			"package telemetry\n\nimport \"go.opentelemetry.io/otel\"\n\n// SetGlobal sets.\nfunc (s *SDK) SetGlobal() { otel.SetMeterProvider(nil) }\n",
		},
		{"telemetry/x.go", "package telemetry\n\nimport \"go.opentelemetry.io/otel\"\n\nvar h = otel.GetErrorHandler()\n"},
		{"exporter/x.go", "package exporter\n\nimport \"github.com/prometheus/client_golang/prometheus\"\n\nvar r = prometheus.NewRegistry()\n"},
		{"cmd/demo/main.go", "package main\n\nimport \"log\"\n\nfunc main() { log.Fatal() }\n"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			if got := run(t, map[string]string{tt.file: tt.src}); len(got) != 0 {
				t.Errorf("violations = %v; want none", got)
			}
		})
	}
}
