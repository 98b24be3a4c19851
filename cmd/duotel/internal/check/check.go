// Package check is the subcommand `duotel check`: what a scrape page has to be, and what it costs.
package check

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
	"github.com/duotel/duotel/cmd/duotel/internal/page"
	"github.com/duotel/duotel/telemetry/contract"
)

type options struct {
	fetch    page.Options
	require  string
	contract string
	lint     bool
	top      int
	token    string
}

const help = `Fetches the page as text, OpenMetrics and protobuf, and parses each with Prometheus's own
parser. Lints the names. Lists the metrics with the most series, and the label that makes
them: how many there would be without it.

Ends with 0 when the page is right, with 1 when it is not, with 2 when it was called wrongly.

EXAMPLES
  duotel check http://localhost:8080/metrics
  duotel check -require http_requests_total,orders_total http://localhost:8080/metrics
  duotel check -contract metrics.yaml -bearer-token-file token https://shop:9464/metrics`

// New returns the subcommand.
func New(s cli.Streams) *ffcli.Command {
	var o options
	set := cli.Flags("check")
	set.StringVar(&o.require, "require", "", "`names` of families that have to be on the page, comma-separated")
	set.StringVar(&o.contract, "contract", "", "contract `file` that the page has to keep")
	set.BoolVar(&o.lint, "lint", true, "lint the names")
	set.IntVar(&o.top, "top", 10, "how `many` of the metrics with the most series are listed")
	set.DurationVar(&o.fetch.Timeout, "timeout", 10*time.Second, "for each of the three scrapes")
	set.Int64Var(&o.fetch.MaxBytes, "max-bytes", 256<<20, "the most `bytes` of a page that are read")
	set.StringVar(&o.token, "bearer-token-file", "", "`file` with a bearer token for the request")
	return cli.Command(s, set, "duotel check [flags] URL", "Check a /metrics page: formats, names, series, contract.", help,
		func(ctx context.Context, args []string) error { return o.run(ctx, args, s.Out) })
}

func (o options) run(ctx context.Context, args []string, out io.Writer) error {
	promised, err := o.prepare(args)
	if err != nil {
		return err
	}
	var findings []string
	find := func(format string, a ...any) { findings = append(findings, fmt.Sprintf(format, a...)) }
	text := o.formats(ctx, args[0], out, find)
	if text == nil {
		return finish(out, findings)
	}
	families, err := text.Families()
	if err != nil {
		find("text: %v", err)
		return finish(out, findings)
	}
	for _, name := range split(o.require) {
		if families[name] == nil {
			find("required: %s is not on the page", name)
		}
	}
	if o.lint {
		problems, err := promlint.NewWithMetricFamilies(values(families)).Lint()
		if err != nil {
			find("lint: %v", err)
		}
		for _, p := range problems {
			find("lint: %s: %s", p.Metric, p.Text)
		}
	}
	if promised != nil {
		for _, c := range promised.Check(contract.Record(families, contract.Options{})) {
			find("contract: %s", c)
		}
	}
	if err := series(out, families, o.top); err != nil {
		return err
	}
	return finish(out, findings)
}

// prepare checks the command line, and reads the files it names, before anything is fetched.
func (o *options) prepare(args []string) (*contract.Contract, error) {
	if len(args) != 1 || !page.IsURL(args[0]) {
		return nil, cli.Usagef("check: %q: one URL is allowed, such as http://localhost:8080/metrics; flags come before it", args)
	}
	if o.top < 0 || o.fetch.Timeout <= 0 || o.fetch.MaxBytes <= 0 {
		return nil, cli.Usagef("check: -top=%d -timeout=%v -max-bytes=%d: none may be negative, and a scrape needs time and room", o.top, o.fetch.Timeout, o.fetch.MaxBytes)
	}
	if o.token != "" {
		token, err := os.ReadFile(o.token)
		if err != nil {
			return nil, cli.Usagef("check: -bearer-token-file: %v", err)
		}
		o.fetch.Header = map[string][]string{"Authorization": {"Bearer " + strings.TrimSpace(string(token))}}
	}
	if o.contract == "" {
		return nil, nil
	}
	data, err := os.ReadFile(o.contract)
	if err != nil {
		return nil, cli.Usagef("check: -contract: %v", err)
	}
	promised, err := contract.Parse(o.contract, data)
	if err != nil {
		return nil, cli.Usagef("check: %w", err)
	}
	return promised, nil
}

// formats fetches every format and writes a line about each. It returns the page in the text format, or nil.
func (o options) formats(ctx context.Context, address string, out io.Writer, find func(string, ...any)) *page.Page {
	var text *page.Page
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range page.Formats() {
		p, err := page.Fetch(ctx, address, f, o.fetch)
		n := 0
		if err == nil {
			n, err = p.Count()
		}
		if err != nil {
			find("%s: %v", f.Name, err)
			fmt.Fprintf(t, "%s\twrong\t\t\n", f.Name)
			continue
		}
		if f == page.Text {
			text = &p
		}
		fmt.Fprintf(t, "%s\t%d samples\t%d bytes\t%v\n", f.Name, n, len(p.Body), p.Took.Round(time.Millisecond))
	}
	_ = t.Flush()
	return text
}

// finish writes the findings, and is an error where there are any.
func finish(out io.Writer, findings []string) error {
	fmt.Fprintln(out)
	for _, f := range findings {
		fmt.Fprintln(out, f)
	}
	if len(findings) > 0 {
		return fmt.Errorf("check: %d findings", len(findings))
	}
	fmt.Fprintln(out, "nothing found")
	return nil
}

// series lists the families with the most series, and the label without which there would be fewest.
func series(out io.Writer, families map[string]*dto.MetricFamily, top int) error {
	all := values(families)
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int {
		if d := samples(b) - samples(a); d != 0 {
			return d
		}
		return strings.Compare(a.GetName(), b.GetName())
	})
	if top == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "METRIC\tSERIES\tLABEL THAT MAKES THEM\tVALUES\tWITHOUT IT")
	for i, f := range all {
		if i == top {
			break
		}
		label, values, without := costliest(f)
		if label == "" {
			fmt.Fprintf(t, "%s\t%d\t\t\t\n", f.GetName(), samples(f))
			continue
		}
		each := samples(f) / len(f.GetMetric())
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\n", f.GetName(), samples(f), label, values, without*each)
	}
	return t.Flush()
}

// samples returns how many series of Prometheus a family is: a histogram has one for each bucket, a sum and a count.
func samples(f *dto.MetricFamily) (n int) {
	for _, m := range f.GetMetric() {
		switch {
		case m.GetHistogram() != nil:
			n += len(m.GetHistogram().GetBucket()) + 2
		case m.GetSummary() != nil:
			n += len(m.GetSummary().GetQuantile()) + 2
		default:
			n++
		}
	}
	return n
}

// costliest returns the label without which a family has the fewest sets of labels, how many values it has, and how many sets are left.
func costliest(f *dto.MetricFamily) (label string, values, without int) {
	without = len(f.GetMetric())
	seen := map[string]map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if seen[l.GetName()] == nil {
				seen[l.GetName()] = map[string]bool{}
			}
			seen[l.GetName()][l.GetValue()] = true
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		rest := map[string]bool{}
		for _, m := range f.GetMetric() {
			var key strings.Builder
			for _, l := range m.GetLabel() {
				if l.GetName() != name {
					fmt.Fprintf(&key, "%s\x00%s\x00", l.GetName(), l.GetValue())
				}
			}
			rest[key.String()] = true
		}
		if len(rest) < without {
			label, values, without = name, len(seen[name]), len(rest)
		}
	}
	return label, values, without
}

func values(families map[string]*dto.MetricFamily) []*dto.MetricFamily {
	out := make([]*dto.MetricFamily, 0, len(families))
	for _, f := range families {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}

func split(list string) (out []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}
