package bound

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// streamOf returns the stream of one instrument.
func streamOf(kind sdkmetric.InstrumentKind) *stream[int64] {
	p := NewProvider(Config{Inner: sdkmetric.NewMeterProvider()})
	return p.scope(instrumentation.Scope{Name: "s"}).ints.lookup(sdkmetric.Instrument{Name: "i", Kind: kind}, advice{})
}

// TestAdmitTwice stands for two goroutines that both missed a series in the table.
func TestAdmitTwice(t *testing.T) {
	st := streamOf(sdkmetric.InstrumentKindCounter)
	attrs := attribute.NewSet(attribute.Int("i", 1))
	if a, b := st.admit(attrs, 1), st.admit(attrs, 1); a != b || len(st.measured()) != 1 {
		t.Fatalf("%p and %p for one set", a, b)
	}
}

// TestNewGaugeShowsWhatIsMeasured: a collection may come between making a series and setting its value.
func TestNewGaugeShowsWhatIsMeasured(t *testing.T) {
	st := streamOf(sdkmetric.InstrumentKindGauge)
	if got := st.series(*attribute.EmptySet(), 7).last(); got != 7 {
		t.Fatalf("%d before the first measurement of 7", got)
	}
}

// TestIncompatibleIsNotKept: an instrument whose aggregation does not fit leaves the stream to the next.
func TestIncompatibleIsNotKept(t *testing.T) {
	p := NewProvider(Config{
		Inner: sdkmetric.NewMeterProvider(),
		View: func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			return sdkmetric.Stream{Name: i.Name, Aggregation: sdkmetric.AggregationLastValue{}}, i.Name == "a"
		},
	})
	ints := &p.scope(instrumentation.Scope{}).ints
	first := ints.lookup(sdkmetric.Instrument{Name: "a", Kind: sdkmetric.InstrumentKindCounter}, advice{})
	second := ints.lookup(sdkmetric.Instrument{Name: "A", Kind: sdkmetric.InstrumentKindCounter}, advice{})
	if first.plan.mode != incompatible || second.plan.mode != sum {
		t.Errorf("modes %d and %d, want %d and %d", first.plan.mode, second.plan.mode, incompatible, sum)
	}
}
