// Package apigolden prints the exported API of a package as text that can be compared, so that a
// change to it is seen in review and never happens by accident.
package apigolden

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path"
	"strings"
)

// Describe returns every exported constant, variable, type, function and method of the package in
// dir, with the exported fields of structs, one declaration after the other, sorted by kind and
// name. Comments are left out. importPath is what users write.
func Describe(root fs.FS, dir, importPath string) (string, error) {
	fset := token.NewFileSet()
	files, err := parse(fset, root, dir)
	if err != nil {
		return "", err
	}
	pkg, err := doc.NewFromFiles(fset, files, importPath)
	if err != nil {
		return "", fmt.Errorf("api: %s: %w", dir, err)
	}
	w := &writer{fset: fset}
	fmt.Fprintf(&w.out, "package %s // import %q\n", pkg.Name, importPath)
	w.values(pkg.Consts)
	w.values(pkg.Vars)
	w.funcs(pkg.Funcs)
	for _, t := range pkg.Types {
		w.out.WriteString("\n")
		w.decl(t.Decl)
		w.values(t.Consts)
		w.values(t.Vars)
		w.funcs(t.Funcs)
		w.funcs(t.Methods)
	}
	return w.out.String(), w.err
}

// parse reads the Go files of dir that are not tests.
func parse(fset *token.FileSet, root fs.FS, dir string) ([]*ast.File, error) {
	names, err := fs.Glob(root, path.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
		f, err := parser.ParseFile(fset, name, src, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("api: %s: no Go files", dir)
	}
	return files, nil
}

// writer prints declarations and keeps the first error.
type writer struct {
	fset *token.FileSet
	out  bytes.Buffer
	err  error
}

func (w *writer) values(vs []*doc.Value) {
	for _, v := range vs {
		w.decl(v.Decl)
	}
}

func (w *writer) funcs(fs []*doc.Func) {
	for _, f := range fs {
		w.decl(f.Decl)
	}
}

// decl prints one declaration without comments, blank lines and alignment: those would change with
// the wording and the order of neighbours, not with the API.
func (w *writer) decl(d ast.Decl) {
	strip(d)
	var buf bytes.Buffer
	if err := printer.Fprint(&buf, w.fset, d); err != nil && w.err == nil {
		w.err = fmt.Errorf("api: %w", err)
	}
	for line := range strings.Lines(buf.String()) {
		indent := len(line) - len(strings.TrimLeft(line, "\t"))
		if text := strings.Join(strings.Fields(line), " "); text != "" {
			w.out.WriteString(strings.Repeat("\t", indent) + text + "\n")
		}
	}
}

// strip takes the comments off a declaration's nodes.
func strip(d ast.Decl) {
	ast.Inspect(d, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.FuncDecl:
			x.Doc, x.Body = nil, nil
		case *ast.GenDecl:
			x.Doc = nil
		case *ast.TypeSpec:
			x.Doc, x.Comment = nil, nil
		case *ast.ValueSpec:
			x.Doc, x.Comment = nil, nil
		case *ast.Field:
			x.Doc, x.Comment = nil, nil
		}
		return true
	})
}
