package main

import (
	"sync"
	"sync/atomic"
	"time"
)

const longest = 1000 // ms

// spread gives the i-th duration of a mix of 1 … 1000 ms.
func spread(i uint64) time.Duration {
	return time.Duration(1+i*7919%longest) * time.Millisecond
}

// timers: each of ops goroutines sleeps once, all together; one operation is one sleep. The seconds are those beyond
// the longest sleep, which no scheduler can save; the percentiles say how late the sleepers came back.
func timers(ops uint64) result {
	late := make([]time.Duration, ops)
	var group sync.WaitGroup
	began := time.Now()
	group.Add(int(ops))
	for i := uint64(0); i < ops; i++ {
		go func(i uint64) {
			before := time.Now()
			time.Sleep(spread(i))
			late[i] = time.Since(before) - spread(i)
			group.Done()
		}(i)
	}
	group.Wait()
	over := time.Since(began)
	var most time.Duration
	checked := true
	for i := range late {
		if d := spread(uint64(i)); d > most {
			most = d
		}
		checked = checked && late[i] >= 0
	}
	return result{seconds: (over - most).Seconds(), checked: checked, metrics: percentiles(late)}
}

// timersCancel: set ops timeouts of more than 10 s and stop them, but let each hundredth fire after 0.2 s; one operation
// is a timeout set and stopped. Those that fire are awaited outside of the measured time.
func timersCancel(ops uint64) result {
	var stopped, fired uint64
	var firing sync.WaitGroup
	set := make([]*time.Timer, ops)
	fire := func() {
		atomic.AddUint64(&fired, 1)
		firing.Done()
	}
	firing.Add(int((ops + 99) / 100))
	began := time.Now()
	for i := range set {
		timeout := 10*time.Second + spread(uint64(i))
		if i%100 == 0 {
			timeout = 200 * time.Millisecond
		}
		set[i] = time.AfterFunc(timeout, fire)
	}
	for i := range set {
		if i%100 != 0 && set[i].Stop() {
			stopped++
		}
	}
	seconds := time.Since(began).Seconds()
	firing.Wait()
	return result{seconds: seconds, checked: stopped+fired == ops && fired == (ops+99)/100}
}
