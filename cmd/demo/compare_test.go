package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/telemetry/telemetrytest"
)

func TestDisagreementIsAFailure(t *testing.T) {
	t.Parallel()
	out, _, err := visited(t, nil, func(d *demo) { d.backend.Default(telemetrytest.PartialSuccess(1000, "no room")) })
	if err == nil || !strings.Contains(err.Error(), "compare: the exits differ in ") {
		t.Errorf("run = %v; want that they differ", err)
	}
	if !strings.Contains(out, "differs: ") {
		t.Errorf("no series is named:\n%s", out)
	}
}

// TestNothingToCompare runs without a load: that the exits agree on nothing is no agreement.
func TestNothingToCompare(t *testing.T) {
	t.Parallel()
	status, out, errOut := runDemo(t, nil, "-for", "100ms", "-load", "0")
	if status != exitFailed || !strings.Contains(errOut, "nothing to compare") || strings.Contains(out, "agree") {
		t.Errorf("status %d, want 1; stdout:\n%s\nstderr:\n%s", status, out, errOut)
	}
}

// TestNothingToCompareYet prints a table before the first request, and one after it.
func TestNothingToCompareYet(t *testing.T) {
	t.Parallel()
	out := newTranscript()
	d, err := open(t.Context(), flags{addr: "127.0.0.1:0", health: mixed, duration: time.Hour}, environment(nil), out, newTranscript())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- d.run(ctx) }()
	d.printTable(ctx)
	if got := out.String(); !strings.Contains(got, "nothing to compare") || strings.Contains(got, "agree") {
		t.Errorf("the first table:\n%s", got)
	}
	visit(t, http.MethodGet, d.url()+"/fast")
	cancel()
	if err := <-ran; err != nil || !strings.Contains(out.String(), "both exits agree on all") {
		t.Errorf("run = %v after one request; stdout:\n%s", err, out)
	}
}
