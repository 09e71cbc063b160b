package main

import (
	"fmt"
	"time"
)

// wake: a goroutine that keeps its thread busy wakes another over a channel at set times, 150 to 250 µs apart, so that
// the other thread has gone to sleep; the latency is from then until the other one runs. One operation is one wake, its
// time the mean.
func wake(ops uint64) result {
	if workers < 2 {
		die("wake", fmt.Errorf("needs 2 workers"))
	}
	latencies := make([]time.Duration, 0, ops)
	due := make(chan time.Time, ops)
	done := make(chan struct{})
	go func() {
		for when := range due {
			latencies = append(latencies, time.Since(when))
		}
		close(done)
	}()
	when := time.Now()
	for state := uint64(1); state <= ops; state++ {
		when = when.Add(150*time.Microsecond + time.Duration(random(state)%100000))
		for time.Now().Before(when) {
		}
		due <- when
	}
	close(due)
	<-done
	var sum time.Duration
	for _, latency := range latencies {
		sum += latency
	}
	return result{seconds: sum.Seconds(), checked: uint64(len(latencies)) == ops, metrics: percentiles(latencies)}
}
