package exposition

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// session is what one encode needs: its output and the memory it works in. Sessions are pooled.
type session struct {
	enc    *Encoder
	view   *view
	out    output
	result Result

	openMetrics, created bool
	protobuf             bool
	registryScheme       model.EscapingScheme
	fam                  *family
	counter              bool // to OpenMetrics, the family is one
	written              bool // its header
	touched              uint64

	parts     []part
	newcomers []int
	ids       []attribute.Distinct
	fresh     []newcomer
	places    []place
	registry  []registryFamily

	registryNext int

	start      time.Time
	startText  []byte
	exemplarOf []int32
	labels     []label
	ladder     []rung
	wire       messages
	native     []nativeBucket
}

// part is one metric of the input.
type part struct {
	view   *view
	scope  *instrumentation.Scope
	metric *metricdata.Metrics
	points points
	kind   kind
	stream *stream

	duplicates int // points whose attribute set the same stream had shown already
}

func (p *part) key() streamKey {
	return streamKey{
		scope: p.scope.Name, version: p.scope.Version, schema: p.scope.SchemaURL, attrs: p.scope.Attributes.Equivalent(),
		name: p.metric.Name, unit: p.metric.Unit, kind: p.kind,
	}
}

func (p *part) dropped(reason Reason) Dropped {
	d := Dropped{Reason: reason}
	if p.stream != nil {
		d.Name = p.stream.name
	}
	if p.metric != nil {
		d.Metric, d.Scope = p.metric.Name, p.scope.Name
	}
	return d
}

func newSession(e *Encoder) *session {
	return &session{enc: e, out: output{buf: make([]byte, 0, chunkSize+chunkSize/4)}}
}

func (s *session) open(w io.Writer, f Format) {
	s.view = s.enc.view(f.Escaping)
	s.out.w = w
	s.protobuf = f.Protobuf
	s.openMetrics = f.OpenMetrics && !f.Protobuf
	s.created = s.openMetrics && f.Created
	s.planRegistryScheme(f)
}

// close lets go of everything that was the caller's, and returns the session to its pool.
func (s *session) close() {
	clear(s.parts)
	clear(s.places)
	clear(s.fresh[:cap(s.fresh)])
	clear(s.registry)
	clear(s.labels[:cap(s.labels)])
	if cap(s.out.buf) > keepSize {
		s.out.buf = make([]byte, 0, chunkSize+chunkSize/4)
	}
	*s = session{
		enc: s.enc, out: output{buf: s.out.buf[:0]},
		parts: s.parts[:0], newcomers: s.newcomers[:0], ids: s.ids[:0], fresh: s.fresh[:0],
		places: s.places[:0], registry: s.registry[:0],
		startText: s.startText[:0], exemplarOf: s.exemplarOf[:0], labels: s.labels[:0], ladder: s.ladder[:0],
		wire: s.wire.emptied(), native: s.native[:0],
	}
	s.enc.sessions.Put(s)
}

// plan lists what there is to show, by family name. It asks the filter before any lock is taken.
func (s *session) plan(in Input) {
	for i := range in.Scopes {
		scope := &in.Scopes[i]
		for j := range scope.Metrics {
			s.consider(&scope.Scope, &scope.Metrics[j])
		}
	}
	s.view.assign(s, in.Resource)
	kept := s.parts[:0]
	for _, p := range s.parts {
		p.view = s.view
		if p.stream.reason != "" {
			s.result.drop(p.dropped(p.stream.reason), p.points.len())
			continue
		}
		kept = append(kept, p)
	}
	s.parts = kept
	slices.SortFunc(s.parts, func(a, b part) int {
		return cmp.Or(strings.Compare(a.stream.family.name, b.stream.family.name), cmp.Compare(a.stream.seq, b.stream.seq))
	})
	s.planRegistry(in.Families)
}

func (s *session) consider(scope *instrumentation.Scope, m *metricdata.Metrics) {
	if filter := s.enc.opts.Filter; filter != nil && !filter(*scope, *m) {
		return
	}
	p := part{scope: scope, metric: m}
	p.points, p.kind = pointsOf(m.Data)
	if p.points == nil {
		name, _ := repair(m.Name)
		s.result.drop(Dropped{Name: name, Metric: m.Name, Scope: scope.Name, Reason: ReasonUnsupported}, 0)
		return
	}
	if p.points.len() > 0 {
		s.parts = append(s.parts, p)
	}
}

// encode writes both lists as one sequence of families, by name.
func (s *session) encode(in Input) {
	parts := s.parts
	for len(parts) > 0 {
		n := 1
		for n < len(parts) && parts[n].stream.family == parts[0].stream.family {
			n++
		}
		fam := parts[0].stream.family
		s.encodeRegistry(fam.name, in)
		if in.admitsName(fam.rawName) && s.out.err == nil {
			s.encodeFamily(fam, parts[:n], in)
		}
		parts = parts[n:]
	}
	s.encodeRegistry("", in)
}

// encodeFamily writes one family. Its header waits for the first series there is to show.
func (s *session) encodeFamily(fam *family, parts []part, in Input) {
	fam.resolve(s, parts)
	s.fam = fam
	created := s.created
	defer func() { s.created = created }()
	s.created = created && !s.createdClashes(fam)
	s.counter = fam.kind == kindCounter && !s.noCounter(fam.name)
	for i := range parts {
		if n := parts[i].duplicates; n > 0 {
			s.result.drop(parts[i].dropped(ReasonDuplicateSeries), n)
		}
	}
	s.written = false
	for i, last := 0, -1; i < len(s.places) && s.out.err == nil; i++ {
		if i%lookahead == 0 {
			s.warm(parts, s.places[i:min(i+lookahead, len(s.places))])
		}
		at := &s.places[i]
		if at.part == 0 {
			continue
		}
		p := &parts[at.part-1]
		if at.twin && last >= 0 && s.places[last].block == at.block {
			s.result.drop(p.dropped(ReasonDuplicateSeries), 1)
			continue
		}
		last = i
		if in.Series == nil || in.Series(fam.name, s.labelsOf(at)) {
			s.encodePoint(p, at)
		}
	}
	if s.protobuf && s.written {
		s.endFamily()
	}
}

// labelsOf returns the labels of what stands at a place.
func (s *session) labelsOf(at *place) Labels {
	if s.protobuf {
		return Labels{wire: at.block}
	}
	return Labels{block: at.block}
}

// createdClashes reports whether another family has lines of the name of this one's _created.
func (s *session) createdClashes(fam *family) bool {
	_, ok := s.shown(fam.createdName)
	return ok || s.gathered(fam.createdName)
}

// lookahead is how many points are touched before the first of them is rendered.
const lookahead = 16

// warm touches points that will be rendered next. They lie in the SDK's order and not in ours, so
// that each is a cache miss in a large family; here the misses overlap.
func (s *session) warm(parts []part, places []place) {
	for i := range places {
		if at := &places[i]; at.part > 0 {
			s.touched += parts[at.part-1].points.touch(int(at.point))
		}
	}
}

// encodePoint writes one point, and the family's header if it is the first.
func (s *session) encodePoint(p *part, at *place) {
	i := int(at.point)
	if !p.points.valid(s, p.stream, i) {
		s.result.drop(p.dropped(ReasonInvalidData), 1)
		return
	}
	if !s.written {
		s.written = true
		s.header()
	}
	if s.protobuf {
		s.appendMetric(p, at)
	} else {
		p.points.render(s, p.stream, i, at.block)
	}
	s.result.Series++
	if at.repaired {
		s.result.Repaired++
	}
	s.out.spill()
}

func (s *session) header() {
	switch {
	case s.protobuf:
		s.startFamily()
	case !s.openMetrics:
		s.out.buf = append(s.out.buf, s.fam.header...)
	case s.fam.counted && !s.counter:
		s.out.buf = append(s.out.buf, s.fam.headerUnknown...)
	default:
		s.out.buf = append(s.out.buf, s.fam.headerOpenMetrics...)
	}
}
