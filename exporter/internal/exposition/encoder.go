package exposition

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/clean"
)

// Options says how an [Encoder] names things. The zero value is the default throughout.
type Options struct {
	// Namespace is put before the name of every OpenTelemetry metric, with an underscore between.
	// target_info and client_golang's families keep theirs.
	Namespace string
	// Unprefixed says that a scope's metrics do without the namespace; nil means none do.
	Unprefixed func(scope string) bool
	// Labels are added to every series, target_info and client_golang's families included.
	Labels map[string]string
	// ResourceLabels are added to the series of OpenTelemetry metrics, but for target_info, which has them. One of Labels'
	// names stays that of Labels.
	ResourceLabels map[string]string
	// Strategy translates names. Default: otlptranslator.UnderscoreEscapingWithSuffixes.
	Strategy otlptranslator.TranslationStrategyOption
	// WithoutScopeInfo leaves the otel_scope_* labels out. Series that differ in nothing else are
	// then the same series, and only the first is shown.
	WithoutScopeInfo bool
	// WithoutTargetInfo leaves the target_info family out.
	WithoutTargetInfo bool
	// WithUnits writes OpenMetrics' UNIT line where the name ends in the unit. The official exporter
	// never does.
	WithUnits bool
	// Filter says whether a metric is shown at all; nil shows every one. It is asked once per metric
	// and encode, by several goroutines at once, and must not change what it is given.
	Filter func(instrumentation.Scope, metricdata.Metrics) bool
}

// Encoder turns metric data into text. It lives as long as the exit it serves, because it remembers
// label blocks, order and who owns a name from one scrape to the next. It is safe for concurrent use.
type Encoder struct {
	namer      otlptranslator.MetricNamer
	labelNamer otlptranslator.LabelNamer
	unitNamer  otlptranslator.UnitNamer
	plainNamer otlptranslator.MetricNamer // without the namespace
	constant   []label
	resource   []label
	opts       Options
	views      [4]*view
	sessions   sync.Pool
}

// New returns an Encoder. Its error names every option that cannot be used, and what is allowed.
func New(opts Options) (*Encoder, error) {
	if opts.Strategy == "" {
		opts.Strategy = otlptranslator.UnderscoreEscapingWithSuffixes
	}
	utf8Allowed := !opts.Strategy.ShouldEscape()
	e := &Encoder{
		labelNamer: otlptranslator.LabelNamer{UTF8Allowed: utf8Allowed},
		unitNamer:  otlptranslator.UnitNamer{UTF8Allowed: utf8Allowed},
		opts:       opts,
	}
	if err := errors.Join(e.setStrategy(), e.setNamespace(), e.setConstant()); err != nil {
		return nil, err
	}
	for scheme := range e.views {
		e.views[scheme] = newView(e, model.EscapingScheme(scheme))
	}
	e.sessions.New = func() any { return newSession(e) }
	return e, nil
}

func (e *Encoder) setStrategy() error {
	switch e.opts.Strategy {
	case otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.UnderscoreEscapingWithoutSuffixes,
		otlptranslator.NoUTF8EscapingWithSuffixes, otlptranslator.NoTranslation:
		return nil
	}
	return fmt.Errorf("exposition: Strategy=%q: not a translation strategy; allowed are %s, %s, %s, %s", e.opts.Strategy,
		otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.UnderscoreEscapingWithoutSuffixes,
		otlptranslator.NoUTF8EscapingWithSuffixes, otlptranslator.NoTranslation)
}

func (e *Encoder) setNamespace() error {
	namespace := e.opts.Namespace
	if namespace != "" {
		var err error
		if namespace, err = e.labelNamer.Build(namespace); err != nil || !utf8.ValidString(namespace) {
			return fmt.Errorf("exposition: Namespace=%q: not usable in a metric name; "+
				"it must be valid UTF-8 with at least one letter or digit", e.opts.Namespace)
		}
	}
	e.namer = otlptranslator.NewMetricNamer(namespace, e.opts.Strategy)
	e.plainNamer = otlptranslator.NewMetricNamer("", e.opts.Strategy)
	return nil
}

func (e *Encoder) setConstant() error {
	var errs []error
	for key, value := range e.opts.Labels {
		name, err := e.labelNamer.Build(key)
		taken := slices.ContainsFunc(e.constant, func(l label) bool { return l.name == name })
		switch {
		case err != nil, !utf8.ValidString(name), strings.HasPrefix(name, "__"), strings.HasPrefix(name, scopePrefix),
			name == model.BucketLabel, name == model.QuantileLabel:
			errs = append(errs, fmt.Errorf("exposition: Labels[%q]=%q: this name cannot be a constant label; "+
				"allowed is any name with a letter or digit, except le, quantile, __* and %s*", key, value, scopePrefix))
		case taken:
			errs = append(errs, fmt.Errorf("exposition: Labels[%q]=%q: another constant label has the name %s; "+
				"allowed is one value for a name", key, value, name))
		}
		value, _ = repair(value)
		e.constant = append(e.constant, label{name: name, value: value})
	}
	sortLabels(e.constant)
	e.setResource()
	return errors.Join(errs...)
}

// setResource makes labels of the resource's attributes by the rules for any attribute: an application does not choose
// all of them, so none is an error.
func (e *Encoder) setResource() {
	for key, value := range e.opts.ResourceLabels {
		name, err := e.labelNamer.Build(key)
		if err != nil {
			name = clean.Unnamed
		}
		if strings.HasPrefix(name, "__") {
			name = "key" + name
		}
		taken := name == model.BucketLabel || name == model.QuantileLabel || slices.ContainsFunc(e.constant, func(l label) bool { return l.name == name })
		if value, _ = repair(value); !taken && utf8.ValidString(name) {
			e.resource = append(e.resource, label{name: name, value: value})
		}
	}
}

// Encode writes one answer to w: all of in, in the format f, with the final "# EOF" where the format
// has one. The error is w's own; data that could not be shown is no error but in [Result.Dropped].
// Encode reads in while it runs and keeps no reference to it.
//
// w gets chunks of about 64 KiB, and no lock is held while it is written to.
func (e *Encoder) Encode(w io.Writer, f Format, in Input) (Result, error) {
	s := e.sessions.Get().(*session)
	defer s.close()
	s.open(w, f)
	s.plan(in)
	s.encode(in)
	if f.OpenMetrics {
		s.out.buf = append(s.out.buf, "# EOF\n"...)
	}
	s.out.flush()
	s.result.Bytes = s.out.written
	return s.result, s.out.err
}

// view returns the caches that serve an escaping scheme. Where the strategy escapes by itself, no
// scheme has anything left to do, and all share one.
func (e *Encoder) view(scheme model.EscapingScheme) *view {
	if e.opts.Strategy.ShouldEscape() || int(scheme) >= len(e.views) || scheme < 0 {
		return e.views[model.NoEscaping]
	}
	return e.views[scheme]
}
