// Package cli holds what the subcommands of duotel share: where they read and write, and what their errors
// mean for the exit status.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/peterbourgon/ff/v3/ffcli"
)

// The exit statuses.
const (
	OK      = 0 // everything asked for was done, and nothing was found
	Finding = 1 // the command did its work and found what it looks for, or the work failed
	Usage   = 2 // the command line or a file it names is wrong; nothing was done
)

// Streams are the standard streams of a command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// usageError is an error of the command line or of an input file.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usagef returns an error that ends the program with status [Usage]. It says which flag, file or line is
// wrong, what was found there and what is allowed.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Command returns a subcommand whose flags are set. line is its usage, about one sentence of help, and text
// what else there is to say, examples included. A flag that is not known is a usage error.
func Command(s Streams, set *flag.FlagSet, line, about, text string, exec func(ctx context.Context, args []string) error) *ffcli.Command {
	set.SetOutput(s.Err)
	return &ffcli.Command{Name: set.Name(), ShortUsage: line, ShortHelp: about, LongHelp: text, FlagSet: set, Exec: exec}
}

// Flags returns an empty set of flags for the subcommand name.
func Flags(name string) *flag.FlagSet { return flag.NewFlagSet(name, flag.ContinueOnError) }

// Run parses args for root, runs what they name and returns the exit status. Errors go to s.Err, each line
// with the program's name.
func Run(ctx context.Context, root *ffcli.Command, args []string, s Streams) int {
	if err := root.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return OK
		}
		return Usage // the flag package has said what is wrong, and shown the usage
	}
	err := root.Run(ctx)
	switch usage := (usageError{}); {
	case err == nil:
		return OK
	case errors.Is(err, flag.ErrHelp): // a command that only has subcommands, without one
		root.FlagSet.Usage()
		return Usage
	case errors.As(err, &usage):
		fmt.Fprintf(s.Err, "duotel: %v\n", err)
		return Usage
	default:
		fmt.Fprintf(s.Err, "duotel: %v\n", err)
		return Finding
	}
}
