package delta

import (
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// buckets is one side of an exponential histogram.
type buckets metricdata.ExponentialBucket

// copied returns b's memory with the content of from.
func (b buckets) copied(from metricdata.ExponentialBucket) buckets {
	return buckets{Offset: from.Offset, Counts: append(b.Counts[:0], from.Counts...)}
}

func (b buckets) clone() buckets { return buckets{Offset: b.Offset, Counts: slices.Clone(b.Counts)} }

func (b buckets) end() int32 { return b.Offset + int32(len(b.Counts)) }

func (b buckets) at(index int32) uint64 {
	if i := int64(index) - int64(b.Offset); i >= 0 && i < int64(len(b.Counts)) {
		return b.Counts[i]
	}
	return 0
}

// coarser returns b at a scale lower by by: each step merges pairs of buckets.
func (b buckets) coarser(by int32) buckets {
	if by <= 0 || len(b.Counts) == 0 {
		return b
	}
	by = min(by, 31)
	first, last := b.Offset>>by, (b.end()-1)>>by
	out := buckets{Offset: first, Counts: make([]uint64, last-first+1)}
	for i, n := range b.Counts {
		out.Counts[(b.Offset+int32(i))>>by-first] += n
	}
	return out
}

// covers reports whether every bucket of b is at least that of earlier.
func (b buckets) covers(earlier buckets) bool {
	for i, n := range earlier.Counts {
		if b.at(earlier.Offset+int32(i)) < n {
			return false
		}
	}
	return true
}

// minus returns b less earlier, which it covers, without empty buckets at the ends.
func (b buckets) minus(earlier buckets) buckets {
	out := b.clone()
	for i, n := range earlier.Counts {
		if n > 0 {
			out.Counts[earlier.Offset+int32(i)-b.Offset] -= n
		}
	}
	return out.trimmed()
}

// plus returns b and other together, which have the same scale.
func (b buckets) plus(other buckets) buckets {
	b, other = b.trimmed(), other.trimmed()
	if len(b.Counts) == 0 {
		return other
	}
	if len(other.Counts) == 0 {
		return b
	}
	first, end := min(b.Offset, other.Offset), max(b.end(), other.end())
	out := buckets{Offset: first, Counts: make([]uint64, end-first)}
	for i, n := range b.Counts {
		out.Counts[b.Offset+int32(i)-first] += n
	}
	for i, n := range other.Counts {
		out.Counts[other.Offset+int32(i)-first] += n
	}
	return out
}

func (b buckets) trimmed() buckets {
	for len(b.Counts) > 0 && b.Counts[0] == 0 {
		b.Offset, b.Counts = b.Offset+1, b.Counts[1:]
	}
	for len(b.Counts) > 0 && b.Counts[len(b.Counts)-1] == 0 {
		b.Counts = b.Counts[:len(b.Counts)-1]
	}
	if len(b.Counts) == 0 {
		return buckets{}
	}
	return b
}
