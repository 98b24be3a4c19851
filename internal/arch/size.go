package arch

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

const (
	maxFileLines = 300
	maxFuncLines = 60
)

// longFiles are the files that may exceed maxFileLines, each with the reason.
var longFiles = map[string]string{}

// vagueNames say nothing about what is inside a file or a package.
var vagueNames = []string{"util", "utils", "helper", "helpers", "common", "misc", "types"}

// checkFileSize looks at the length of files that are not tests.
func checkFileSize(p pkg) []Violation {
	var out []Violation
	for _, f := range p.sources() {
		if f.lines > maxFileLines && longFiles[f.path] == "" {
			out = append(out, f.violation(f.ast.FileStart, "file size", "%d lines; at most %d, or a reason in longFiles", f.lines, maxFileLines))
		}
	}
	return out
}

// checkFuncSize looks at the length of functions that are not in tests.
func checkFuncSize(p pkg) []Violation {
	var out []Violation
	for _, f := range p.sources() {
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; n > maxFuncLines {
				out = append(out, f.violation(fn.Pos(), "function size", "%s has %d lines; at most %d", fn.Name.Name, n, maxFuncLines))
			}
		}
	}
	return out
}

// checkNames looks for file and directory names that could be anything.
func checkNames(p pkg) []Violation {
	var out []Violation
	for _, f := range p.files {
		names := strings.Split(path.Dir(f.path), "/")
		names = append(names, strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test"))
		for _, name := range names {
			if slices.Contains(vagueNames, name) {
				out = append(out, f.violation(f.ast.FileStart, "name", "%q says nothing; name what is inside", name))
			}
		}
	}
	return out
}
