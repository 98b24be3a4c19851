package contract_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/duotel/duotel/telemetry/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const orders = `schema: duotel.metrics/v1
service: checkout
instruments:
  - name: checkout.orders
    kind: counter
    unit: "{order}"
    description: Orders by outcome.
    stability: stable
    was: [orders]
    attributes:
      outcome: [accepted, refused]
      currency: {open: 20}
  - name: checkout.payment.duration
    kind: histogram
    unit: s
    bounds: [0.1, 0.5, 1]
    attributes:
      provider: [a, b, "true"]
`

func parse(t *testing.T, text string) *contract.Contract {
	t.Helper()
	c, err := contract.Parse("metrics.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse(t *testing.T) {
	c := parse(t, orders)
	want := &contract.Contract{Service: "checkout", Instruments: []contract.Instrument{
		{
			Name: "checkout.orders", Kind: contract.Counter, Unit: "{order}", Description: "Orders by outcome.", Stability: contract.Stable, Was: []string{"orders"},
			Attributes: []contract.Attribute{{Name: "outcome", Values: []string{"accepted", "refused"}}, {Name: "currency", Open: 20}},
		},
		{
			Name: "checkout.payment.duration", Kind: contract.Histogram, Unit: "s", Bounds: []float64{0.1, 0.5, 1},
			Attributes: []contract.Attribute{{Name: "provider", Values: []string{"a", "b", "true"}}},
		},
	}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if f := c.Instruments[0].Family(); f != "checkout_orders_total" {
		t.Errorf("the family is %s", f)
	}
	if f := c.Instruments[1].Family(); f != "checkout_payment_duration_seconds" {
		t.Errorf("the family is %s", f)
	}
	if n := c.Series(); n != 2*20+3*6 {
		t.Errorf("%d series, want 58", n)
	}
}

// TestRoundTrip wants what was written to be read as the same, and to be the same text again.
func TestRoundTrip(t *testing.T) {
	out, err := parse(t, orders).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(t, string(out)).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(parse(t, orders), parse(t, string(out))) || string(out) != string(again) {
		t.Errorf("it became\n%s\nand then\n%s", out, again)
	}
}

// TestErrors has one defect in each contract, and wants place, found and allowed.
func TestErrors(t *testing.T) {
	line := func(text string) string { return "schema: duotel.metrics/v1\ninstruments:\n  - " + text + "\n" }
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", []string{"metrics.yaml:1:1", "empty"}},
		{"schema: duotel.metrics/v2\ninstruments: []\n", []string{"metrics.yaml:1:9", `"duotel.metrics/v2"`, "duotel.metrics/v1"}},
		{"instruments: []\n", []string{"metrics.yaml:1:1", `schema is ""`}},
		{"schema: duotel.metrics/v1\ninstrument: []\n", []string{"metrics.yaml:2:1", `unknown key "instrument"`, "instruments"}},
		{line("{name: a, kind: counter, units: s}"), []string{"metrics.yaml:3:", `instrument "a"`, `unknown key "units"`, "unit"}},
		{line("{name: a, kind: count}"), []string{`kind is "count"`, "counter", "exponential_histogram"}},
		{line("{kind: counter}"), []string{"no name"}},
		{line("{name: a, kind: counter, name: b}"), []string{`"name" is there twice`}},
		{line("{name: a, kind: counter, bounds: [1]}"), []string{"only a histogram"}},
		{line("{name: a, kind: histogram, bounds: [1, 1]}"), []string{"3:44", `"1"`, "ascend"}},
		{line("{name: a, kind: histogram, bounds: [.inf]}"), []string{"finite"}},
		{line("{name: a, kind: counter, stability: frozen}"), []string{`"frozen"`, "stable or development"}},
		{line("{name: a, kind: counter, attributes: {b: [true]}}"), []string{`"true"`, "quotes"}},
		{line("{name: a, kind: counter, attributes: {b: [x, x]}}"), []string{`"x" is there twice`}},
		{line("{name: a, kind: counter, attributes: {b: []}}"), []string{"no values", "{open: 100}"}},
		{line("{name: a, kind: counter, attributes: {b: {open: 0}}}"), []string{"open is 0", "from 1"}},
		{line("{name: a, kind: counter, attributes: {b: any}}"), []string{`"any"`, "{open: 100}"}},
		{line("{name: a, kind: counter, attributes: {b.c: [x], b_c: [x]}}"), []string{`"b_c" is there twice`}},
		{line("{name: a, kind: counter}\n  - {name: a_total, kind: counter}"), []string{"metrics.yaml:4:", `"a_total"`, `"a"`}},
	} {
		_, err := contract.Parse("metrics.yaml", []byte(tt.text))
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: error %v; want %q in it", tt.text, err, want)
			}
		}
	}
	_, err := contract.Parse("m", []byte(line("{name: a, kind: x}\n  - {name: b, kind: y}")))
	if err == nil || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("not all errors at once: %v", err)
	}
}

// TestDiff changes one thing in each row.
func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		class    contract.Class
		want     []string
		series   int
	}{
		{"name: checkout.orders\n", "name: checkout.sales\n    deprecated: x\n", contract.Breaking, []string{"removed", "checkout_orders_total"}, 0},
		{"name: checkout.orders", "name: orders", contract.Breaking, []string{"removed"}, 0},
		{"unit: s\n", "unit: ms\n", contract.Breaking, []string{`"ms"`, "checkout_payment_duration_seconds", "checkout_payment_duration_milliseconds"}, 0},
		{"kind: counter", "kind: gauge", contract.Breaking, []string{"checkout_orders_total"}, 0},
		{"      outcome: [accepted, refused]\n", "", contract.Breaking, []string{"attribute outcome removed"}, -20},
		{"[accepted, refused]", "[accepted]", contract.Breaking, []string{`outcome="refused" removed`}, -20},
		{"[accepted, refused]", "[accepted, refused, lost]", contract.Cost, []string{`outcome="lost" added`}, 20},
		{"{open: 20}", "{open: 50}", contract.Cost, []string{"at most 50 values, had 20"}, 60},
		{"{open: 20}", "[eur]", contract.Compatible, []string{"1 known values"}, -38},
		{"outcome: [accepted, refused]", "outcome: {open: 10}", contract.Cost, []string{"open now"}, 160},
		{"[0.1, 0.5, 1]", "[0.1, 1]", contract.Breaking, []string{"bound 0.5 removed", `le="0.5"`}, -3},
		{"[0.1, 0.5, 1]", "[0.1, 0.3, 0.5, 1]", contract.Cost, []string{"bound 0.3 added"}, 3},
		{"provider: [a, b, \"true\"]", "provider: [a, b, \"true\"]\n      region: [eu, us]", contract.Cost, []string{"attribute region added"}, 18},
		{"Orders by outcome.", "Orders.", contract.Compatible, []string{"description"}, 0},
		{"stability: stable", "stability: development", contract.Compatible, []string{"in development"}, 0},
	} {
		to := strings.Replace(orders, tt.from, tt.to, 1)
		if to == orders {
			t.Fatalf("%q is not there", tt.from)
		}
		changes := contract.Diff(parse(t, orders), parse(t, to))
		if len(changes) == 0 {
			t.Errorf("%q to %q: no change", tt.from, tt.to)
			continue
		}
		first := changes[0]
		if first.Class != tt.class || contract.Broken(changes) != (tt.class == contract.Breaking) {
			t.Errorf("%q to %q: %v, want %s", tt.from, tt.to, first, tt.class)
		}
		for _, want := range tt.want {
			if !strings.Contains(first.String(), want) {
				t.Errorf("%q to %q: %v; want %q in it", tt.from, tt.to, first, want)
			}
		}
		if tt.series != 0 && first.Series != tt.series {
			t.Errorf("%q to %q: %+d series, want %+d", tt.from, tt.to, first.Series, tt.series)
		}
	}
	if changes := contract.Diff(parse(t, orders), parse(t, orders)); len(changes) != 0 {
		t.Errorf("the same contract differs: %v", changes)
	}
}

// TestRenamed follows `was` from the old name to the new one instead of telling of one that went and one that came.
func TestRenamed(t *testing.T) {
	to := strings.Replace(orders, "name: checkout.orders", "name: checkout.sales", 1)
	to = strings.Replace(to, "was: [orders]", "was: [checkout.orders]", 1)
	changes := contract.Diff(parse(t, orders), parse(t, to))
	if len(changes) != 1 || changes[0].Class != contract.Breaking || !strings.Contains(changes[0].String(), "renamed to checkout.sales") ||
		!strings.Contains(changes[0].Effect, "checkout_sales_total") {
		t.Errorf("changes: %v", changes)
	}
}

func ExampleDiff() {
	old, _ := contract.Parse("old.yaml", []byte(orders))
	next, _ := contract.Parse("new.yaml", []byte(strings.Replace(orders, "[accepted, refused]", "[accepted, refused, lost]", 1)))
	for _, change := range contract.Diff(old, next) {
		fmt.Println(change)
	}
	// Output:
	// cost: checkout.orders: outcome="lost" added: panels have one more line (+20 series)
}

func ExampleWriteTable() {
	old, _ := contract.Parse("old.yaml", []byte(orders))
	next, _ := contract.Parse("new.yaml", []byte(strings.Replace(orders, "[0.1, 0.5, 1]", "[0.1, 1]", 1)))
	_ = contract.WriteTable(os.Stdout, contract.Diff(old, next))
	// Output:
	// CLASS     INSTRUMENT                 WHAT               EFFECT                                          SERIES
	// breaking  checkout.payment.duration  bound 0.5 removed  objectives and alerts at le="0.5" have no data  -3
	//                                      1 changes                                                          -3
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(orders))
	f.Add([]byte("schema: duotel.metrics/v1\ninstruments: [{name: a, kind: counter, attributes: &x {a: *x}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := contract.Parse("fuzz.yaml", data)
		if err != nil {
			return
		}
		out, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := contract.Parse("fuzz.yaml", out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, out)
		}
		if changes := contract.Diff(c, again); len(changes) != 0 {
			t.Fatalf("what was written differs: %v\n%s", changes, out)
		}
	})
}
