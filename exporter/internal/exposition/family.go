package exposition

import (
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
)

// kind is what TYPE says.
type kind uint8

const (
	kindGauge kind = iota
	kindCounter
	kindHistogram
	kindSummary
	kindUpDown // a gauge that was a sum, which matters to its name only
)

func (k kind) String() string {
	return [...]string{"gauge", "counter", "histogram", "summary", "gauge"}[k]
}

// naming is the kind as far as the name depends on it.
func (k kind) naming() otlptranslator.MetricType {
	return [...]otlptranslator.MetricType{
		otlptranslator.MetricTypeGauge, otlptranslator.MetricTypeMonotonicCounter,
		otlptranslator.MetricTypeHistogram, otlptranslator.MetricTypeSummary, otlptranslator.MetricTypeNonMonotonicCounter,
	}[k]
}

// shown is the kind of the family.
func (k kind) shown() kind {
	if k == kindUpDown {
		return kindGauge
	}
	return k
}

// owns reports whether families of this kind have lines whose names end in the suffix.
func (k kind) owns(suffix string) bool {
	return k == kindHistogram || k == kindSummary && suffix != "_bucket"
}

// reserved reports whether lines of this kind carry a label of that name themselves.
func (k kind) reserved(label string) bool {
	return k == kindHistogram && label == model.BucketLabel || k == kindSummary && label == model.QuantileLabel
}

// family is everything that has one name. All but the last part never changes.
type family struct {
	name    string // on the wire
	rawName string // before escaping
	kind    kind
	help    string
	unit    string

	header, headerOpenMetrics           string
	headerUnknown                       string // for a counter whose name without _total is another's
	sample, bucket, sum, count, created head
	counted                             bool // an OpenMetrics counter: the name ends in _total
	createdName                         string

	mu       sync.Mutex
	gen      uint64
	order    []*series // sorted by block, the older first among equals
	unpacked int       // how many blocks have come since they were packed
	rawBuf   []byte
	pairs    []label
}

// head is how a line begins: with labels to follow, and without.
type head struct{ open, bare string }

func newHead(name string) head {
	if model.LegacyValidation.IsValidMetricName(name) {
		return head{open: name + "{", bare: name + " "}
	}
	quoted := "{" + quoteName(name)
	return head{open: quoted + ",", bare: quoted + "} "}
}

func quoteName(name string) string {
	if model.LegacyValidation.IsValidMetricName(name) {
		return name
	}
	return string(append(appendEscaped([]byte{'"'}, name, true), '"'))
}

func newFamily(name, rawName string, k kind, help, unit string, withUnit bool) *family {
	base, total := strings.CutSuffix(name, "_total")
	f := &family{
		name: name, rawName: rawName, kind: k, help: help, unit: unit,
		sample: newHead(name), bucket: newHead(name + "_bucket"), sum: newHead(name + "_sum"), count: newHead(name + "_count"),
		counted: k == kindCounter && total,
	}
	typ := k.String()
	f.header = headerOf(name, typ, help, false)
	if !f.counted {
		base = name
	}
	if k == kindCounter && !f.counted {
		typ = "unknown"
	}
	f.headerOpenMetrics = headerOf(base, typ, help, true)
	f.headerUnknown = headerOf(name, "unknown", help, true)
	f.createdName = base + "_created"
	f.created = newHead(f.createdName)
	if withUnit && unit != "" && strings.HasSuffix(base, "_"+unit) {
		f.headerOpenMetrics += "# UNIT " + quoteName(base) + " " + string(appendEscaped(nil, unit, true)) + "\n"
	}
	return f
}

func headerOf(name, typ, help string, openMetrics bool) string {
	name = quoteName(name)
	header := "# TYPE " + name + " " + typ + "\n"
	if help != "" { // else the line says nothing
		header = "# HELP " + name + " " + string(appendEscaped(nil, help, openMetrics)) + "\n" + header
	}
	return header
}
