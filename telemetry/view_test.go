package telemetry_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// view matches one instrument.
func view(name string, stream sdkmetric.Stream) telemetry.Option {
	return telemetry.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: name}, stream))
}

// TestViews changes synchronous and observable instruments at both exits. Of several views that match, the
// first is the only one.
func TestViews(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}},
		view("jobs", sdkmetric.Stream{Name: "tasks", AttributeFilter: attribute.NewDenyKeysFilter("user")}),
		view("jobs", sdkmetric.Stream{Name: "second"}),
		view("wait", sdkmetric.Stream{Name: "delay", Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{1, 2}}}),
		view("secret", sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
		view("observed", sdkmetric.Stream{Name: "seen"}),
	)
	m := sdk.MeterProvider().Meter("app")
	must(m.Int64Counter("jobs")).Add(t.Context(), 3, attrs("user", "ann", "kind", "mail"))
	must(m.Float64Histogram("wait")).Record(t.Context(), 1.5)
	must(m.Int64Counter("secret")).Add(t.Context(), 1)
	must(m.Int64Counter("plain")).Add(t.Context(), 1)
	must(m.Int64ObservableGauge("observed", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(4)
		return nil
	})))
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := must(telemetrytest.ParseExposition(scrape(sdk.MetricsHandler()).Body))
	for exposed, sent := range map[string]string{"tasks_total": "tasks", "delay_count": "delay", "plain_total": "plain", "seen": "seen"} {
		if len(page.Find(exposed, nil)) != 1 || len(backend.Find(sent, nil)) != 1 {
			t.Errorf("%s is there %d times in the scrape, and %d at the backend", sent, len(page.Find(exposed, nil)), len(backend.Find(sent, nil)))
		}
	}
	for exposed, sent := range map[string]string{"jobs_total": "jobs", "second_total": "second", "wait_count": "wait", "secret_total": "secret", "observed": "observed"} {
		if len(page.Find(exposed, nil))+len(backend.Find(sent, nil)) != 0 {
			t.Errorf("%s is there, although a view has changed it", sent)
		}
	}
	tasks, delay := backend.Find("tasks", nil), backend.Find("delay", nil)
	if len(tasks) == 1 && (tasks[0].Value != 3 || tasks[0].Labels["user"] != "" || tasks[0].Labels["kind"] != "mail") {
		t.Errorf("the view's attribute filter has left %v", tasks)
	}
	if len(delay) == 1 && !slices.Equal(delay[0].Bounds, []float64{1, 2}) {
		t.Errorf("the bounds are %v, want the view's", delay[0].Bounds)
	}
}

// TestCardinalityLimitOfSingleInstruments has one instrument with a limit of its own, one with none, and
// others with the Config's.
func TestCardinalityLimitOfSingleInstruments(t *testing.T) {
	limits := map[string]int{"tight": 3, "free": -1}
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", CardinalityLimit: 10},
		telemetry.WithCardinalityLimit(func(i sdkmetric.Instrument) int {
			if i.Scope.Name != "app" {
				return 0
			}
			return limits[i.Name]
		}))
	record := map[string]func(metric.MeasurementOption){
		"tight": counting(t, sdk, "app", "tight"), "free": counting(t, sdk, "app", "free"),
		"usual": counting(t, sdk, "app", "usual"), "elsewhere": counting(t, sdk, "other", "tight"),
	}
	for i := range 20 {
		for name, add := range record {
			add(attrs("case", name, "i", strconv.Itoa(i)))
		}
	}
	page := must(telemetrytest.ParseExposition(scrape(sdk.MetricsHandler()).Body))
	for name, want := range map[string]struct {
		family, scope string
		series        int
		overflow      float64
	}{
		"tight":     {"tight_total", "app", 3, 18},
		"free":      {"free_total", "app", 20, 0},
		"usual":     {"usual_total", "app", 10, 11},
		"elsewhere": {"tight_total", "other", 10, 11},
	} {
		scope := map[string]string{"otel_scope_name": want.scope}
		if n := len(page.Find(want.family, scope)); n != want.series {
			t.Errorf("%s has %d series, want %d", name, n, want.series)
		}
		scope["otel_metric_overflow"] = "true"
		overflow := 0.0
		for _, s := range page.Find(want.family, scope) {
			overflow += s.Value
		}
		if overflow != want.overflow {
			t.Errorf("%s has %v measurements in the overflow, want %v", name, overflow, want.overflow)
		}
	}
}

// counting is a counter's Add of one.
func counting(t *testing.T, sdk *telemetry.SDK, scope, name string) func(metric.MeasurementOption) {
	t.Helper()
	counter := must(sdk.MeterProvider().Meter(scope).Int64Counter(name))
	return func(opt metric.MeasurementOption) { counter.Add(t.Context(), 1, opt) }
}
