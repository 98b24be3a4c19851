package arch

import "strings"

// importRule says what the sources of a directory may import. Tests may import more.
type importRule struct {
	// dir and everything below it, except what is below one of except.
	dir    string
	except []string
	// allowed lists import paths outside the standard library, each with everything below it;
	// nil allows any. A trailing "=" means that path alone.
	allowed []string
	// forbidden lists import paths, each with everything below it, from the standard library too.
	// It wins over allowed.
	forbidden []string
	because   string
}

// everybodys are packages that know nothing of this module, and that every other may import.
var everybodys = []string{Module + "/internal/given=", Module + "/internal/report=", Module + "/internal/spooldisk="}

// imports is the table of packages in docs/architecture.md.
var imports = []importRule{
	{
		dir: "middleware",
		allowed: []string{
			Module + "/middleware",
			"go.opentelemetry.io/otel=",
			"go.opentelemetry.io/otel/attribute",
			"go.opentelemetry.io/otel/codes",
			"go.opentelemetry.io/otel/metric",
			"go.opentelemetry.io/otel/propagation",
			"go.opentelemetry.io/otel/semconv",
			"go.opentelemetry.io/otel/trace",
			"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
			"github.com/felixge/httpsnoop",
		},
		forbidden: []string{"os", "flag", "log="},
		because:   "middleware knows HTTP and the OpenTelemetry API, and neither SDK, exits nor environment",
	},
	{
		dir:       "exporter",
		forbidden: []string{Module + "/telemetry", Module + "/middleware", Module + "/internal", "flag", "log="},
		because:   "an exit gets everything it needs by parameter",
	},
	{
		dir: "exporter",
		// The spool is files. What it may not do with os is in the table of calls.
		except:    []string{"exporter/internal/spool"},
		forbidden: []string{"os"},
		because:   "an exit reads no environment",
	},
	{
		dir:       "exporter",
		forbidden: []string{"github.com/prometheus/client_golang/prometheus/promauto"},
		because:   "promauto registers on the default registry, which belongs to the application",
	},
	{
		dir: "exporter/internal",
		// These two are the OTLP client itself and what it reads from an answer.
		except: []string{"exporter/internal/otlptransport", "exporter/internal/otlpanswer"},
		forbidden: []string{
			"net/http",
			"go.opentelemetry.io/otel/exporters",
			"github.com/prometheus/client_golang/prometheus/promhttp",
		},
		because: "an algorithm of its own knows no HTTP handler and no OTLP client, so that it can be fuzzed alone",
	},
	{
		dir:       "discovery",
		forbidden: []string{Module + "/exporter", Module + "/middleware", Module + "/telemetry", Module + "/internal", "go.opentelemetry.io/otel/sdk", "flag", "log="},
		because:   "who is to be scraped has nothing to do with what is measured, and can be used without it",
	},
	{
		dir:       "discovery",
		except:    []string{"discovery/etcd"},
		forbidden: []string{Module + "/discovery/etcd", "go.etcd.io/etcd", "google.golang.org/grpc"},
		because:   "who does not keep the list in etcd does not link its client",
	},
	{
		dir:       "telemetry",
		forbidden: []string{"flag", "log=", Module + "/cmd", Module + "/internal/arch", Module + "/internal/apigolden"},
		because:   "a library has no flags, and logs through the application's slog",
	},
	{
		dir:       "telemetry",
		except:    []string{"telemetry/telemetrytest"},
		forbidden: []string{Module + "/telemetry/telemetrytest", "testing", "net/http/httptest"},
		because:   "the test kit depends on the SDK, never the other way",
	},
	{
		dir:     "internal/given",
		allowed: []string{},
		because: "every package may import it",
	},
	{
		dir:     "internal/report",
		allowed: []string{"golang.org/x/time/rate"},
		because: "every package may import it",
	},
	{
		dir:       "cmd/demo",
		forbidden: []string{Module + "/internal", Module + "/exporter/internal", Module + "/telemetry/internal", Module + "/middleware/internal"},
		because:   "the demo does what a user could do",
	},
}

// checkImports applies the table of imports.
func checkImports(p pkg) []Violation {
	var out []Violation
	for _, rule := range imports {
		if !rule.covers(p) {
			continue
		}
		for _, f := range p.sources() {
			for _, spec := range f.ast.Imports {
				if name := importPath(spec); !rule.admits(name) {
					out = append(out, f.violation(spec.Pos(), "import", "%s may not import %q: %s", rule.dir, name, rule.because))
				}
			}
		}
	}
	return out
}

func (r importRule) covers(p pkg) bool {
	for _, dir := range r.except {
		if p.in(dir) {
			return false
		}
	}
	return p.in(r.dir)
}

func (r importRule) admits(name string) bool {
	if matchesAny(name, everybodys) {
		return true
	}
	if matchesAny(name, r.forbidden) {
		return false
	}
	return r.allowed == nil || isStandard(name) || matchesAny(name, r.allowed)
}

func matchesAny(name string, paths []string) bool {
	for _, p := range paths {
		exact, alone := strings.CutSuffix(p, "=")
		if name == exact || !alone && under(name, p) {
			return true
		}
	}
	return false
}

// isStandard says whether name is a package of the standard library: its first element has no dot.
func isStandard(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".")
}
