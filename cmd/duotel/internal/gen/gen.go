// Package gen is the subcommand `duotel gen`: it writes the operations kit of one service, which are dashboards, rules with
// their tests, objectives, and what Prometheus needs to scrape it.
package gen

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
	"github.com/duotel/duotel/cmd/duotel/internal/folder"
	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/cmd/duotel/internal/slo"
	"github.com/duotel/duotel/telemetry/contract"
)

const help = `Writes the operations kit of one service into a folder: Grafana dashboards, Prometheus rules with a
promtool test for each alert, objectives with burn rates over two windows, and a Prometheus
configuration that scrapes the service and loads the rules. The same command writes the same bytes.
It replaces what it wrote before, and never a file that somebody else wrote or changed.

With -for axiom it writes a dashboard for Axiom instead, of what the service pushes there: a preview.

An objective's latency has to be a bound of the histogram, or what is within it can only be guessed.
METRICS_HTTP_DURATION_BOUNDS adds bounds to a service, and -bounds says so here.

EXAMPLES
  duotel gen -o ops -service checkout
  duotel gen -o ops -service checkout -names classic -slo 'availability=99.9%' -slo 'latency=99% < 300ms'
  duotel gen -o ops -service checkout -bounds 400ms -slo 'latency(/pay)=99.5% < 400ms' -period 28d
  duotel gen -o axiom -service checkout -for axiom -dataset my-metrics -slo 'latency=99% < 250ms'
  duotel gen -o ops -service flyte -contract metrics.yaml \
    -slo 'workflows=99% of flytepropeller_workflow_total{phase=~"succeeded|failed"} except {phase="failed"}' \
    -alert 'RetrySpike for 10m: sum(rate(flytepropeller_retries_total{job="flyte"}[5m])) > 1'`

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, ", ") }

func (t *texts) Set(s string) error {
	*t = append(*t, s)
	return nil
}

// options are the command line.
type options struct {
	dir, service, vocabulary, namespace, subsystem, histograms, period, bounds, contract, targets string
	backend, dataset, temporality                                                                 string
	slos, alerts                                                                                  texts
	force                                                                                         bool
}

// New returns the subcommand.
func New(s cli.Streams) *ffcli.Command {
	var o options
	set := cli.Flags("gen")
	set.StringVar(&o.dir, "o", "", "`folder` to write into; it is made if it is not there")
	set.StringVar(&o.service, "service", "", "`name` of the service, which is its job in Prometheus")
	set.StringVar(&o.vocabulary, "names", "semconv", "vocabulary of the HTTP server's metrics, as METRICS_HTTP_NAMES: semconv or classic")
	set.StringVar(&o.namespace, "namespace", "", "METRICS_NAMESPACE of the service")
	set.StringVar(&o.subsystem, "subsystem", "", "METRICS_SUBSYSTEM of the service")
	set.StringVar(&o.histograms, "histograms", "classic", "how Prometheus stores histograms: classic or native")
	set.StringVar(&o.bounds, "bounds", "", "METRICS_HTTP_DURATION_BOUNDS of the service: 300ms,1s")
	set.Var(&o.slos, "slo", "an objective: 'availability=99.9%', 'latency=99% < 300ms', 'latency(/checkout)=99.5% < 1s', or of a metric in the contract 'NAME=99% of COUNTER{…} except {…}'; repeatable")
	set.StringVar(&o.period, "period", "30d", "of the objectives, from 7d to 92d")
	set.StringVar(&o.contract, "contract", "", "contract `file` of the service's own metrics")
	set.Var(&o.alerts, "alert", "an alert on metrics in the contract: 'NAME [for 5m] [page]: EXPRESSION'; repeatable")
	set.StringVar(&o.targets, "targets", "localhost:8080", "`addresses` of the service's page for Prometheus, comma-separated")
	set.StringVar(&o.backend, "for", "prometheus", "what the kit is for: prometheus, with Grafana, or axiom")
	set.StringVar(&o.dataset, "dataset", "", "with -for axiom: the `name` of the dataset, as X-Axiom-Metrics-Dataset has it")
	set.StringVar(&o.temporality, "temporality", "cumulative", "with -for axiom: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE of the service, cumulative or delta")
	set.BoolVar(&o.force, "force", false, "overwrite files that somebody else wrote or changed")
	return cli.Command(s, set, "duotel gen -o DIR -service NAME [flags]", "Write dashboards, rules, objectives and their tests for a service.", help,
		func(_ context.Context, args []string) error { return o.run(args, s) })
}

func (o options) run(args []string, s cli.Streams) error {
	service, err := o.read(args)
	if err != nil {
		return err
	}
	files, err := o.files(&service)
	if err != nil {
		return cli.Usagef("gen: %w", err)
	}
	for _, note := range service.Notes {
		fmt.Fprintf(s.Err, "duotel: gen: %s\n", note)
	}
	result, err := folder.Write(o.dir, files, o.force)
	if err != nil {
		return fmt.Errorf("gen: %w", err)
	}
	fmt.Fprintf(s.Out, "%s: %d files written, %d unchanged, %d removed\n", o.dir, result.Written, result.Unchanged, result.Removed)
	return nil
}

// files makes the kit, for what it is asked for.
func (o options) files(s *Service) ([]folder.File, error) {
	switch o.backend {
	case "prometheus":
		if o.dataset != "" {
			return nil, fmt.Errorf("-dataset=%q: it is for -for axiom only", o.dataset)
		}
		return s.Files()
	case "axiom":
		return s.axiom(o.dataset, o.temporality)
	default:
		return nil, fmt.Errorf("-for=%q: prometheus or axiom is allowed", o.backend)
	}
}

// read checks the whole command line, and the contract, before anything is made.
func (o options) read(args []string) (s Service, err error) {
	if len(args) > 0 {
		return s, cli.Usagef("gen: %q: there are no arguments, only flags", args)
	}
	if o.dir == "" || o.service == "" {
		return s, cli.Usagef("gen: -o=%q -service=%q: both are needed: a folder, and the service's job in Prometheus", o.dir, o.service)
	}
	if o.histograms != "classic" && o.histograms != "native" {
		return s, cli.Usagef("gen: -histograms=%q: classic or native is allowed", o.histograms)
	}
	bounds, err := parseBounds(o.bounds)
	if err != nil {
		return s, cli.Usagef("gen: %w", err)
	}
	s.Name, s.Targets = o.service, strings.Split(o.targets, ",")
	s.Names, err = names.New(names.Options{
		HTTP: names.Vocabulary(o.vocabulary), Namespace: o.namespace, Subsystem: o.subsystem, Native: o.histograms == "native", Bounds: bounds,
	})
	if err != nil {
		return s, cli.Usagef("gen: %w", err)
	}
	if s.Period, err = slo.ParsePeriod(o.period); err != nil {
		return s, cli.Usagef("gen: %w", err)
	}
	s.Contract = &contract.Contract{}
	if o.contract != "" {
		data, err := os.ReadFile(o.contract)
		if err != nil {
			return s, cli.Usagef("gen: -contract: %v", err)
		}
		if s.Contract, err = contract.Parse(o.contract, data); err != nil {
			return s, cli.Usagef("gen: %w", err)
		}
		if o.backend == "prometheus" { // what is pushed has no prefix
			prefix(s.Contract, o.namespace, o.subsystem)
		}
	}
	for _, text := range o.slos {
		if err := s.addObjective(text); err != nil {
			return s, cli.Usagef("gen: %w", err)
		}
	}
	for _, text := range o.alerts {
		a, err := parseAlert(text)
		if err != nil {
			return s, cli.Usagef("gen: %w", err)
		}
		s.Alerts = append(s.Alerts, a)
	}
	return s, nil
}

// prefix gives the instruments of a contract the names that they have on the page of a service with a prefix, because objectives and alerts
// are written in those. One whose name is a family already was recorded from a page, or comes from client_golang, and stays.
func prefix(c *contract.Contract, parts ...string) {
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	for k, i := range c.Instruments {
		if family := i.Family(); len(parts) > 0 && i.Name != family {
			c.Instruments[k].Name = strings.Join(append(slices.Clone(parts), family), "_")
		}
	}
}

// parseBounds reads durations as METRICS_HTTP_DURATION_BOUNDS has them.
func parseBounds(list string) (out []float64, err error) {
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		d, err := time.ParseDuration(entry)
		if err != nil || d < time.Microsecond {
			return nil, fmt.Errorf("bounds=%q: %q is not a duration from 1µs up; allowed are durations, comma-separated: 300ms,1s", list, entry)
		}
		out = append(out, d.Seconds())
	}
	return out, nil
}
