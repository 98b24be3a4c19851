package dashboards

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/telemetry/contract"
)

// promise is a contract with instruments of both kinds of names.
const promise = `schema: duotel.metrics/v1
service: shop
instruments:
  - name: shop.orders
    kind: counter
    unit: "{order}"
    description: Orders by outcome.
    attributes:
      shop.outcome: [accepted, refused]
  - name: legacy_queue_length
    kind: gauge
    deprecated: use shop.queue.length
  - name: shop.order.duration
    kind: exponential_histogram
    unit: s
  - name: shop.open
    kind: updowncounter
  - name: http.server.request.duration
    kind: histogram
    unit: s
`

func mustContract(t *testing.T, name, text string) *contract.Contract {
	t.Helper()
	c, err := contract.Parse(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFromContract(t *testing.T) {
	got := FromContract(mustContract(t, "metrics.yaml", promise), mustNames(t, names.Options{Namespace: "eu"}))
	want := []Metric{
		{Family: "eu_shop_orders_total", Kind: Counter, Unit: "{order}", Description: "Orders by outcome.", Labels: []string{"shop_outcome"}},
		{Family: "legacy_queue_length", Kind: Gauge, Description: "Deprecated: use shop.queue.length"},
		{Family: "eu_shop_order_duration_seconds", Kind: Histogram, Unit: "s"},
		{Family: "eu_shop_open", Kind: UpDown},
		{Family: "eu_http_server_request_duration_seconds", Kind: Histogram, Unit: "s"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("metrics %+v\nwant %+v", got, want)
	}
}

// TestShownOnce shows that what another dashboard is about is not among the service's own metrics, in each kind of histogram.
func TestShownOnce(t *testing.T) {
	for _, native := range []bool{false, true} {
		n := mustNames(t, names.Options{Native: native})
		ds := mustDashboards(t, Options{Names: n, Own: FromContract(mustContract(t, "metrics.yaml", promise), n)})
		own := ds[len(ds)-1]
		if own.File != "own.json" || strings.Contains(string(own.JSON), "http_server") || !strings.Contains(string(own.JSON), "shop_orders_total") {
			t.Errorf("native=%t: %s has what the dashboard Service has, or not what the contract has", native, own.File)
		}
	}
}

// TestContractOfAnExample makes a dashboard of every instrument that the example's contract has.
func TestContractOfAnExample(t *testing.T) {
	text, err := os.ReadFile("../../../../examples/flyte/metrics.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, n := mustContract(t, "metrics.yaml", string(text)), mustNames(t, names.Options{})
	ds := mustDashboards(t, Options{Names: n, Own: FromContract(c, n)})
	asked := map[string]bool{}
	for _, q := range Queries(ds) {
		asked[q.Title] = true
	}
	for _, title := range []string{
		"flyteadmin_request_total per second by code", "flyteadmin_request_duration_seconds p95 by handler",
		"flyteadmin_request_duration_seconds heat map", "flytepropeller_retries_total per second by reason",
	} {
		if !asked[title] {
			t.Errorf("no panel %q", title)
		}
	}
}
