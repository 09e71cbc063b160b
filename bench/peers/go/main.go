// The Go side of the benchmarks: one program, the workload is its first argument. Command line and output are those of
// bench/bench.h.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sort"
	"syscall"
	"time"
)

// What one repetition gave. ops: operations really done; 0: those asked for. seconds: 0: main measures the whole run.
type result struct {
	ops     uint64
	seconds float64
	checked bool
	metrics string // more of the JSON object
}

type workload struct {
	run    func(ops uint64) result
	warmUp bool // main runs a tenth of it first; the others do what they need themselves
}

var workloads = map[string]workload{
	"yield":         {yield, true},
	"spawn_join":    {spawnJoin, true},
	"spawn_batch":   {spawnBatch, true},
	"fork_fib":      {spawnFib, true},
	"spawn_fib":     {spawnFib, true},
	"skynet":        {skynet, true},
	"pingpong":      {pingpong, true},
	"ring":          {ring, true},
	"chan_mpmc":     {chanMPMC, true},
	"mutex":         {mutex, true},
	"timers":        {timers, false},
	"timers_cancel": {timersCancel, true},
	"idle_memory":   {idleMemory, false},
	"wake":          {wake, false},
	"file_read":     {fileRead, true},
	"crawl":         {crawl, false},
}

var servers = map[string]func(){
	"echo":       echo,
	"stall_echo": stallEcho,
	"http":       serveHTTP,
	"bulk":       bulk,
}

var (
	workers int
	mode    string // a form of the workload
	port    int    // of the server that a client asks
)

// measured starts a clock and gives the function that reads it, in seconds.
func measured() func() float64 {
	began := time.Now()
	return func() float64 { return time.Since(began).Seconds() }
}

func die(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}

// peakRSS is the most memory that was resident so far, in bytes.
func peakRSS() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		die("getrusage", err)
	}
	return usage.Maxrss * 1024
}

// percentiles of some latencies, as the JSON members that bench/results.py knows. It sorts them.
func percentiles(latencies []time.Duration) string {
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	at := func(part float64) float64 {
		return float64(latencies[int(part*float64(len(latencies)-1))].Nanoseconds()) / 1e3
	}
	return fmt.Sprintf(", \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f",
		at(0.5), at(0.99), at(0.999), at(1))
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(runtime.Version())
		return
	}
	if len(os.Args) < 2 {
		die("usage", fmt.Errorf("WORKLOAD [--workers N] [--repetition-id I] [--quick] [--ops N]"))
	}
	name := os.Args[1]
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	flags.IntVar(&workers, "workers", 1, "GOMAXPROCS")
	flags.StringVar(&mode, "mode", "", "form of the workload")
	flags.IntVar(&port, "port", 0, "of the server to ask")
	flags.Int("repetition-id", 0, "number of the repetition")
	quick := flags.Bool("quick", false, "a tenth of the operations")
	ops := flags.Uint64("ops", 0, "number of operations")
	flags.Parse(os.Args[2:])
	runtime.GOMAXPROCS(workers)
	if serve, known := servers[name]; known {
		serve()
	}
	chosen, known := workloads[name]
	if !known {
		die("unknown workload", fmt.Errorf("%q", name))
	}
	if *ops == 0 {
		*ops = 1000000
		if *quick {
			*ops = 100000
		}
	}
	warm := true
	if chosen.warmUp {
		warm = chosen.run(*ops/10 + 2).checked
	}
	began := time.Now()
	r := chosen.run(*ops)
	if r.seconds == 0 {
		r.seconds = time.Since(began).Seconds()
	}
	if r.ops == 0 {
		r.ops = *ops
	}
	r.checked = r.checked && warm
	fmt.Printf("{\"ops\": %d, \"seconds\": %.9f, \"checked\": %v, \"rss_bytes\": %d%s}\n",
		r.ops, r.seconds, r.checked, peakRSS(), r.metrics)
	if !r.checked {
		os.Exit(1)
	}
}
