package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// wake: a goroutine that keeps its thread busy wakes another over a channel; how long until that one runs, on another
// thread that had gone to sleep? One operation is one wake.
func wake(ops uint64) result {
	const idle = 100 * time.Microsecond // long enough for the other thread to stop looking for work
	if workers < 2 {
		die("wake", fmt.Errorf("needs 2 workers"))
	}
	latencies := make([]time.Duration, 0, ops)
	signals := make(chan time.Time, 1)
	var woken atomic.Uint64
	go func() {
		for sent := range signals {
			latencies = append(latencies, time.Since(sent))
			woken.Add(1)
		}
	}()
	for n := uint64(1); n <= ops; n++ {
		for from := time.Now(); time.Since(from) < idle; {
		}
		signals <- time.Now()
		for woken.Load() < n {
		}
	}
	close(signals)
	var sum time.Duration
	for _, latency := range latencies {
		sum += latency
	}
	return result{
		seconds: sum.Seconds(),
		checked: uint64(len(latencies)) == ops,
		metrics: percentiles(latencies),
	}
}
