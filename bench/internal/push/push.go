// Package push compares what sending many series costs.
package push

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/bench/internal/report"
	"github.com/duotel/duotel/bench/internal/round"
	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
)

const (
	series = 100_000
	pushes = 3 // of each in a round; one push is one ratio
	ours   = "duotel"
	stock  = "stock PeriodicReader + otlpmetrichttp"
)

// never is an interval that does not end while this runs.
const never = 1000 * time.Hour

// sender is one contestant: measure everything once, then send it.
type sender struct {
	name    string
	counter metric.Int64Counter
	flush   func(context.Context) error
	close   func()
}

// Run measures pushes of counters with delta temporality.
func Run(r *report.Report, rounds int) {
	r.Section("Push", fmt.Sprintf("%d counters, all of them changed since the last push, delta temporality, http/protobuf, uncompressed, to a backend in the same process that reads and forgets. "+
		"The heap is its peak during a push beyond what was live before it, garbage included.", series))
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer backend.Close()
	senders := []sender{newDuotel(backend.URL), newStock(backend.URL)}
	sets := make([]metric.AddOption, series)
	for i := range sets {
		sets[i] = metric.WithAttributeSet(attribute.NewSet(attribute.Int("id", i), attribute.String("route", "/items/{id}")))
	}
	cost, peak := round.NewResult(ours, stock), round.NewResult(ours, stock)
	for n := range rounds*pushes + 1 {
		for k := range senders {
			s := senders[(n+k)%len(senders)]
			c, p := measure(s, sets)
			if n > 0 { // the first push has other work
				cost.Add(s.name, c)
				peak.Add(s.name, p)
			}
		}
	}
	table(r, cost, peak)
	for _, s := range senders {
		s.close()
	}
}

func newDuotel(url string) sender {
	ctx := context.Background()
	cfg := telemetry.Config{ServiceName: "bench", CardinalityLimit: -1}
	cfg.Push = telemetry.PushConfig{
		Endpoint: url + "/v1/metrics", Interval: never, Temporality: exporter.TemporalityDelta,
	}
	s := must(telemetry.New(ctx, cfg, telemetry.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))))
	return sender{ours, counter(s.MeterProvider()), s.ForceFlush, func() { _ = s.Shutdown(ctx) }}
}

func newStock(url string) sender {
	ctx := context.Background()
	exporter := must(otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(url+"/v1/metrics"),
		otlpmetrichttp.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector)))
	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(never))
	p := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(0))
	return sender{stock, counter(p), p.ForceFlush, func() { _ = p.Shutdown(ctx) }}
}

func counter(p metric.MeterProvider) metric.Int64Counter {
	return must(p.Meter("bench").Int64Counter("bench.requests"))
}

// measure sends twice: once for the CPU time, and once more while the heap is watched.
func measure(s sender, sets []metric.AddOption) (cost, peak round.Sample) {
	ctx := context.Background()
	touch(s, sets)
	before := round.CPU()
	check(s.flush(ctx))
	cost.Cost = float64(round.CPU() - before)
	touch(s, sets)
	stop := watchHeap()
	check(s.flush(ctx))
	peak.Cost = float64(stop())
	return cost, peak
}

func touch(s sender, sets []metric.AddOption) {
	for _, set := range sets {
		s.counter.Add(context.Background(), 1, set)
	}
	runtime.GC()
}

func table(r *report.Report, cost, peak round.Result) {
	var rows [][]string
	for _, name := range cost.Names() {
		rows = append(rows, []string{
			name, report.Nanoseconds(cost.Cost(name).Median), report.Ratio(cost.Ratio(ours, name)),
			report.Size(peak.Cost(name).Median), report.Ratio(peak.Ratio(ours, name)),
		})
	}
	r.Table("", []string{"", "CPU of a push", "duotel / this", "peak heap", "duotel / this"}, rows)
	r.Target("push, 100,000 delta counters, CPU: duotel / stock", 1, cost.Ratio(ours, stock))
	r.Target("push, 100,000 delta counters, peak heap: duotel / stock", 1, peak.Ratio(ours, stock))
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic("push: " + err.Error())
	}
}
