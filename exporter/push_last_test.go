package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter"
)

// over are contexts that ended before Shutdown was called.
func over(t *testing.T) map[string]context.Context {
	t.Helper()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	t.Cleanup(cancel)
	caused, because := context.WithCancelCause(t.Context())
	because(errors.New("interrupt"))
	return map[string]context.Context{"canceled": canceled, "expired": expired, "canceled with a cause": caused}
}

// F33: a context that is over still gives the last push a second, as the one that a signal has canceled is.
func TestPushShutdownWithAContextThatIsOver(t *testing.T) {
	for _, protocol := range protocols {
		for _, temporality := range []exporter.Temporality{exporter.TemporalityCumulative, exporter.TemporalityDelta} {
			for name := range over(t) {
				bubble(t, fmt.Sprint(protocol, temporality, name), func(t *testing.T) {
					b := newBackend(t)
					p, log := newPush(t, b.to(protocol, exporter.PushConfig{Temporality: temporality}))
					if err := p.Shutdown(over(t)[name]); err != nil {
						t.Error(err)
					}
					if s := p.Stats(); s.PointsSent != 1 || s.PointsLost != 0 || len(b.all()) != 1 {
						t.Errorf("%+v\n%s", s, log)
					}
				})
			}
		}
	}
}

// F33: what that second does not suffice for is in the spool where there is one, and otherwise counted, in the
// statistics and in the error.
func TestPushShutdownWithAContextThatIsOverAndADeadBackend(t *testing.T) {
	for _, protocol := range protocols {
		for mode := refused; mode < faults; mode++ {
			for name := range over(t) {
				for _, spooling := range []bool{false, true} {
					bubble(t, fmt.Sprint(protocol, mode, name, spooling), func(t *testing.T) {
						b := newBackend(t)
						b.set(mode)
						cfg := exporter.PushConfig{Temporality: exporter.TemporalityDelta}
						if spooling {
							cfg.SpoolDir = t.TempDir()
						}
						p, _ := newPush(t, b.to(protocol, cfg))
						start := time.Now()
						err := p.Shutdown(over(t)[name])
						if took := time.Since(start); took > exporter.ShutdownGrace+50*time.Millisecond {
							t.Errorf("took %v", took)
						}
						s := p.Stats()
						if err == nil || s.State != exporter.PushStopped || s.PointsSent != 0 {
							t.Errorf("%v; %+v", err, s)
						}
						if kept := s.PointsSpooled; spooling != (kept == 1) || spooling == (s.PointsLost == 1) {
							t.Errorf("%d spooled, %d lost", kept, s.PointsLost)
						}
						if want := fmt.Sprintf("%d points of the last push lost", s.PointsLost); err != nil && !strings.Contains(err.Error(), want) {
							t.Errorf("%v, want %q", err, want)
						}
					})
				}
			}
		}
	}
}

// F33: the error tells the last push from all that was lost since the start.
func TestPushShutdownSaysWhatTheLastPushLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		b.limit(0) // every point is too large by itself, and lost
		p, _ := newPush(t, b.to("", exporter.PushConfig{Producers: gauges(5)}))
		if err := p.ForceFlush(t.Context()); err == nil {
			t.Fatal("the backend refused everything")
		}
		b.script(respond(503, "", ""), nil)
		err := p.Shutdown(over(t)["canceled"])
		if s := p.Stats(); err == nil || !strings.Contains(err.Error(), "push: shutdown: 5 points of the last push lost") || s.PointsLost != 10 {
			t.Errorf("%v; %d lost since the start", err, s.PointsLost)
		}
	})
}

// F33: while a callback hangs, what needs none goes out, and no success is reported: not by ForceFlush, not by
// Shutdown, not in the state.
func TestPushWhileACallbackHangs(t *testing.T) {
	for _, protocol := range protocols {
		for _, spooling := range []bool{false, true} {
			bubble(t, fmt.Sprint(protocol, spooling), func(t *testing.T) {
				b, hang := newBackend(t), make(chan struct{})
				src, meter := newSource(t)
				must(meter.Int64ObservableGauge("stuck", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
					<-hang
					o.Observe(1)
					return nil
				})))
				src.Attach(counted(7))
				cfg := exporter.PushConfig{Temporality: exporter.TemporalityDelta, Producers: []sdkmetric.Producer{src.Producer(nil)}}
				if spooling {
					cfg.SpoolDir = t.TempDir()
				}
				p, log := newPush(t, b.to(protocol, cfg))
				err := p.ForceFlush(t.Context())
				if err == nil || !strings.Contains(err.Error(), "incomplete") {
					t.Errorf("ForceFlush: %v", err)
				}
				if s := p.Stats(); s.State != exporter.PushFailing || s.LastReason != "incomplete" || s.Failures["incomplete"] != 1 || s.PointsSent != 1 {
					t.Errorf("%+v", s)
				}
				if b.metric("counted") == nil || log.count("push: failing") != 1 {
					t.Errorf("what needs no callback did not arrive, or nobody was told:\n%s", log)
				}
				b.script(respond(503, "", ""), refuse(14, ""))
				err = p.Shutdown(over(t)["canceled"])
				if err == nil || !strings.Contains(err.Error(), "incomplete") {
					t.Errorf("Shutdown: %v", err)
				}
				close(hang)
				synctest.Wait()
			})
		}
	}
}

// counted is an attachment with one counter of that value, which needs no callback.
type counted int64

func (c counted) ProduceInto(_ context.Context, dst *[]metricdata.ScopeMetrics) error {
	points := []metricdata.DataPoint[int64]{{StartTime: time.Now().Add(-time.Second), Time: time.Now(), Value: int64(c)}}
	data := metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: points}
	*dst = []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "counted", Data: data}}}}
	return nil
}

// F33, F52: nothing of a push, and nothing of a shutdown at any moment of it, goes to OpenTelemetry's global error
// handler: a logger was given.
func TestPushTellsNothingToTheGlobalHandler(t *testing.T) {
	var told lines
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { fmt.Fprintln(&told, err) }))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	for _, protocol := range protocols {
		for mode := up; mode < faults; mode++ {
			for i := range 20 {
				bubble(t, fmt.Sprint(protocol, mode, i), func(t *testing.T) {
					b := newBackend(t)
					b.set(mode)
					p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Interval: time.Second, Timeout: time.Second, ExportTimeout: 2 * time.Second}))
					time.Sleep(time.Duration(i) * 250 * time.Millisecond)
					_ = p.Shutdown(over(t)["canceled"])
				})
			}
		}
	}
	if told.String() != "" {
		t.Errorf("told:\n%s", &told)
	}
}
