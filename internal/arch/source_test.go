package arch

import (
	"strings"
	"testing"
)

const leakMain = `func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
`

func TestSourcesRejected(t *testing.T) {
	tests := []struct{ name, file, src, rule, text string }{
		{"long file", "exporter/x.go", "package p\n" + strings.Repeat("\n", 300), "file size", "301 lines"},
		{"long function", "exporter/x.go", "package p\n\nfunc long() {" + strings.Repeat("\n", 60) + "}\n", "function size", "long has 61 lines"},
		{"utils", "exporter/utils.go", "package p\n", "name", `"utils"`},
		{"helpers in a test", "exporter/helpers_test.go", "package p\n", "name", `"helpers"`},
		{"types in a folder", "internal/types/x.go", "package p\n", "name", `"types"`},
		{"unfinished", "exporter/x.go", "package p\n\nvar x = 1 // TODO: count\n", "comment", "exporter/x.go:3: comment: TODO"},
		{"to fix", "exporter/x.go", "package p\n\n/* FIXME */\n", "comment", "FIXME"},
		{"function without doc", "exporter/x.go", "package p\n\nfunc Run() {}\n", "doc", "Run"},
		{"doc of another name", "exporter/x.go", "package p\n\n// Walk runs.\nfunc Run() {}\n", "doc", "Run"},
		{"method without doc", "exporter/x.go", "package p\n\n// T is.\ntype T[K any] struct{}\n\nfunc (t *T[K]) Run() {}\n", "doc", "Run"},
		{"type without doc", "exporter/x.go", "package p\n\ntype T struct{}\n", "doc", "T"},
		{"constants without doc", "exporter/x.go", "package p\n\nconst (\n\tA = 1\n)\n", "doc", "A"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want(t, run(t, map[string]string{tt.file: tt.src}), tt.rule, tt.text)
		})
	}
}

func TestSourcesAccepted(t *testing.T) {
	tests := []struct{ name, file, src string }{
		{"file at the limit", "exporter/x.go", "package p\n" + strings.Repeat("\n", 299)},
		{"function at the limit", "exporter/x.go", "package p\n\nfunc long() {" + strings.Repeat("\n", 59) + "}\n"},
		{"long test", "exporter/x_test.go", "package p\n\nfunc long() {" + strings.Repeat("\n", 400) + "}\n"},
		{"word in code", "exporter/x.go", "package p\n\nvar x = \"TODO\"\n"},
		{"article", "exporter/x.go", "package p\n\n// A Pull is.\ntype Pull struct{}\n"},
		{"method of an unexported type", "exporter/x.go", "package p\n\ntype t struct{}\n\nfunc (t) Run() {}\n"},
		{"group with doc", "exporter/x.go", "package p\n\n// Words.\nconst (\n\tA = 1\n\tB = 2\n)\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := run(t, map[string]string{tt.file: tt.src}); len(got) != 0 {
				t.Errorf("violations = %v; want none", got)
			}
		})
	}
}

func TestTestsRejected(t *testing.T) {
	head := "package p\n\nimport (\n\t\"testing\"\n\n\t\"go.uber.org/goleak\"\n)\n\n"
	tests := []struct{ name, src, rule, text string }{
		{"no TestMain", "package p\n\nfunc TestX(t *testing.T) {}\n", "leak", "exporter"},
		{"fuzz without TestMain", "package p\n\nfunc FuzzX(f *testing.F) {}\n", "leak", "exporter"},
		{"TestMain without goleak", "package p\n\nfunc TestMain(m *testing.M) {}\n", "leak", "exporter"},
		{"goleak elsewhere", head + "func TestX(t *testing.T) { goleak.VerifyTestMain(nil) }\n", "leak", "exporter"},
		{"skip", head + leakMain + "func TestX(t *testing.T) {\n\tt.Skip()\n}\n", "skip", "exporter/x_test.go:11"},
		{"skip in a benchmark", head + leakMain + "func BenchmarkX(b *testing.B) { b.Skipf(\"\") }\n", "skip", "exporter/x_test.go"},
		{"example that does not run", head + leakMain + "func Example() { println() }\n", "example", "no Output"},
		{"example of a name", head + leakMain + "func ExampleNew() { println() }\n", "example", "ExampleNew"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want(t, run(t, map[string]string{"exporter/x_test.go": tt.src}), tt.rule, tt.text)
		})
	}
}

func TestTestsAccepted(t *testing.T) {
	main := "package p\n\nimport (\n\t\"testing\"\n\n\tleak \"go.uber.org/goleak\"\n)\n\nfunc TestMain(m *testing.M) { leak.VerifyTestMain(m) }\n"
	tests := []struct {
		name  string
		files map[string]string
	}{
		{"TestMain in another file", map[string]string{
			"exporter/x_test.go":    "package p_test\n\nfunc TestX(t *testing.T) {}\n",
			"exporter/main_test.go": main,
		}},
		{"no tests in a test file", map[string]string{"exporter/export_test.go": "package p\n\nvar Inner = inner\n"}},
		{"examples with output", map[string]string{
			"exporter/main_test.go": main,
			"exporter/x_test.go":    "package p\n\nfunc Example() {\n\tprintln()\n\t// Output: x\n}\n\nfunc ExampleNew() {\n\tprintln()\n\t// Unordered output:\n\t// x\n}\n\nfunc ExampleT() {\n\tprintln()\n\t// Output:\n}\n",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := run(t, tt.files); len(got) != 0 {
				t.Errorf("violations = %v; want none", got)
			}
		})
	}
}
