package contract

import (
	"context"
	"fmt"
	"os"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
	"github.com/duotel/duotel/cmd/duotel/internal/weaver"
)

const exportHelp = `Writes a contract to standard output in another format: with -weaver as a semantic convention
registry of OpenTelemetry Weaver, which stands alone. What only a contract has, such as buckets, is
in its annotations; what no registry can hold is named on standard error.

EXAMPLES
  duotel contract export -weaver metrics.yaml > registry.yaml`

func export(s cli.Streams) *ffcli.Command {
	set := cli.Flags("export")
	asWeaver := set.Bool("weaver", false, "as a registry of OpenTelemetry Weaver, which is the only format there is")
	return cli.Command(s, set, "duotel contract export -weaver FILE", "Write a contract in another format.", exportHelp,
		func(_ context.Context, args []string) error {
			if len(args) != 1 || !*asWeaver {
				return cli.Usagef("contract export: -weaver=%t %q: -weaver and one contract are needed", *asWeaver, args)
			}
			c, err := read(args[0])
			if err != nil {
				return err
			}
			out, leftOut, err := weaver.Export(c)
			if err != nil {
				return err
			}
			for _, what := range leftOut {
				fmt.Fprintf(s.Err, "duotel: contract export: left out: %s\n", what)
			}
			_, err = s.Out.Write(out)
			return err
		})
}

const importHelp = `Reads the files of a semantic convention registry of OpenTelemetry Weaver and writes the metrics
in them to standard output as a contract. An attribute whose values are not listed, or that is defined in
none of the files, is open. What is left out or assumed is named on standard error.

Ends with 2 when a file cannot be read or is no registry.

EXAMPLES
  duotel contract import -weaver registry.yaml > metrics.yaml
  duotel contract import -weaver -service shop -open 50 model/*.yaml > metrics.yaml`

func importer(s cli.Streams) *ffcli.Command {
	set := cli.Flags("import")
	fromWeaver := set.Bool("weaver", false, "from a registry of OpenTelemetry Weaver, which is the only format there is")
	service := set.String("service", "", "`name` of the service, for the contract")
	open := set.Int("open", 100, "how `many` values an attribute has at most whose values are not listed")
	return cli.Command(s, set, "duotel contract import -weaver [flags] FILE…", "Make a contract from another format.", importHelp,
		func(_ context.Context, args []string) error {
			if len(args) == 0 || !*fromWeaver || *open < 1 {
				return cli.Usagef("contract import: -weaver=%t -open=%d %q: -weaver, at least one value and the files of a registry are needed", *fromWeaver, *open, args)
			}
			var files []weaver.File
			for _, name := range args {
				data, err := os.ReadFile(name)
				if err != nil {
					return cli.Usagef("contract import: %v", err)
				}
				files = append(files, weaver.File{Name: name, Data: data})
			}
			c, notes, err := weaver.Import(files, *open)
			if err != nil {
				return cli.Usagef("contract import: %w", err)
			}
			for _, note := range notes {
				fmt.Fprintf(s.Err, "duotel: contract import: %s\n", note)
			}
			c.Service = *service
			out, err := c.Marshal()
			if err != nil {
				return err
			}
			_, err = s.Out.Write(out)
			return err
		})
}
