package arch

import (
	"go/ast"
	"strings"
)

// callRule names identifiers of imported packages that a directory's sources do not use, whether by
// call or as a value.
type callRule struct {
	// dir and everything below it ("" is the whole module), except what is below one of except.
	dir    string
	except []string
	// path is the imported package; names are its identifiers, a trailing "*" standing for any end.
	path  string
	names []string
	// unlessIn is the name of the one function or method that may use them.
	unlessIn string
	because  string
}

const clientGolang = "github.com/prometheus/client_golang/prometheus"

var calls = []callRule{
	{
		except: []string{"cmd"}, path: "log", names: []string{"Fatal*", "Panic*"},
		because: "a library returns its errors",
	},
	{
		except: []string{"cmd"}, path: "os", names: []string{"Exit"},
		because: "a library does not end the process",
	},
	{
		dir: "exporter", path: "os", names: []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv"},
		because: "an exit reads no environment",
	},
	{
		except: []string{"telemetry", "cmd"}, path: "go.opentelemetry.io/otel", names: []string{"Set*"},
		because: "only telemetry's SetGlobal touches the globals",
	},
	{
		dir: "telemetry", path: "go.opentelemetry.io/otel", names: []string{"Set*"}, unlessIn: "SetGlobal",
		because: "only SetGlobal touches the globals",
	},
	{
		except: []string{"cmd"}, path: clientGolang,
		names:   []string{"DefaultRegisterer", "DefaultGatherer", "MustRegister", "Register", "Unregister"},
		because: "the default registry belongs to the application, which passes it in when it wants to",
	},
	{
		except: []string{"cmd"}, path: clientGolang + "/promhttp", names: []string{"Handler"},
		because: "promhttp.Handler serves the default registry; use HandlerFor",
	},
	{
		dir: "exporter", path: "net", names: []string{"Listen*"},
		because: "an exit is a handler or a client; the listener is telemetry's",
	},
	{
		except: []string{"cmd"}, path: "net/http",
		names:   []string{"ListenAndServe*", "Serve", "ServeTLS", "Handle", "HandleFunc", "DefaultServeMux"},
		because: "a server needs timeouts and an owner, and the default mux belongs to the application",
	},
	{
		path: "context", names: []string{"TODO"},
		because: "every context has an origin: a parameter, or Background with a deadline",
	},
}

// checkCalls applies the table of calls.
func checkCalls(p pkg) []Violation {
	var out []Violation
	for _, rule := range calls {
		if !rule.covers(p) {
			continue
		}
		for _, f := range p.sources() {
			for _, decl := range f.ast.Decls {
				out = append(out, rule.check(f, decl)...)
			}
		}
	}
	return out
}

func (r callRule) covers(p pkg) bool {
	return importRule{dir: r.dir, except: r.except}.covers(p)
}

func (r callRule) check(f file, decl ast.Decl) []Violation {
	if fn, ok := decl.(*ast.FuncDecl); ok && r.unlessIn != "" && fn.Name.Name == r.unlessIn {
		return nil
	}
	var out []Violation
	ast.Inspect(decl, func(n ast.Node) bool {
		x, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if from, name, ok := f.selected(x); ok && from == r.path && r.matches(name) {
			out = append(out, f.violation(x.Pos(), "call", "%s.%s: %s", from, name, r.because))
		}
		return true
	})
	return out
}

func (r callRule) matches(name string) bool {
	for _, want := range r.names {
		prefix, wild := strings.CutSuffix(want, "*")
		if name == want || wild && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
