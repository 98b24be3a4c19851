package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// unfinished matches the marks of work left for later.
var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

// checkWords looks at the comments of files that are not tests.
func checkWords(p pkg) []Violation {
	var out []Violation
	for _, f := range p.sources() {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if word := unfinished.FindString(c.Text); word != "" {
					out = append(out, f.violation(c.Pos(), "comment", "%s; finish it or file it", word))
				}
			}
		}
	}
	return out
}

// checkDocs wants a sentence that starts with the name on every exported function, method and type
// that is not in a test, and a comment on every group of constants and variables that exports one.
func checkDocs(p pkg) []Violation {
	var out []Violation
	for _, f := range p.sources() {
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && receiverExported(d) && !startsWith(d.Doc, d.Name.Name) {
					out = append(out, f.missingDoc(d.Pos(), d.Name.Name))
				}
			case *ast.GenDecl:
				out = append(out, f.checkGroupDocs(d)...)
			}
		}
	}
	return out
}

func (f file) checkGroupDocs(d *ast.GenDecl) []Violation {
	var out []Violation
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			doc := s.Doc
			if doc == nil {
				doc = d.Doc
			}
			if s.Name.IsExported() && !startsWith(doc, s.Name.Name) {
				out = append(out, f.missingDoc(s.Pos(), s.Name.Name))
			}
		case *ast.ValueSpec:
			if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil {
				out = append(out, f.missingDoc(s.Pos(), s.Names[0].Name))
			}
		}
	}
	return out
}

func (f file) missingDoc(pos token.Pos, name string) Violation {
	return f.violation(pos, "doc", "%s has no comment that starts with its name", name)
}

// startsWith says whether the comment begins with name, an article before it allowed.
func startsWith(doc *ast.CommentGroup, name string) bool {
	words := strings.Fields(doc.Text())
	if len(words) > 1 && (words[0] == "A" || words[0] == "An" || words[0] == "The") {
		words = words[1:]
	}
	return len(words) > 0 && strings.TrimRight(words[0], ",.:;'s") == strings.TrimRight(name, "s")
}

// receiverExported says whether fn is a plain function or a method of an exported type.
func receiverExported(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
