package middleware_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/duotel/duotel/middleware"
)

func TestInvalidOption(t *testing.T) {
	tests := []struct {
		name string
		opt  middleware.Option
		want []string
	}{
		{"descending", middleware.WithDurationBuckets(3, 1), []string{`WithDurationBuckets="[3 1]"`, "ascend"}},
		{"equal", middleware.WithDurationBuckets(1, 1), []string{`WithDurationBuckets="[1 1]"`, "ascend"}},
		{"no duration", middleware.WithDurationBounds(time.Second, 0), []string{`WithDurationBounds="[1 0]"`, "at least 1µs"}},
		{"21 objectives", middleware.WithDurationBounds(slices.Repeat([]time.Duration{time.Second}, 21)...), []string{"WithDurationBounds", "21 bounds", "at most 20"}},
		{"not a number", middleware.WithSizeBuckets(math.NaN()), []string{`WithSizeBuckets="[NaN]"`, "finite"}},
		{"infinite", middleware.WithSizeBuckets(1, math.Inf(1)), []string{`WithSizeBuckets="[1 +Inf]"`, "finite"}},
		{"nil expression", middleware.WithExcluded(nil), []string{`WithExcluded="<nil>"`, "compiled"}},
		{"refused instrument", middleware.WithMeterProvider(refusing{}), []string{"http.server.active_requests", "refused"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := middleware.New(tt.opt)
			if err == nil {
				t.Fatal("New took it")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want %q in it", err, want)
				}
			}
			if _, err := middleware.NewTransport(nil, tt.opt); err == nil {
				t.Error("NewTransport took it")
			}
		})
	}
}

// refusing is a meter provider that creates no up-down counters.
type refusing struct{ noop.MeterProvider }

type refusingMeter struct{ noop.Meter }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

func (refusingMeter) Int64UpDownCounter(string, ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	return nil, errors.New("refused")
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := middleware.New(middleware.WithDurationBuckets(2, 1), middleware.WithSizeBuckets(4, 3))
	if err == nil || !strings.Contains(err.Error(), "[2 1]") || !strings.Contains(err.Error(), "[4 3]") {
		t.Errorf("the error is %v, want both buckets in it", err)
	}
}

func TestBucketOptions(t *testing.T) {
	m := newMeters(t)
	h := newMiddleware(t, m, middleware.WithDurationBuckets(1, 2), middleware.WithSizeBuckets(10)).Handler(leaf)
	h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/"))
	if got := m.points(t, requestDuration)[0].bounds; !slices.Equal(got, []float64{1, 2}) {
		t.Errorf("the duration's bounds are %v", got)
	}
	if got := m.points(t, responseSize)[0].bounds; !slices.Equal(got, []float64{10}) {
		t.Errorf("the size's bounds are %v", got)
	}
}

func TestInvalidOwnOption(t *testing.T) {
	tests := []struct {
		name string
		opts []middleware.Option
		want []string
	}{
		{"no attributes", []middleware.Option{middleware.WithAttributeLimit(0)}, []string{`WithAttributeLimit="0"`, "from 1 to 4096"}},
		{"too many attributes", []middleware.Option{middleware.WithAttributeLimit(5000)}, []string{`WithAttributeLimit="5000"`, "from 1 to 4096"}},
		{"both", []middleware.Option{middleware.WithStreamed("/events"), middleware.WithUnstreamed("/events")}, []string{`"/events"`, "one of the two"}},
		{"no route", []middleware.Option{middleware.WithStreamed("GET /events")}, []string{`"GET /events"`, "without method and host"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := middleware.New(tt.opts...)
			if err == nil {
				t.Fatal("New took it")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want %q in it", err, want)
				}
			}
		})
	}
}
