package arch

import (
	"go/ast"
	"go/doc"
	"strings"
)

const goleakPath = "go.uber.org/goleak"

// checkExamples wants an Output comment on every example: without one it is compiled and never run.
func checkExamples(p pkg) []Violation {
	var out []Violation
	for _, f := range p.tests() {
		for _, ex := range doc.Examples(f.ast) {
			if ex.Output == "" && !ex.EmptyOutput {
				out = append(out, f.violation(ex.Code.Pos(), "example", "Example%s has no Output comment, so it does not run", ex.Name))
			}
		}
	}
	return out
}

// checkSkips looks for tests that can decide not to run.
func checkSkips(p pkg) []Violation {
	var out []Violation
	for _, f := range p.tests() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isSkip(call) {
				return true
			}
			out = append(out, f.violation(call.Pos(), "skip", "a test that is skipped shows nothing; make it run everywhere"))
			return true
		})
	}
	return out
}

// isSkip knows a skip by the usual names of a testing.TB.
func isSkip(call *ast.CallExpr) bool {
	x, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || x.Sel.Name != "Skip" && x.Sel.Name != "Skipf" && x.Sel.Name != "SkipNow" {
		return false
	}
	id, ok := x.X.(*ast.Ident)
	return ok && (id.Name == "t" || id.Name == "b" || id.Name == "f" || id.Name == "tb")
}

// checkLeaks wants a TestMain that calls goleak.VerifyTestMain in every package that has tests.
func checkLeaks(p pkg) []Violation {
	tests := p.tests()
	if len(tests) == 0 || !hasTests(tests) {
		return nil
	}
	for _, f := range tests {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Name.Name == "TestMain" && f.uses(fn, goleakPath, "VerifyTestMain") {
				return nil
			}
		}
	}
	return []Violation{tests[0].violation(tests[0].ast.FileStart, "leak", "the tests of %s have no TestMain with goleak.VerifyTestMain", p.dir)}
}

// hasTests says whether a file has a function that the go command would run as a test.
func hasTests(files []file) bool {
	for _, f := range files {
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			for _, prefix := range []string{"Test", "Fuzz", "Benchmark", "Example"} {
				if strings.HasPrefix(fn.Name.Name, prefix) {
					return true
				}
			}
		}
	}
	return false
}

// uses says whether name of the imported package from occurs in n.
func (f file) uses(n ast.Node, from, name string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if x, ok := n.(*ast.SelectorExpr); ok {
			p, s, ok := f.selected(x)
			found = found || ok && p == from && s == name
		}
		return !found
	})
	return found
}
