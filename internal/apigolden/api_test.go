package apigolden

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite docs/api.txt")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	module = "github.com/duotel/duotel"
	golden = "../../docs/api.txt"
)

// packages are the ones users import.
var packages = []string{"telemetry", "telemetry/telemetrytest", "exporter", "middleware", "discovery", "discovery/etcd"}

// TestAPI compares the exported API with docs/api.txt. After a change that is meant, run `make api`.
func TestAPI(t *testing.T) {
	var got strings.Builder
	got.WriteString("The exported API. Written by `make api`; a difference fails the tests.\n")
	for _, dir := range packages {
		text, err := Describe(os.DirFS("../.."), dir, module+"/"+dir)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString("\n" + text)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range difference(string(want), got.String()) {
		t.Error(line)
	}
	if t.Failed() {
		t.Error("the exported API is not what docs/api.txt says; if that is meant, run `make api`")
	}
}

// difference lists the lines that only one of the texts has, "-" for want and "+" for got, but for
// blank lines and closing brackets, which say nothing. Where nothing is left it says that the order
// differs.
func difference(want, got string) []string {
	want, got = quiet.ReplaceAllString(want, ""), quiet.ReplaceAllString(got, "")
	count := map[string]int{}
	for line := range strings.Lines(want) {
		count[line]++
	}
	var out []string
	for line := range strings.Lines(got) {
		if count[line]--; count[line] < 0 {
			out = append(out, "+ "+strings.TrimSuffix(line, "\n"))
		}
	}
	for line := range strings.Lines(want) {
		if count[line] > 0 {
			count[line]--
			out = append(out, "- "+strings.TrimSuffix(line, "\n"))
		}
	}
	if len(out) == 0 && want != got {
		out = append(out, "the same lines in another order")
	}
	return out
}

// quiet matches lines that say nothing by themselves.
var quiet = regexp.MustCompile(`(?m)^[\t})]*\n`)

func TestDifference(t *testing.T) {
	tests := []struct{ name, want, got, out string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"added", "a\n", "a\nb\n", "+ b"},
		{"removed", "a\nb\n", "a\n", "- b"},
		{"changed", "a\nb\n", "a\nc\n", "+ c|- b"},
		{"with brackets", "a\n", "a\n\ntype T struct {\n\tB\n}\n", "+ type T struct {|+ \tB"},
		{"repeated", "a\na\n", "a\n", "- a"},
		{"moved", "a\nb\n", "b\na\n", "the same lines in another order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if out := strings.Join(difference(tt.want, tt.got), "|"); out != tt.out {
				t.Errorf("difference = %q; want %q", out, tt.out)
			}
		})
	}
}

const source = `// Package p is documented.
package p

import "errors"

// Limit is a number.
const Limit = 3 // of things

const hidden = 4

// ErrGone says so.
var ErrGone = errors.New("gone")

// Config is data.
type Config struct {
	// Name is a name.
	Name string

	LongerName, Other int // aligned

	secret string
}

// Mode is a word.
type Mode string

// The modes.
const (
	ModeA Mode = "a"
	modeB Mode = "b"
)

// New makes.
func New(c Config, opts ...func()) (*Config, error) { return nil, nil }

func build() {}

// Validate looks.
func (c Config) Validate() error { return nil }

func (c Config) check() error { return nil }

// Reader reads.
type Reader interface {
	// Read reads.
	Read(p []byte) (int, error)
	private()
}
`

const described = `package p // import "example.org/p"
const Limit = 3
var ErrGone = errors.New("gone")

type Config struct {
	Name string
	LongerName, Other int
	// contains filtered or unexported fields
}
func New(c Config, opts ...func()) (*Config, error)
func (c Config) Validate() error

type Mode string
const (
	ModeA Mode = "a"
)

type Reader interface {
	Read(p []byte) (int, error)
	// contains filtered or unexported methods
}
`

func TestDescribe(t *testing.T) {
	root := fstest.MapFS{
		"p/p.go":      {Data: []byte(source)},
		"p/p_test.go": {Data: []byte("package p\n\nfunc Exposed() {}\n")},
	}
	got, err := Describe(root, "p", "example.org/p")
	if err != nil {
		t.Fatal(err)
	}
	if got != described {
		t.Errorf("described as\n%s\nwant\n%s", got, described)
	}
}

func TestDescribeUnreadable(t *testing.T) {
	tests := []struct{ name, file, text string }{
		{"no files", "q/q.go", "no Go files"},
		{"not Go", "p/p.go", "p/p.go:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{tt.file: {Data: []byte("no package here")}}
			if _, err := Describe(root, "p", "example.org/p"); err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error = %v; want one that says %q", err, tt.text)
			}
		})
	}
}
