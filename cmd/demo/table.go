package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// compareAttempts is how often a running table tries to find both exits at the same moment: a request
// that ends between the push and the scrape is in one of them only.
const compareAttempts = 5

// printTable prints a table while the service runs.
func (d *demo) printTable(ctx context.Context) {
	if d.backend == nil {
		d.printPushState()
		return
	}
	var rows []row
	var err error
	for range compareAttempts {
		if rows, err = d.flushAndCompare(ctx); err != nil || len(disagreeing(rows)) == 0 {
			break
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		fmt.Fprintf(d.out, "\n%v\n", err)
		return
	}
	if len(rows) == 0 {
		fmt.Fprintln(d.out, errNothingToCompare)
		return
	}
	d.writeTable(rows)
	if n := len(disagreeing(rows)); n > 0 {
		fmt.Fprintf(d.out, "%d of %d series moved between the push and the scrape\n", n, len(rows))
		return
	}
	fmt.Fprintf(d.out, "both exits agree on all %d series\n", len(rows))
}

// flushAndCompare pushes first, since between two pushes the backend is behind by design.
func (d *demo) flushAndCompare(ctx context.Context) ([]row, error) {
	if err := d.sdk.ForceFlush(ctx); err != nil {
		return nil, err
	}
	return d.compare(ctx)
}

func disagreeing(rows []row) []row {
	var out []row
	for _, r := range rows {
		if !r.agrees() {
			out = append(out, r)
		}
	}
	return out
}

// errNothingToCompare is that of a comparison which would hold whatever the exits do.
var errNothingToCompare = errors.New("compare: nothing to compare: no request was measured; send one, or have the demo send some with -load")

// compareFinally prints the last table, when nothing moves any more. It is an error unless both exits
// have series and agree on every one.
func (d *demo) compareFinally(ctx context.Context) error {
	if d.backend == nil {
		return d.sdk.ForceFlush(ctx)
	}
	rows, err := d.flushAndCompare(ctx)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errNothingToCompare
	}
	d.writeTable(rows)
	different := disagreeing(rows)
	if len(different) == 0 {
		fmt.Fprintf(d.out, "both exits agree on all %d series, to the last count\n", len(rows))
		return nil
	}
	for _, r := range different {
		fmt.Fprintf(d.out, "differs: %s: scrape %s, backend %s\n", key(r.sample), number(r.scrape), number(r.backend))
	}
	return fmt.Errorf("compare: the exits differ in %d of %d series", len(different), len(rows))
}

// printPushState stands for the table where the backend is somebody else's.
func (d *demo) printPushState() {
	if push := d.sdk.Status().Push; push != nil {
		fmt.Fprintf(d.out, "push is %s: %d points sent, %d rejected\n", push.State, push.PointsSent, push.PointsRejected)
	}
}

// shownLabels are the labels a table shows, in this order; the others are the same for all its rows.
var shownLabels = []string{"http_request_method", "http_route", "http_response_status_code", "error_type"}

// writeTable shows the counts, which is what people look at; the comparison is of buckets and sums too.
func (d *demo) writeTable(rows []row) {
	w := tabwriter.NewWriter(d.out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n\tscrape\tbackend\t\n")
	for _, r := range rows {
		if !isShown(r.sample.Name) {
			continue
		}
		mark := ""
		if !r.agrees() {
			mark = "  <- differs"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", pad(title(r)), number(r.scrape), number(r.backend), mark)
	}
	// The table goes where everything goes: if nobody reads there, there is nobody to tell.
	_ = w.Flush()
}

func isShown(name string) bool {
	return !slices.ContainsFunc([]string{"_bucket", "_sum", "_body_size_bytes_count"}, func(suffix string) bool {
		return strings.HasSuffix(name, suffix)
	})
}

func title(r row) string {
	parts := []string{r.sample.Name}
	for _, name := range shownLabels {
		if v := r.sample.Labels[name]; v != "" && (name != "error_type" || v != r.sample.Labels["http_response_status_code"]) {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, " ")
}

// titleWidth makes the titles a column aligned to the left, in a table aligned to the right.
const titleWidth = 76

func pad(title string) string { return fmt.Sprintf("%-*s", titleWidth, title) }

func number(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
