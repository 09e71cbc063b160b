package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const longest = 1000 // ms

// spread gives the i-th duration of a mix of 1 … 1000 ms.
func spread(i uint64) time.Duration {
	return time.Duration(1+i%longest*7919%longest) * time.Millisecond
}

// timers: each of ops goroutines sleeps once, all together; one operation is one sleep. over_ms is the time beyond the
// longest sleep, which no scheduler can save; the percentiles say how late the sleepers came back.
func timers(ops uint64) result {
	sleepAll(ops/10+2, 20*time.Millisecond)
	began := time.Now()
	late := sleepAll(ops, longest*time.Millisecond)
	seconds := time.Since(began)
	var most time.Duration
	checked := true
	for i := range late {
		if d := spread(uint64(i)); d > most {
			most = d
		}
		checked = checked && late[i] >= 0
	}
	over := fmt.Sprintf(", \"over_ms\": %.3f", (seconds-most).Seconds()*1e3)
	return result{seconds: seconds.Seconds(), checked: checked, metrics: over + percentiles(late)}
}

// sleepAll says by how much each was late.
func sleepAll(count uint64, most time.Duration) []time.Duration {
	late := make([]time.Duration, count)
	var group sync.WaitGroup
	group.Add(int(count))
	for i := uint64(0); i < count; i++ {
		go func(i uint64) {
			duration := spread(i)
			if duration > most {
				duration = most
			}
			before := time.Now()
			time.Sleep(duration)
			late[i] = time.Since(before) - duration
			group.Done()
		}(i)
	}
	group.Wait()
	return late
}

// timersCancel: of every hundred timeouts that a goroutine starts it stops 99 again, and the last one, of up to 1 ms,
// it awaits; one operation is one start and its stop.
func timersCancel(ops uint64) result {
	const round = 100
	var stopped, fired uint64
	var group sync.WaitGroup
	for from := uint64(0); from < ops; from += round {
		count := ops - from
		if count > round {
			count = round
		}
		group.Add(1)
		go func(state, count uint64) {
			var mine uint64
			for i := uint64(1); i <= count; i++ {
				state = random(state)
				if i == round {
					<-time.After(time.Duration(state % 1000000))
					atomic.AddUint64(&fired, 1)
				} else if time.NewTimer(spread(state)).Stop() {
					mine++
				}
			}
			atomic.AddUint64(&stopped, mine)
			group.Done()
		}(from+1, count)
	}
	group.Wait()
	return result{checked: fired == ops/round && stopped == ops-fired}
}
