// Command bench measures Duotel beside its peers and prints Markdown tables of ratios.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"

	"github.com/duotel/duotel/bench/internal/inprocess"
	"github.com/duotel/duotel/bench/internal/push"
	"github.com/duotel/duotel/bench/internal/record"
	"github.com/duotel/duotel/bench/internal/report"
	"github.com/duotel/duotel/bench/internal/scrape"
	"github.com/duotel/duotel/bench/internal/server"
)

type section struct {
	name string
	run  func(*report.Report, int)
}

// sections begin with the smallest differences: the big pages leave a heap behind that makes every later request
// dearer.
var sections = []section{
	{"server", server.Run},
	{"middleware", inprocess.Run},
	{"record", record.Run},
	{"scrape", scrape.Run},
	{"push", push.Run},
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == server.LoadArgument {
		server.Load(os.Stdin, os.Stdout)
		return
	}
	rounds := flag.Int("rounds", 7, "rounds of every comparison")
	only := flag.String("only", "", "comma-separated sections to run: scrape, record, middleware, server, push (default all)")
	profile := flag.String("cpuprofile", "", "file to write a CPU profile to; its samples have the label contestant")
	flag.Parse()
	chosen, err := choose(*only)
	if *rounds < 1 {
		err = errors.Join(err, fmt.Errorf("-rounds=%q: too few; it must be at least 1", strconv.Itoa(*rounds)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	defer startProfile(*profile)()
	r := report.New(os.Stdout)
	r.Versions()
	for _, s := range chosen {
		s.run(r, *rounds)
	}
	r.Targets()
}

// choose returns the sections named in list.
func choose(list string) ([]section, error) {
	if list == "" {
		return sections, nil
	}
	var out []section
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only=%q: no such section; allowed are scrape, record, middleware, server, push", name)
		}
		out = append(out, sections[i])
	}
	return out, nil
}

// startProfile profiles into file until the function it returns is called. It does nothing without a file.
func startProfile(file string) (stop func()) {
	if file == "" {
		return func() {}
	}
	f, err := os.Create(file)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}
}
