package telemetrytest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// answers says what the upstream exporters make of each answer: a part of their error, "" for
// success; and how many of two points the backend took.
var answers = []struct {
	answer     telemetrytest.Answer
	http, grpc string
	took       float64
}{
	{telemetrytest.Accept(), "", "", 2},
	{telemetrytest.Status(204), "", "", 2},
	{telemetrytest.Status(400), "400 Bad Request", "InvalidArgument", 0},
	{telemetrytest.Status(401), "401 Unauthorized", "Unauthenticated", 0},
	{telemetrytest.Status(403), "403 Forbidden", "PermissionDenied", 0},
	{telemetrytest.Status(404), "404 Not Found", "Unimplemented", 0},
	{telemetrytest.Status(500), "500 Internal Server Error", "Internal", 0},
	{telemetrytest.Status(503), "retry-able request failure", "Unavailable", 0},
	{telemetrytest.Status(400).WithMessage("no such dataset"), "no such dataset", "no such dataset", 0},
	{telemetrytest.TooManyRequests(time.Second), "retry-able request failure", "ResourceExhausted", 0},
	{telemetrytest.Unavailable(time.Second), "retry-able request failure", "Unavailable", 0},
	{telemetrytest.TooLarge(), "413 Request Entity Too Large", "ResourceExhausted", 0},
	{telemetrytest.LimitPoints(2), "", "", 2},
	{telemetrytest.LimitPoints(1), "2 data points; at most 1", "2 data points; at most 1", 0},
	{telemetrytest.LimitBytes(10_000), "", "", 2},
	{telemetrytest.LimitBytes(10), "bytes; at most 10", "bytes; at most 10", 0},
	{telemetrytest.PartialSuccess(1, "too old"), "too old (1 metric data points rejected)", "too old (1 metric data points rejected)", 1},
	{telemetrytest.PartialSuccess(0, "deprecated"), "deprecated", "deprecated", 2},
	// Upstream reads partial successes under one content type only.
	{telemetrytest.PartialSuccess(1, "x").WithContentType("application/x-protobuf; charset=utf-8"), "", "x (1 metric", 1},
	{telemetrytest.PartialSuccess(1, "x").WithContentType("application/json"), "", "x (1 metric", 1},
	// Upstream takes a web page for success.
	{telemetrytest.HTML("<title>Log in</title>"), "", `content-type "text/html`, 0},
	{telemetrytest.Reset(), "connection reset", "Unavailable", 0},
	{telemetrytest.AcceptThenReset(), "connection reset", "Unavailable", 2},
	{telemetrytest.Slow(time.Millisecond), "", "", 2},
}

func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		t.Run(tt.answer.String(), func(t *testing.T) {
			forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
				b.Script(tt.answer)
				err := e.Export(t.Context(), orders(metricdata.DeltaTemporality, "ann", "bob"))
				requests := b.Requests()
				if len(requests) != 1 {
					t.Fatalf("%d requests; want 1; export: %v", len(requests), err)
				}
				want := tt.http
				if requests[0].Protocol == exporter.ProtocolGRPC {
					want = tt.grpc
				}
				checkError(t, err, want)
				if got := b.Sum("orders.placed", nil); got != tt.took {
					t.Errorf("took %v points; want %v", got, tt.took)
				}
				if got := requests[0].Accepted(); got != (tt.took > 0) {
					t.Errorf("Accepted() = %t", got)
				}
			})
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("export: %v; want success", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("export: %v; want an error with %q", err, want)
	}
}

func TestHangLastsUntilClientGivesUp(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		b.Script(telemetrytest.Hang())
		ctx, cancel := context.WithCancel(t.Context())
		exported := make(chan error, 1)
		go func() { exported <- e.Export(ctx, orders(metricdata.DeltaTemporality, "ann")) }()
		if err := b.WaitFor(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-exported; err == nil {
			t.Error("export succeeded; want an error")
		}
		if got := b.Counts(); got.Points != 0 {
			t.Errorf("took %d points; want none", got.Points)
		}
	})
}

func TestHangAndSlowEndWhenBackendGoesDown(t *testing.T) {
	for _, answer := range []telemetrytest.Answer{telemetrytest.Hang(), telemetrytest.Slow(time.Hour)} {
		t.Run(answer.String(), func(t *testing.T) {
			forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
				b.Script(answer)
				exported := make(chan error, 1)
				go func() { exported <- e.Export(t.Context(), orders(metricdata.DeltaTemporality, "ann")) }()
				if err := b.WaitFor(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				b.Down()
				// What was accepted is answered, what was not is cut off: neither is ambiguous.
				accepted := b.Requests()[0].Accepted()
				if err := <-exported; (err == nil) != accepted {
					t.Errorf("export: %v; accepted: %t", err, accepted)
				}
			})
		})
	}
}

func TestScriptThenDefault(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		b.Default(telemetrytest.Status(403))
		b.Script(telemetrytest.Accept(), telemetrytest.Status(401))
		b.Script(telemetrytest.Accept())
		want := []telemetrytest.Answer{
			telemetrytest.Accept(), telemetrytest.Status(401), telemetrytest.Accept(),
			telemetrytest.Status(403), telemetrytest.Status(403),
		}
		for range want {
			// The errors are the script's; what was answered is read from the record.
			_ = e.Export(t.Context(), orders(metricdata.DeltaTemporality, "ann"))
		}
		for i, r := range b.Requests() {
			if r.Answer != want[i] || r.Seq != int64(i+1) {
				t.Errorf("request %d: #%d %v; want %v", i, r.Seq, r.Answer, want[i])
			}
		}
		if got := len(b.Accepted()); got != 2 {
			t.Errorf("%d accepted; want 2", got)
		}
	})
}
