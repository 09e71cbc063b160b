// The Go side of the benchmarks: one program, the workload is its first argument. Command line and output are those of
// bench/bench.h.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A workload runs ops operations and says whether the result was what it had to be.
type workload func(ops uint64) bool

var workloads = map[string]workload{
	"yield":      yield,
	"spawn_join": spawnJoin,
	"pingpong":   pingpong,
}

func die(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}

// peakRSS reads the most memory that was resident so far, in bytes.
func peakRSS() uint64 {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
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
	workers := flags.Int("workers", 1, "GOMAXPROCS")
	flags.Int("repetition-id", 0, "number of the repetition")
	quick := flags.Bool("quick", false, "a tenth of the operations")
	ops := flags.Uint64("ops", 0, "number of operations")
	flags.Parse(os.Args[2:])
	runtime.GOMAXPROCS(*workers)
	if name == "echo" {
		echo()
	}
	run, known := workloads[name]
	if !known {
		die("unknown workload", fmt.Errorf("%q", name))
	}
	if *ops == 0 {
		*ops = 1000000
		if *quick {
			*ops = 100000
		}
	}
	*ops &^= 1
	checked := run((*ops/10 + 2) &^ 1)
	began := time.Now()
	checked = run(*ops) && checked
	seconds := time.Since(began).Seconds()
	fmt.Printf("{\"ops\": %d, \"seconds\": %.9f, \"checked\": %v, \"rss_bytes\": %d}\n", *ops, seconds, checked, peakRSS())
	if !checked {
		os.Exit(1)
	}
}
