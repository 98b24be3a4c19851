// Command duotel is the companion of the library: what people need around their metrics. `duotel -h` lists
// what it can do. It ends with 0 when all is well, with 1 when it found what it looks for or its work
// failed, and with 2 when it was called wrongly.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/duotel/duotel/cmd/duotel/internal/check"
	"github.com/duotel/duotel/cmd/duotel/internal/cli"
	"github.com/duotel/duotel/cmd/duotel/internal/contract"
	"github.com/duotel/duotel/cmd/duotel/internal/gen"
	"github.com/duotel/duotel/cmd/duotel/internal/sd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Run(ctx, root(cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}), os.Args[1:],
		cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(status)
}

// root returns the command with all its subcommands.
func root(s cli.Streams) *ffcli.Command {
	set := cli.Flags("duotel")
	cmd := cli.Command(s, set, "duotel <command> [flags] [arguments]",
		"What people need around their metrics.", "",
		func(context.Context, []string) error { return flag.ErrHelp })
	cmd.Subcommands = []*ffcli.Command{
		check.New(s),
		contract.New(s),
		gen.New(s),
		sd.New(s),
	}
	return cmd
}
