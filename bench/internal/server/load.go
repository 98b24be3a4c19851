package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/duotel/duotel/bench/internal/instrumented"
)

// LoadArgument is the command line by which this program starts itself to make load.
const LoadArgument = "make-load"

// load is a process that sends requests when asked.
type load struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startLoad() *load {
	self, err := os.Executable()
	check(err)
	cmd := exec.Command(self, LoadArgument)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(err)
	out, err := cmd.StdoutPipe()
	check(err)
	check(cmd.Start())
	return &load{cmd: cmd, in: in, out: bufio.NewReader(out)}
}

// run has the requests sent to addr and returns the p99 of their latency.
func (l *load) run(addr string) (p99 time.Duration) {
	_, err := fmt.Fprintln(l.in, addr)
	check(err)
	_, err = fmt.Fscanln(l.out, &p99)
	check(err)
	return p99
}

func (l *load) stop() {
	_ = l.in.Close()
	check(l.cmd.Wait())
}

// Load sends requests to each address it reads from in, and writes the p99 of their latency, in
// nanoseconds, to out. It keeps its connections.
func Load(in io.Reader, out io.Writer) {
	open := map[string][]*connection{}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		addr := lines.Text()
		if open[addr] == nil {
			for range connections {
				open[addr] = append(open[addr], dial(addr))
			}
		}
		_, err := fmt.Fprintln(out, int64(burst(open[addr])))
		check(err)
	}
}

// burst sends all requests of a round and returns the p99 of their latency.
func burst(conns []*connection) time.Duration {
	latencies := make([][]time.Duration, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			for range requests / len(conns) {
				latencies[i] = append(latencies[i], c.roundTrip())
			}
		})
	}
	wg.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	return all[len(all)*99/100]
}

// connection sends one request at a time. Its work is the least there can be; all answers of the
// service have the same length.
type connection struct {
	net    net.Conn
	answer []byte
}

var request = []byte("GET " + instrumented.Path + " HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n")

// dial opens a connection and learns how long an answer is.
func dial(addr string) *connection {
	c, err := net.Dial("tcp", addr)
	check(err)
	_, err = c.Write(request)
	check(err)
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	check(err)
	return &connection{net: c, answer: buf[:n]}
}

func (c *connection) roundTrip() time.Duration {
	start := time.Now()
	_, err := c.net.Write(request)
	check(err)
	_, err = io.ReadFull(c.net, c.answer)
	check(err)
	return time.Since(start)
}

func check(err error) {
	if err != nil {
		panic("server: " + err.Error())
	}
}
