package dashboards

import (
	"fmt"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// process answers how the process does: of each resource, how much is used, whether something waits for it, and what failed. The
// families are those of client_golang's Go and process collectors, which are on every page of Duotel.
func (m maker) process() page {
	return page{
		key: "process", title: "Go and process", present: "go_info",
		about: "What the process uses: CPU, memory, goroutines, garbage collection, file descriptors, network.",
		rows: []row{
			{1, "CPU", processCPU()},
			{2, "Memory", processMemory()},
			{3, "Goroutines and threads", processGoroutines()},
			{4, "Files, network and restarts", processFiles()},
		},
	}
}

// instances is how a line of an instance is called.
const instances = "{{instance}}"

// longest is the matcher of a summary's greatest quantile. Prometheus 3 writes it as 1.0 and before it as 1.
const longest = `quantile=~"1(\\.0)?"`

// perInstance shows a family's value for each instance.
func perInstance(name string) string { return names.Over("max", plain(name).String(), "instance") }

// ofInstances divides one expression by another, for each instance. A limit of 0 is none.
func ofInstances(part, whole string) string {
	return fmt.Sprintf("%s / (%s > 0)", part, whole)
}

func processCPU() []panel {
	used := plain("process_cpu_seconds_total").Rate(window, "instance")
	return []panel{
		{
			id: 401, title: "CPU used of what Go may use", draw: lines, unit: share,
			about:   "Seconds of CPU per second, over GOMAXPROCS. Go sets GOMAXPROCS by the container's limit.",
			queries: []query{{expr: ofInstances(used, perInstance("go_sched_gomaxprocs_threads")), legend: instances}},
		},
		{
			id: 402, title: "CPU", draw: lines, unit: none,
			about:   "Seconds of CPU per second, which is cores.",
			queries: []query{{expr: used, legend: instances}},
		},
		{
			id: 403, title: "Time the garbage collector stopped the program", draw: lines, unit: share,
			about:   "The share of time in which everything stood still.",
			queries: []query{{expr: plain("go_gc_duration_seconds_sum").Rate(window, "instance"), legend: instances}},
		},
	}
}

func processMemory() []panel {
	return []panel{
		{
			id: 411, title: "Resident memory", draw: lines, unit: bytesUnit,
			about:   "What the operating system holds in memory for the process; what a container's limit is about.",
			queries: []query{{expr: perInstance("process_resident_memory_bytes"), legend: instances}},
			alerts:  []string{"MemoryGrowing"},
		},
		{
			id: 412, title: "Memory of Go's limit", draw: lines, unit: share,
			about:   "Resident memory over GOMEMLIMIT. Near it the garbage collector works all the time; without a limit it is next to nothing.",
			queries: []query{{expr: ofInstances(perInstance("process_resident_memory_bytes"), perInstance("go_gc_gomemlimit_bytes")), legend: instances}},
			limits:  below(0.95), alerts: []string{"MemoryNearLimit"},
		},
		{
			id: 413, title: "Heap", draw: lines, unit: bytesUnit,
			about: "What is allocated on the heap, and at what size the next garbage collection begins.",
			queries: []query{
				{expr: perInstance("go_memstats_heap_alloc_bytes"), legend: instances + " allocated"},
				{expr: perInstance("go_memstats_next_gc_bytes"), legend: instances + " next collection"},
			},
		},
		{
			id: 414, title: "Allocation", draw: lines, unit: bytesPerSecond,
			about:   "Bytes allocated per second, which is what makes the garbage collector work.",
			queries: []query{{expr: plain("go_memstats_alloc_bytes_total").Rate(window, "instance"), legend: instances}},
		},
		{
			id: 415, title: "Garbage collections", draw: lines, unit: perSecond,
			about:   "Cycles of the garbage collector per second.",
			queries: []query{{expr: plain("go_gc_duration_seconds_count").Rate(window, "instance"), legend: instances}},
		},
		{
			id: 416, title: "Longest pause", draw: lines, unit: seconds,
			about:   "The longest of the latest pauses for garbage collection.",
			queries: []query{{expr: names.Over("max", plain("go_gc_duration_seconds", longest).String(), "instance"), legend: instances}},
		},
	}
}

func processGoroutines() []panel {
	return []panel{
		{
			id: 421, title: "Goroutines", draw: lines, unit: count,
			about:   "Goroutines that exist. A line that only grows is a leak.",
			queries: []query{{expr: perInstance("go_goroutines"), legend: instances}},
			alerts:  []string{"GoroutinesGrowing"},
		},
		{
			id: 422, title: "Threads", draw: lines, unit: count,
			about:   "Threads of the operating system that were made. They grow with system calls and C code that block.",
			queries: []query{{expr: perInstance("go_threads"), legend: instances}},
		},
	}
}

func processFiles() []panel {
	return []panel{
		{
			id: 431, title: "File descriptors of the limit", draw: lines, unit: share,
			about:   "Open files and connections over how many the process may have. At the limit nothing is accepted or opened any more.",
			queries: []query{{expr: ofInstances(perInstance("process_open_fds"), perInstance("process_max_fds")), legend: instances}},
		},
		{
			id: 432, title: "File descriptors", draw: lines, unit: count,
			about:   "Open files and connections.",
			queries: []query{{expr: perInstance("process_open_fds"), legend: instances}},
		},
		{
			id: 433, title: "Network", draw: lines, unit: bytesPerSecond,
			about: "Bytes that the process's network namespace received and sent; in a container without a network of its own these are the host's.",
			queries: []query{
				{expr: plain("process_network_receive_bytes_total").Rate(window, "instance"), legend: instances + " in"},
				{expr: plain("process_network_transmit_bytes_total").Rate(window, "instance"), legend: instances + " out"},
			},
		},
		{
			id: 434, title: "Uptime", draw: lines, unit: seconds,
			about:   "How long the process has been running. Every fall is a restart.",
			queries: []query{{expr: "time() - " + perInstance("process_start_time_seconds"), legend: instances}},
			alerts:  []string{"ServiceRestarting"},
		},
		{
			id: 435, title: "Restarts in an hour", draw: lines, unit: none,
			about:   "How often the process began anew in the hour before.",
			queries: []query{{expr: names.Over("max", fmt.Sprintf("changes(%s[1h])", plain("process_start_time_seconds")), "instance"), legend: instances}},
			limits:  below(4), alerts: []string{"ServiceRestarting"},
		},
	}
}
