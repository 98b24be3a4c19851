// Package arch holds the rules this module keeps about its own source: who may import whom, which
// calls are not made where, how long a file may grow, what every test needs.
//
// The rules read source with go/parser. Asking `go list` instead would be served stale by the test
// cache, which knows the files a test opens but not what a child process reads.
package arch

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
)

// Module is the path of the module whose rules these are.
const Module = "github.com/duotel/duotel"

// Violation is one broken rule at one place.
type Violation struct {
	// File is the path from the module's root, with slashes; Line is 1-based.
	File string
	Line int
	// Rule names the rule; Text says what was found and what is allowed.
	Rule, Text string
}

// String returns file:line, the rule and the text.
func (v Violation) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", v.File, v.Line, v.Rule, v.Text)
}

// rules lists every check. A per-package rule sees all files of one directory at once.
var rules = []func(pkg) []Violation{
	checkImports,
	checkCalls,
	checkNames,
	checkFileSize,
	checkFuncSize,
	checkWords,
	checkDocs,
	checkExamples,
	checkSkips,
	checkLeaks,
}

// Check reads every Go file of the module in root and returns what breaks a rule, in the order of
// files and lines. Nested modules, testdata and names that start with a dot or an underscore are
// not looked at, as the go command does not. An error means that the source could not be read.
func Check(root fs.FS) ([]Violation, error) {
	pkgs, err := load(root)
	if err != nil {
		return nil, err
	}
	var out []Violation
	for _, p := range pkgs {
		for _, rule := range rules {
			out = append(out, rule(p)...)
		}
	}
	slices.SortFunc(out, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return out, nil
}
