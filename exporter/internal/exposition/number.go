package exposition

import (
	"math"
	"strconv"
	"time"
)

const (
	// plainLimit is where strconv's shortest 'g' format turns to an exponent.
	plainLimit = 1_000_000
	// exactLimit bounds the integers whose shortest decimal form is their own digits.
	exactLimit = 1 << 53
)

// appendFloat appends f as expfmt writes it in text 0.0.4: strconv's 'g' with the fewest digits.
// Integers, which most samples are, take a way around strconv's search for the fewest digits.
func appendFloat(b []byte, f float64) []byte {
	if i := int64(f); float64(i) == f && i > -exactLimit && i < exactLimit {
		return appendInteger(b, i)
	}
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "+Inf"...)
	case math.IsInf(f, -1):
		return append(b, "-Inf"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// appendOpenMetricsFloat is appendFloat, with ".0" after what would otherwise look like an integer.
func appendOpenMetricsFloat(b []byte, f float64) []byte {
	start := len(b)
	b = appendFloat(b, f)
	for _, c := range b[start:] {
		switch c {
		case '.', 'e', 'N', 'I':
			return b
		}
	}
	return append(b, ".0"...)
}

func appendInteger(b []byte, i int64) []byte {
	if i > -plainLimit && i < plainLimit {
		return strconv.AppendInt(b, i, 10)
	}
	var digits [20]byte
	if i < 0 {
		b, i = append(b, '-'), -i
	}
	d := strconv.AppendInt(digits[:0], i, 10)
	exponent := len(d) - 1
	for d[len(d)-1] == '0' {
		d = d[:len(d)-1]
	}
	b = append(b, d[0])
	if len(d) > 1 {
		b = append(append(b, '.'), d[1:]...)
	}
	return append(b, 'e', '+', byte('0'+exponent/10), byte('0'+exponent%10))
}

// appendSeconds appends t as the seconds since 1970, through the same float expfmt goes through.
func appendSeconds(b []byte, t time.Time) []byte {
	return appendOpenMetricsFloat(b, float64(t.UnixNano())/1e9)
}

// expressible reports whether t is set and can be written by [appendSeconds].
func expressible(t time.Time) bool {
	return !t.IsZero() && t.Year() >= 1700 && t.Year() < 2262
}
