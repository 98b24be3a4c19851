package exposition

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// series is what is remembered of one attribute set of a stream, guarded by the family's lock.
type series struct {
	id       attribute.Distinct
	block    string // `a="1",b="2"} `, or nothing where there are no labels
	wire     string // the same in protobuf, once somebody has asked for that
	owner    *stream
	seen     uint64
	pos      int32
	part     int32 // in the encode that saw it last
	point    int32 // likewise
	repaired bool
	twin     bool // the one before it in the order had the same block
}

// place is what stands at a position of the order, copied so that it can be rendered without a lock:
// a point of a part and its labels, as the format has them. Part 0 means nothing does, and 1 is the first.
type place struct {
	block       string
	part, point int32
	repaired    bool
	twin        bool
}

// newcomer is a series that is not in the order yet.
type newcomer struct {
	series      *series
	part, point int
}

// resolve puts the points of all parts into the family's order: it fills s.places, by position, and
// returns how many points were shown before by their own part. Its cost is one look at each series;
// only new ones are rendered and sorted in.
func (f *family) resolve(s *session, parts []part) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gen++
	s.fresh = s.fresh[:0]
	s.emptyPlaces(len(f.order))
	live := 0
	for p := range parts {
		live += f.find(s, parts, p)
	}
	if len(s.fresh) > 0 {
		f.merge(s.fresh, parts)
		f.pack(len(s.fresh))
		s.emptyPlaces(len(f.order))
		for _, ser := range f.order {
			if ser.seen == f.gen {
				s.places[ser.pos] = ser.place(s.protobuf)
			}
		}
	}
	if stale := len(f.order) - live; stale > live+256 || stale > 0 && f.gen%16 == 0 {
		f.sweep()
	}
}

func (s *session) emptyPlaces(n int) {
	clear(s.places)
	s.places = append(s.places[:0], make([]place, n)...)
}

// find looks up the series of one part, and puts those in their place that have one. It returns how
// many there are. A set the same stream has shown already in this encode is a duplicate.
func (f *family) find(s *session, parts []part, p int) int {
	pt := &parts[p]
	s.ids = pt.points.ids(s.ids[:0])
	live := 0
	for i, id := range s.ids {
		ser := pt.stream.remembered(i, id)
		if ser == nil {
			ser = f.render(pt, id, i)
			pt.stream.index[id] = ser
			s.fresh = append(s.fresh, newcomer{series: ser, part: p, point: i})
		}
		pt.stream.hintAt(i, ser)
		if ser.seen == f.gen {
			pt.duplicates++
			continue
		}
		ser.seen, ser.part, ser.point = f.gen, int32(p), int32(i)
		live++
		if s.protobuf && ser.wire == "" {
			ser.wire = wireLabels(ser.block)
		}
		if ser.pos >= 0 {
			s.places[ser.pos] = ser.place(s.protobuf)
		}
	}
	return live
}

func (ser *series) place(protobuf bool) place {
	at := place{block: ser.block, part: ser.part + 1, point: ser.point, repaired: ser.repaired, twin: ser.twin}
	if protobuf {
		at.block = ser.wire
	}
	return at
}

// pack moves the blocks of the family together, in the order they are read in, once a good part of
// them is new. It makes a large family several times faster to write.
func (f *family) pack(fresh int) {
	if f.unpacked += fresh; f.unpacked <= len(f.order)/4 {
		return
	}
	f.unpacked = 0
	size := 0
	for _, ser := range f.order {
		size += len(ser.block)
	}
	var b strings.Builder
	b.Grow(size)
	for _, ser := range f.order {
		b.WriteString(ser.block)
	}
	all := b.String()
	for _, ser := range f.order {
		ser.block, all = all[:len(ser.block)], all[len(ser.block):]
	}
}

// remembered looks where the series was the last time before it asks the map: the SDK gives points in
// an order that changes only when there are new ones.
func (st *stream) remembered(i int, id attribute.Distinct) *series {
	if i < len(st.hint) && st.hint[i].id == id {
		return st.hint[i]
	}
	return st.index[id]
}

func (st *stream) hintAt(i int, ser *series) {
	switch {
	case i < len(st.hint):
		if st.hint[i] != ser {
			st.hint[i] = ser
		}
	case i == len(st.hint):
		st.hint = append(st.hint, ser)
	}
}

// render makes the label block of a series that was not there before.
func (f *family) render(p *part, id attribute.Distinct, i int) *series {
	v, fixed := p.view, p.stream.fixed
	taken := func(name string) bool {
		return f.kind.reserved(name) || slices.ContainsFunc(fixed, func(l label) bool { return l.name == name })
	}
	ser := &series{id: id, owner: p.stream, pos: -1}
	f.pairs, ser.repaired = v.attributes(f.pairs[:0], p.points.attributes(i), "", taken)
	f.pairs = append(f.pairs, fixed...)
	joined := joinLabels(f.pairs)
	if len(joined) > 0 {
		f.rawBuf = append(appendLabels(f.rawBuf[:0], joined), "} "...)
		ser.block = string(f.rawBuf)
	}
	clear(f.pairs)
	return ser
}

// merge sorts series into the order, behind those that have the same block already.
func (f *family) merge(fresh []newcomer, parts []part) {
	if len(fresh) == 0 {
		return
	}
	slices.SortFunc(fresh, func(a, b newcomer) int {
		if c := cmp.Or(strings.Compare(a.series.block, b.series.block), cmp.Compare(a.part, b.part)); c != 0 {
			return c
		}
		return compareSets(parts[a.part].points.attributes(a.point), parts[b.part].points.attributes(b.point))
	})
	hi := len(f.order)
	f.order = slices.Grow(f.order, len(fresh))[:hi+len(fresh)]
	for n := len(fresh); n > 0; n-- {
		ser := fresh[n-1].series
		at := sort.Search(hi, func(i int) bool { return f.order[i].block > ser.block })
		copy(f.order[at+n:hi+n], f.order[at:hi])
		f.order[at+n-1] = ser
		hi = at
	}
	for i := hi; i < len(f.order); i++ {
		ser := f.order[i]
		if ser.pos < 0 {
			ser.twin = i > 0 && f.order[i-1].block == ser.block
		}
		ser.pos = int32(i)
	}
}

// sweep forgets the series that are not in the present encode.
func (f *family) sweep() {
	f.order = slices.DeleteFunc(f.order, func(ser *series) bool {
		if ser.seen == f.gen {
			return false
		}
		delete(ser.owner.index, ser.id)
		clear(ser.owner.hint)
		ser.owner.hint = ser.owner.hint[:0]
		return true
	})
	for i, ser := range f.order {
		ser.pos = int32(i)
	}
}
