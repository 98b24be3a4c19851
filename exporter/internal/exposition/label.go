package exposition

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"

	"github.com/duotel/duotel/exporter/internal/clean"
)

const scopePrefix = "otel_scope_"

// label is a name and a value, both valid UTF-8, neither escaped.
type label struct{ name, value string }

func sortLabels(labels []label) {
	slices.SortFunc(labels, func(a, b label) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
}

// repair makes s valid UTF-8, and reports whether it had to.
func repair(s string) (string, bool) {
	if utf8.ValidString(s) {
		return s, false
	}
	return strings.ToValidUTF8(s, "\uFFFD"), true
}

// labelName makes a label name of a prefix and an attribute's key: translated, escaped for the view, and never one
// that Prometheus would refuse.
func (v *view) labelName(prefix, key string) (string, bool) {
	key, repaired := repair(key)
	name, err := v.enc.labelNamer.Build(key)
	if err != nil {
		name, repaired = clean.Unnamed, true
	}
	if name = v.escapeLabel(prefix + name); strings.HasPrefix(name, "__") {
		name = "key" + name
	}
	return name, repaired
}

func (v *view) escapeLabel(name string) string {
	if v.scheme == model.NoEscaping || model.LegacyValidation.IsValidLabelName(name) {
		return name
	}
	// EscapeName knows the alphabet of metric names, in which a colon is a letter.
	return model.EscapeName(strings.ReplaceAll(name, ":", "."), v.scheme)
}

// attributes appends the labels of an attribute set to dst. A name in taken is not theirs to have.
func (v *view) attributes(dst []label, set *attribute.Set, prefix string, taken func(string) bool) ([]label, bool) {
	repaired := false
	for i := range set.Len() {
		kv, _ := set.Get(i)
		name, badName := v.labelName(prefix, string(kv.Key))
		value, badValue := repair(kv.Value.String())
		repaired = repaired || badName || badValue
		for taken(name) {
			name = "exported_" + name
		}
		dst = append(dst, label{name: name, value: value})
	}
	return dst, repaired
}

// scopeLabels returns the labels every series of a scope carries, the constant ones included.
func (v *view) scopeLabels(scope *instrumentation.Scope) []label {
	labels := slices.Concat(v.enc.constant, v.enc.resource)
	for i := range labels {
		labels[i].name = v.escapeLabel(labels[i].name)
	}
	if v.enc.opts.WithoutScopeInfo {
		return joinLabels(labels)
	}
	for _, l := range [...]label{
		{scopePrefix + "name", scope.Name}, {scopePrefix + "version", scope.Version}, {scopePrefix + "schema_url", scope.SchemaURL},
	} {
		l.value, _ = repair(l.value)
		labels = append(labels, l)
	}
	attrs, _ := v.attributes(nil, &scope.Attributes, scopePrefix, func(string) bool { return false })
	for _, l := range attrs {
		switch l.name {
		case scopePrefix + "name", scopePrefix + "version", scopePrefix + "schema_url":
		default:
			labels = append(labels, l)
		}
	}
	return joinLabels(labels)
}

func (v *view) escapedConstant() []label {
	labels := slices.Clone(v.enc.constant)
	for i := range labels {
		labels[i].name = v.escapeLabel(labels[i].name)
	}
	return joinLabels(labels)
}

// joinLabels sorts labels by name, and makes one of those that share a name: their values, sorted,
// with semicolons between, as the specification of the translation says. A label without a value is left out: to Prometheus
// it is the same as none, and two of every scope's three have none on most pages.
func joinLabels(labels []label) []label {
	sortLabels(labels)
	kept := labels[:0]
	for _, l := range labels {
		if n := len(kept); n > 0 && kept[n-1].name == l.name {
			kept[n-1].value += ";" + l.value
			continue
		}
		kept = append(kept, l)
	}
	return slices.DeleteFunc(kept, func(l label) bool { return l.value == "" })
}

// appendLabels appends sorted labels with commas between, and no braces.
func appendLabels(b []byte, labels []label) []byte {
	for i, l := range labels {
		if i > 0 {
			b = append(b, ',')
		}
		if model.LegacyValidation.IsValidLabelName(l.name) {
			b = append(b, l.name...)
		} else {
			b = append(appendEscaped(append(b, '"'), l.name, true), '"')
		}
		b = append(appendEscaped(append(b, `="`...), l.value, true), '"')
	}
	return b
}

// appendEscaped appends s with backslash, newline and, where asked, the double quote escaped.
func appendEscaped(b []byte, s string, quote bool) []byte {
	from := 0
	for i := range len(s) {
		escaped := ""
		switch {
		case s[i] == '\\':
			escaped = `\\`
		case s[i] == '\n':
			escaped = `\n`
		case quote && s[i] == '"':
			escaped = `\"`
		default:
			continue
		}
		b = append(append(b, s[from:i]...), escaped...)
		from = i + 1
	}
	return append(b, s[from:]...)
}
