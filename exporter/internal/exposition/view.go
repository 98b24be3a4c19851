package exposition

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// forgetAfter is the number of encodes after which a metric nobody shows any more is forgotten.
const forgetAfter = 64

// view is what is remembered between encodes for one escaping scheme: which metric goes into which
// family, and who owns a name. mu guards all below it; what is in a family has a lock of its own.
type view struct {
	enc    *Encoder
	scheme model.EscapingScheme

	mu       sync.Mutex
	gen      uint64
	seq      uint64
	streams  map[streamKey]*stream
	families map[string]*family
	target   targetInfo
}

// streamKey tells metrics apart.
type streamKey struct {
	scope, version, schema, name, unit string
	attrs                              attribute.Distinct
	kind                               kind
	target                             bool
}

// stream is one metric of one scope. Its series belong to a family, or it is kept out for a reason.
type stream struct {
	name   string // the name on the wire
	family *family
	reason Reason
	fixed  []label
	seq    uint64
	seen   uint64
	bounds atomic.Pointer[bounds]

	// Guarded by family.mu.
	index map[attribute.Distinct]*series
	hint  []*series
}

// targetInfo is a resource as the gauge it is shown as.
type targetInfo struct {
	of     *resource.Resource
	points points
}

func newView(e *Encoder, scheme model.EscapingScheme) *view {
	return &view{enc: e, scheme: scheme, streams: make(map[streamKey]*stream), families: make(map[string]*family)}
}

// assign gives every part its stream. Streams that are new claim their names in an order of their
// own, because the SDK gives scopes in the order of a map.
func (v *view) assign(s *session, res *resource.Resource) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gen++
	if res != nil && !v.enc.opts.WithoutTargetInfo {
		s.parts = append(s.parts, v.targetPart(res))
	}
	for i := range s.parts {
		p := &s.parts[i]
		if p.stream == nil {
			p.stream = v.streams[p.key()]
		}
		if p.stream == nil {
			s.newcomers = append(s.newcomers, i)
			continue
		}
		p.stream.seen = v.gen
	}
	slices.SortFunc(s.newcomers, func(a, b int) int { return compareParts(&s.parts[a], &s.parts[b]) })
	for _, i := range s.newcomers {
		p := &s.parts[i]
		if p.stream = v.streams[p.key()]; p.stream == nil {
			p.stream = v.claim(p)
		}
		p.stream.seen = v.gen
	}
	if v.gen%forgetAfter == 0 {
		v.forget()
	}
}

// targetPart comes before every other part, so that nothing takes its name.
func (v *view) targetPart(res *resource.Resource) part {
	if v.target.of != res {
		gauge := metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Attributes: *res.Set(), Value: 1}}}
		v.target.of = res
		v.target.points, _ = pointsOf(gauge)
	}
	key := streamKey{target: true}
	st := v.streams[key]
	if st == nil {
		st = v.admit(&stream{name: otlptranslator.TargetInfoMetricName, fixed: v.escapedConstant()},
			kindGauge, "Target metadata", "")
		v.streams[key] = st
	}
	return part{points: v.target.points, kind: kindGauge, stream: st}
}

// claim makes the stream of a metric that was not there before.
func (v *view) claim(p *part) *stream {
	st := &stream{}
	v.streams[p.key()] = st
	name, _ := repair(p.metric.Name)
	unit, _ := repair(p.metric.Unit)
	namer := &v.enc.namer
	if unprefixed := v.enc.opts.Unprefixed; unprefixed != nil && unprefixed(p.scope.Name) {
		namer = &v.enc.plainNamer
	}
	built, err := namer.Build(otlptranslator.Metric{Name: name, Unit: unit, Type: p.kind.naming()})
	if err != nil || built == "" || !v.enc.namer.UTF8Allowed && !model.LegacyValidation.IsValidMetricName(built) {
		st.name, st.reason = name, ReasonInvalidName
		return st
	}
	st.name = built
	st.fixed = v.scopeLabels(p.scope)
	help, _ := repair(p.metric.Description)
	return v.admit(st, p.kind.shown(), help, v.enc.unitNamer.Build(unit))
}

// admit gives a stream the family of its name, if that is free or of the same kind.
func (v *view) admit(st *stream, k kind, help, unit string) *stream {
	v.seq++
	st.seq = v.seq
	name := st.name
	if !model.LegacyValidation.IsValidMetricName(name) {
		name = model.EscapeName(name, v.scheme)
	}
	fam := v.families[name]
	switch {
	case fam == nil && v.suffixTaken(name, k):
		st.reason = ReasonNameConflict
		return st
	case fam == nil:
		fam = newFamily(name, st.name, k, help, unit, v.enc.opts.WithUnits)
		v.families[name] = fam
	case fam.kind != k || v.enc.opts.WithUnits && fam.unit != "" && unit != "" && fam.unit != unit:
		st.reason = ReasonNameConflict
		return st
	}
	st.family = fam
	st.index = make(map[attribute.Distinct]*series)
	return st
}

// suffixTaken reports whether the lines of a family would be taken for those of another.
func (v *view) suffixTaken(name string, k kind) bool {
	return suffixCollides(name, k, func(other string) (kind, bool) {
		if fam := v.families[other]; fam != nil {
			return fam.kind, true
		}
		return 0, false
	})
}

// suffixCollides is client_golang's rule on histograms, summaries and the names of their lines.
func suffixCollides(name string, k kind, lookup func(string) (kind, bool)) bool {
	for _, suffix := range [...]string{"_count", "_sum", "_bucket"} {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			if other, ok := lookup(base); ok && other.owns(suffix) {
				return true
			}
		}
		if k.owns(suffix) {
			if _, ok := lookup(name + suffix); ok {
				return true
			}
		}
	}
	return false
}

// forget lets go of what has not been shown for a while. Who lost a name may then try again.
func (v *view) forget() {
	alive := make(map[*family]bool, len(v.families))
	for key, st := range v.streams {
		switch {
		case st.seen+forgetAfter <= v.gen, st.reason == ReasonNameConflict:
			delete(v.streams, key)
		case st.family != nil:
			alive[st.family] = true
		}
	}
	for name, fam := range v.families {
		if !alive[fam] {
			delete(v.families, name)
		}
	}
}

// compareParts is the order in which newcomers claim names.
func compareParts(a, b *part) int {
	return cmp.Or(
		strings.Compare(a.scope.Name, b.scope.Name),
		strings.Compare(a.scope.Version, b.scope.Version),
		strings.Compare(a.scope.SchemaURL, b.scope.SchemaURL),
		compareSets(&a.scope.Attributes, &b.scope.Attributes),
		strings.Compare(a.metric.Name, b.metric.Name),
		strings.Compare(a.metric.Unit, b.metric.Unit),
		cmp.Compare(a.kind, b.kind),
		strings.Compare(a.metric.Description, b.metric.Description),
	)
}

func compareSets(a, b *attribute.Set) int {
	if a.Equivalent() == b.Equivalent() {
		return 0
	}
	return strings.Compare(a.Encoded(attribute.DefaultEncoder()), b.Encoded(attribute.DefaultEncoder()))
}
