package compare

import (
	"math"
	"slices"
	"testing"
)

func TestKeyIsOneForEveryWriting(t *testing.T) {
	want := `a_bucket{le="1",method="GET"}`
	for _, labels := range []map[string]string{
		{"le": "1", "method": "GET"},
		{"le": "1.0", "method": "GET"},
		{"le": "1e0", "method": "GET", "empty": ""},
		{"le": "1", "method": "GET", "__name__": "a_bucket", "job": "x"},
		{"le": "1", "method": "GET", "otel_scope_name": "go.opentelemetry.io/contrib/bridges/prometheus"},
	} {
		if got := Key("a_bucket", labels, Labels()...); got != want {
			t.Errorf("%v: %s, want %s", labels, got, want)
		}
	}
	for _, labels := range []map[string]string{
		{"le": "2", "method": "GET"},
		{"le": "1", "method": "get"},
		{"le": "1"},
		{"le": "1", "method": "GET", "otel_scope_name": "mine"},
	} {
		if got := Key("a_bucket", labels, Labels()...); got == want {
			t.Errorf("%v has the key of other labels", labels)
		}
	}
}

func TestDiffFinds(t *testing.T) {
	left := Series{
		"same{}": {Number: 1}, "nan{}": {Number: math.NaN()}, "rounded{}": {Number: 0.1 + 0.2}, "duotel_moving{}": {Number: 1},
		"value{}": {Number: 1}, "left{}": {Number: 1}, "native{}": {Histogram: "count 1"}, "kind{}": {Number: 1},
	}
	right := Series{
		"same{}": {Number: 1}, "nan{}": {Number: math.NaN()}, "rounded{}": {Number: 0.3}, "duotel_moving{}": {Number: 2},
		"value{}": {Number: 2}, "right{}": {Number: 1}, "native{}": {Histogram: "count 2"}, "kind{}": {Histogram: "count 1"},
	}
	got := Diff(left, right, Moving)
	want := []string{
		"kind{}: 1 on the left, count 1 on the right",
		"left{}: only on the left, 1",
		"native{}: count 1 on the left, count 2 on the right",
		"right{}: only on the right, 1",
		"value{}: 1 on the left, 2 on the right",
	}
	if got.Compared != 9 || !slices.Equal(got.Differences, want) {
		t.Errorf("%d compared, differences %q, want 9 and %q", got.Compared, got.Differences, want)
	}
}

func TestOursLeavesOutWhatIsExpected(t *testing.T) {
	for name, want := range map[string]bool{
		"up": false, "scrape_duration_seconds": false, "go_goroutines": false, "target_info": false,
		"upload_total": true, "http_server_active_requests": true, "duotel_scrapes_total": true,
	} {
		if Ours(name) != want {
			t.Errorf("Ours(%q) = %t, want %t", name, Ours(name), want)
		}
	}
}
