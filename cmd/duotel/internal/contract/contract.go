// Package contract is the subcommand `duotel contract`: a service's metrics, recorded from a page, two contracts compared, and one exchanged with
// OpenTelemetry Weaver.
package contract

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
	"github.com/duotel/duotel/cmd/duotel/internal/page"
	"github.com/duotel/duotel/telemetry/contract"
)

// New returns the subcommand with those of its own.
func New(s cli.Streams) *ffcli.Command {
	cmd := cli.Command(s, cli.Flags("contract"), "duotel contract <record|diff|export|import> …", "Record, compare or exchange metrics contracts.", "",
		func(_ context.Context, args []string) error {
			return cli.Usagef("contract: %q: a subcommand is needed: record, diff, export or import; see duotel contract -h", args)
		})
	cmd.Subcommands = []*ffcli.Command{record(s), diff(s), export(s), importer(s)}
	return cmd
}

const recordHelp = `Writes what is on a page as a contract, to standard output. The page is a URL, a file in the
Prometheus text format, or - for standard input. With -update the contract that is already there is
kept up to date instead: what people wrote into it stays.

EXAMPLES
  duotel contract record http://localhost:8080/metrics > metrics.yaml
  duotel contract record -update metrics.yaml http://localhost:8080/metrics`

func record(s cli.Streams) *ffcli.Command {
	var (
		fetch page.Options
		opts  contract.Options
		into  string
		name  string
	)
	set := cli.Flags("record")
	set.BoolVar(&opts.All, "all", false, "also the metrics of Duotel itself, of the Go runtime and of the process")
	set.IntVar(&opts.Values, "values", 20, "how `many` values of an attribute are listed; one with more is open")
	set.StringVar(&name, "service", "", "`name` of the service, for the contract")
	set.StringVar(&into, "update", "", "contract `file` to bring up to date instead of writing to standard output")
	set.DurationVar(&fetch.Timeout, "timeout", 10*time.Second, "for the scrape")
	return cli.Command(s, set, "duotel contract record [flags] URL|FILE|-", "Record a contract from a page.", recordHelp,
		func(ctx context.Context, args []string) error {
			if len(args) != 1 || opts.Values < 1 {
				return cli.Usagef("contract record: %q -values=%d: one page is allowed, a URL or a file, and at least one value", args, opts.Values)
			}
			old := &contract.Contract{}
			if into != "" {
				var err error
				if old, err = read(into); err != nil {
					return err
				}
			}
			families, err := page.Load(ctx, args[0], s.In, fetch)
			if err != nil {
				return err
			}
			observed := contract.Record(families, opts)
			observed.Service = name
			out, err := old.Update(observed).Marshal()
			if err != nil {
				return err
			}
			if into != "" {
				return os.WriteFile(into, out, 0o644)
			}
			_, err = s.Out.Write(out)
			return err
		})
}

const diffHelp = `Prints what changes from OLD to NEW, the worst first: what breaks queries, what costs series,
and what does neither.

Ends with 0 when nothing breaks, with 1 when something does, with 2 when a file cannot be read.

EXAMPLES
  duotel contract diff metrics.yaml new.yaml
  git show main:metrics.yaml > old.yaml && duotel contract diff old.yaml metrics.yaml`

// errBroken is the finding of diff.
var errBroken = errors.New("contract diff: there are changes that break queries")

func diff(s cli.Streams) *ffcli.Command {
	return cli.Command(s, cli.Flags("diff"), "duotel contract diff OLD NEW", "Compare two contracts.", diffHelp,
		func(_ context.Context, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("contract diff: %q: two files are allowed, the old contract and the new one", args)
			}
			old, err := read(args[0])
			if err != nil {
				return err
			}
			next, err := read(args[1])
			if err != nil {
				return err
			}
			changes := contract.Diff(old, next)
			if err := contract.WriteTable(s.Out, changes); err != nil {
				return err
			}
			if contract.Broken(changes) {
				return errBroken
			}
			return nil
		})
}

func read(file string) (*contract.Contract, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, cli.Usagef("contract: %v", err)
	}
	c, err := contract.Parse(file, data)
	if err != nil {
		return nil, cli.Usagef("contract: %w", err)
	}
	return c, nil
}
