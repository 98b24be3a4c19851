package oracletest_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// page is an answer as Prometheus understands it, in no order.
type page struct {
	contentType string
	samples     map[string]sample // by their labels, the name among them
	native      map[string]string // native histograms, likewise
	types, help map[string]string // by the family's name
}

type sample struct {
	labels    labels.Labels
	value     float64
	timestamp string
	exemplars string
}

func (s sample) name() string { return s.labels.Get(labels.MetricName) }

// String is exact: a negative zero is not zero.
func (s sample) String() string {
	return fmt.Sprintf("%s %016x(%v) %s%s", s.labels, math.Float64bits(s.value), s.value, s.timestamp, s.exemplars)
}

// parse reads an answer with the parser of its content type. What is there twice, a series, a label or a family's
// metadata, is an error, as it is for who stores it. Protobuf is read as by a server that stores native histograms
// and the classic ones beside them.
func parse(text []byte, contentType string) (*page, error) {
	return parseWith(text, contentType, textparse.ParserOptions{KeepClassicOnClassicAndNativeHistograms: true})
}

func parseWith(text []byte, contentType string, options textparse.ParserOptions) (*page, error) {
	parser, err := textparse.New(text, contentType, labels.NewSymbolTable(), options)
	if err != nil {
		return nil, err
	}
	p := &page{contentType: contentType, samples: map[string]sample{}, native: map[string]string{}, types: map[string]string{}, help: map[string]string{}}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		if err := p.read(parser, entry); err != nil {
			return nil, err
		}
	}
}

func (p *page) read(parser textparse.Parser, entry textparse.Entry) error {
	switch entry {
	case textparse.EntrySeries:
		s := series(parser)
		if name, twice := s.labels.HasDuplicateLabelNames(); twice {
			return fmt.Errorf("label name %q is not unique: %s", name, s.labels)
		}
		return once(p.samples, s.labels.String(), s)
	case textparse.EntryHistogram:
		return p.readHistogram(parser)
	case textparse.EntryType:
		name, kind := parser.Type()
		return once(p.types, string(name), string(kind))
	case textparse.EntryHelp:
		name, help := parser.Help()
		return once(p.help, string(name), string(help))
	}
	return fmt.Errorf("entry of kind %v; samples, types and help are what is written", entry)
}

// readHistogram reads a native histogram, and looks at it as Prometheus's storage does. Its exemplars are compared where
// the page is decoded (exporter/internal/exposition): this parser goes on in the next series of a family where it was in the
// exemplars of the one before.
func (p *page) readHistogram(parser textparse.Parser) error {
	var s sample
	parser.Labels(&s.labels)
	s.labels = s.labels.WithoutEmpty()
	_, _, h, fh := parser.Histogram()
	if h != nil {
		if err := h.Validate(); err != nil {
			return fmt.Errorf("%s: %w", s.labels, err)
		}
		fh = h.ToFloat(nil)
	} else if err := fh.Validate(); err != nil {
		return fmt.Errorf("%s: %w", s.labels, err)
	}
	if name, twice := s.labels.HasDuplicateLabelNames(); twice {
		return fmt.Errorf("label name %q is not unique: %s", name, s.labels)
	}
	return once(p.native, s.labels.String(), fh.Compact(0).String())
}

func once[V any](m map[string]V, key string, v V) error {
	if have, ok := m[key]; ok {
		return fmt.Errorf("%s is there twice: %v and %v", key, have, v)
	}
	m[key] = v
	return nil
}

func series(parser textparse.Parser) sample {
	var s sample
	parser.Labels(&s.labels)
	s.labels = s.labels.WithoutEmpty() // a label without a value is none
	_, timestamp, value := parser.Series()
	if s.value = value; math.IsNaN(value) {
		s.value = math.NaN() // one of its bit patterns
	}
	if timestamp != nil {
		s.timestamp = fmt.Sprintf("at %d ", *timestamp)
	}
	for e := (exemplar.Exemplar{}); parser.Exemplar(&e); e = (exemplar.Exemplar{}) {
		s.exemplars += fmt.Sprintf("# %s %016x(%v) %d %t", e.Labels.WithoutEmpty(), math.Float64bits(e.Value), e.Value, e.Ts, e.HasTs)
	}
	return s
}

// disagreement is what only one of two pages says; empty when they say the same.
func disagreement(ours, theirs *page) string {
	o, t := ours.statements(), theirs.statements()
	if maps.Equal(o, t) {
		return ""
	}
	return fmt.Sprintf("only ours:\n%s\nonly theirs:\n%s", only(o, t), only(t, o))
}

func (p *page) statements() map[string]bool {
	all := map[string]bool{"content type " + p.contentType: true}
	for name, kind := range p.types {
		all[fmt.Sprintf("type %s %s", name, kind)] = true
	}
	for name, help := range p.help {
		if help == "" {
			continue // a line that says nothing
		}
		all[fmt.Sprintf("help %s %q", name, help)] = true
	}
	for _, s := range p.samples {
		all[s.String()] = true
	}
	for labels, histogram := range p.native {
		all[labels+" "+histogram] = true
	}
	return all
}

func only(a, b map[string]bool) string {
	rest := slices.Sorted(maps.Keys(a))
	return strings.Join(slices.DeleteFunc(rest, func(s string) bool { return b[s] }), "\n")
}
