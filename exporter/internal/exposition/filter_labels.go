package exposition

import (
	"iter"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// Labels are the labels of one series, as a [SeriesFilter] sees them. They are good until it returns.
type Labels struct {
	block string
	wire  string // the same in protobuf
	pairs []*dto.LabelPair
}

// LabelsOf returns the labels of a client_golang metric; pairs must be sorted by name.
func LabelsOf(pairs []*dto.LabelPair) Labels { return Labels{pairs: pairs} }

// Get returns the value of a label, and whether the series has it.
func (l Labels) Get(name string) (string, bool) {
	for n, v := range l.All() {
		if n == name {
			return v, true
		}
	}
	return "", false
}

// All yields names and values, sorted by name.
func (l Labels) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, p := range l.pairs {
			if !yield(p.GetName(), p.GetValue()) {
				return
			}
		}
		for name, value := range wirePairs(l.wire) {
			if !yield(name, value) {
				return
			}
		}
		rest := l.block
		for rest != "" && rest != "} " {
			var name, value string
			name, value, rest = nextLabel(strings.TrimPrefix(rest, ","))
			if !yield(name, value) {
				return
			}
		}
	}
}

// nextLabel takes one label off a block that [appendLabels] wrote.
func nextLabel(block string) (name, value, rest string) {
	if block[0] == '"' {
		name, block = unquote(block[1:])
		block = block[1:]
	} else {
		name, block, _ = strings.Cut(block, "=")
	}
	value, rest = unquote(block[1:])
	return name, value, rest
}

// unquote undoes [appendEscaped] up to the closing quote, and returns what comes after it.
func unquote(s string) (text, rest string) {
	end := 0
	escaped := false
	for ; s[end] != '"'; end++ {
		if s[end] == '\\' {
			escaped = true
			end++
		}
	}
	if !escaped {
		return s[:end], s[end+1:]
	}
	return unescaper.Replace(s[:end]), s[end+1:]
}

var unescaper = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`)
