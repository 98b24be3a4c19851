package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// pkg is the Go files of one directory, tests included.
type pkg struct {
	dir   string // slash path from the module's root, "." for the root itself
	files []file
}

// file is one parsed Go file.
type file struct {
	path  string
	test  bool
	lines int
	fset  *token.FileSet
	ast   *ast.File
}

// load parses the module's files, grouped by directory.
func load(root fs.FS) ([]pkg, error) {
	var pkgs []pkg
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipDir(root, name) {
				return fs.SkipDir
			}
			p, err := loadDir(root, name)
			if err == nil && len(p.files) > 0 {
				pkgs = append(pkgs, p)
			}
			return err
		}
		return nil
	})
	return pkgs, err
}

// skipDir says whether the go command would not look into dir for packages of this module.
func skipDir(root fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" {
		return true
	}
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

func loadDir(root fs.FS, dir string) (pkg, error) {
	p := pkg{dir: dir}
	entries, err := fs.ReadDir(root, dir)
	if err != nil {
		return p, fmt.Errorf("arch: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".go" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		f, err := loadFile(root, path.Join(dir, e.Name()))
		if err != nil {
			return p, fmt.Errorf("arch: %w", err)
		}
		p.files = append(p.files, f)
	}
	return p, nil
}

func loadFile(root fs.FS, name string) (file, error) {
	src, err := fs.ReadFile(root, name)
	if err != nil {
		return file{}, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	return file{
		path:  name,
		test:  strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(src, []byte("\n")),
		fset:  fset,
		ast:   parsed,
	}, err
}

// sources returns the files that are not tests.
func (p pkg) sources() []file {
	var out []file
	for _, f := range p.files {
		if !f.test {
			out = append(out, f)
		}
	}
	return out
}

// tests returns the test files.
func (p pkg) tests() []file {
	var out []file
	for _, f := range p.files {
		if f.test {
			out = append(out, f)
		}
	}
	return out
}

// in says whether the package is dir or below it. The empty dir is the whole module.
func (p pkg) in(dir string) bool {
	return dir == "" || under(p.dir, dir)
}

// under says whether the slash path name is dir or below it.
func under(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

// violation makes a Violation at a position of f.
func (f file) violation(pos token.Pos, rule, format string, args ...any) Violation {
	return Violation{File: f.path, Line: f.fset.Position(pos).Line, Rule: rule, Text: fmt.Sprintf(format, args...)}
}

// importPath returns the path of an import declaration.
func importPath(spec *ast.ImportSpec) string {
	p, _ := strconv.Unquote(spec.Path.Value) // the parser has checked that it is a string
	return p
}

// selected returns the import path and the name of a selector such as otel.SetMeterProvider.
// ok is false when x's operand is not an imported package.
func (f file) selected(x *ast.SelectorExpr) (importedPath, name string, ok bool) {
	id, isIdent := x.X.(*ast.Ident)
	if !isIdent {
		return "", "", false
	}
	for _, spec := range f.ast.Imports {
		if localName(spec) == id.Name {
			return importPath(spec), x.Sel.Name, true
		}
	}
	return "", "", false
}

// localName is the name a file uses for an import: its alias, or the last element of the path that
// is not a major version.
func localName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	p := importPath(spec)
	base := path.Base(p)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(p))
	}
	return base
}
