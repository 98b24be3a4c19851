package service

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// encounter is a fault that met a push in some state.
type encounter struct{ fault, state, temporality, protocol string }

// matrix counts encounters.
type matrix struct {
	mu    sync.Mutex
	count map[encounter]int64
}

func newMatrix() *matrix { return &matrix{count: map[encounter]int64{}} }

func (m *matrix) add(fault, state string, p plan, protocol string) {
	e := encounter{fault, state, "cumulative", "http"}
	if p.delta {
		e.temporality = "delta"
	}
	if p.grpc {
		e.protocol = "grpc"
	}
	if protocol != "" {
		e.protocol = protocol
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count[e]++
}

func (m *matrix) merge(other *matrix) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for e, n := range other.count {
		m.count[e] += n
	}
}

var states = []string{"starting", "healthy", "failing", "stopped"}

// table is the matrix in Markdown: a row for each fault, a column for each state, temporality and protocol.
func (m *matrix) table() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	out.WriteString("| fault |")
	var columns []encounter
	for _, state := range states[:3] {
		for _, temporality := range []string{"cumulative", "delta"} {
			for _, protocol := range []string{"http", "grpc"} {
				columns = append(columns, encounter{"", state, temporality, protocol})
				fmt.Fprintf(&out, " %s, %s, %s |", state, temporality, protocol)
			}
		}
	}
	out.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, fault := range catalogue() {
		fmt.Fprintf(&out, "| %s |", fault)
		for _, c := range columns {
			c.fault = fault
			fmt.Fprintf(&out, " %d |", m.count[c])
		}
		out.WriteString("\n")
	}
	return out.String()
}

// empty lists the faults that have met no push in some column.
func (m *matrix) met() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	met := map[string]bool{}
	for e := range m.count {
		met[e.fault] = true
	}
	return slices.Sorted(maps.Keys(met))
}
