package exposition

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// expfmtFloat is how expfmt writes a sample's value.
func expfmtFloat(t *testing.T, f float64, openMetrics bool) string {
	t.Helper()
	name, typ := "m", dto.MetricType_GAUGE
	mf := &dto.MetricFamily{Name: &name, Type: &typ, Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &f}}}}
	var b bytes.Buffer
	write := expfmt.MetricFamilyToText
	if openMetrics {
		write = func(out io.Writer, in *dto.MetricFamily) (int, error) {
			return expfmt.MetricFamilyToOpenMetrics(out, in)
		}
	}
	if _, err := write(&b, mf); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(b.String(), "\n")
	return text[strings.LastIndexByte(text, ' ')+1:]
}

func TestAppendFloatAgreesWithExpfmt(t *testing.T) {
	values := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.5, 1e-5, 0.0001, 123456, 999999, 1e6, 1000001, 1234567, -1234567, 12e6, 1e15, 1e16, 1e20, 1e21,
		1e22, 1 << 53, 1<<53 - 1, 1<<53 + 2, -(1 << 53), math.MaxInt64, math.MinInt64, math.MaxFloat64, math.SmallestNonzeroFloat64,
		math.NaN(), math.Inf(1), math.Inf(-1), 0.1 + 0.2, 1e5 + 0.5, 9.99999e5, 1e23,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		values = append(values,
			math.Float64frombits(random.Uint64()), float64(random.Int64N(1<<54)-1<<53), float64(random.Int64N(3_000_000)),
			float64(random.Int64N(1000))*math.Pow10(random.IntN(14)))
	}
	for _, f := range values {
		if got, want := string(appendFloat(nil, f)), expfmtFloat(t, f, false); got != want {
			t.Errorf("appendFloat(%b) = %q, want %q", f, got, want)
		}
		if got, want := string(appendOpenMetricsFloat(nil, f)), expfmtFloat(t, f, true); got != want {
			t.Errorf("appendOpenMetricsFloat(%b) = %q, want %q", f, got, want)
		}
	}
}
