// Package weaver writes a metrics contract as a semantic convention registry of OpenTelemetry Weaver, and reads one.
//
// Both describe instruments with unit, stability and attributes. What a registry has no place for (buckets, the bound of an open attribute, values that only
// one instrument has) goes into its annotations, under the key "duotel", so that a contract which is exported and imported is the same
// again. The syntax is that of Weaver's schemas/semconv-syntax.md, the one with `groups:`.
package weaver

// annotation is the key of what only a contract has.
const annotation = "duotel"

// extension is what stands under it. Kind and Bounds are a metric's, Open and Values those of an attribute of a metric.
type extension struct {
	Kind   string    `yaml:"kind,omitempty"`
	Bounds []float64 `yaml:"bounds,omitempty,flow"`
	Open   int       `yaml:"open,omitempty"`
	Values []string  `yaml:"values,omitempty,flow"`
}

// deprecation is why something should not be used any more: it was renamed, obsoleted, or neither ("uncategorized").
type deprecation struct {
	Reason    string `yaml:"reason"`
	RenamedTo string `yaml:"renamed_to,omitempty"`
	Note      string `yaml:"note,omitempty"`
}

const (
	renamed       = "renamed"
	uncategorized = "uncategorized"
)
