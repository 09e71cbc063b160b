package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// resident is the memory that the process holds now, page tables included, in bytes.
func resident() int64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		die("resident memory", err)
	}
	defer file.Close()
	var total int64
	for lines := bufio.NewScanner(file); lines.Scan(); {
		for _, name := range []string{"VmRSS:", "VmPTE:"} {
			if strings.HasPrefix(lines.Text(), name) {
				var kib int64
				fmt.Sscan(lines.Text()[len(name):], &kib)
				total += kib * 1024
			}
		}
	}
	return total
}

// idleMemory: how much memory does a goroutine hold that waits? One operation is one goroutine, parked on a channel.
func idleMemory(ops uint64) result {
	var parked, woken uint64
	var group sync.WaitGroup
	gate := make(chan struct{})
	before := resident()
	began := time.Now()
	group.Add(int(ops))
	for i := uint64(0); i < ops; i++ {
		go func() {
			atomic.AddUint64(&parked, 1)
			<-gate
			atomic.AddUint64(&woken, 1)
			group.Done()
		}()
	}
	for atomic.LoadUint64(&parked) < ops {
		runtime.Gosched()
	}
	seconds := time.Since(began).Seconds()
	time.Sleep(50 * time.Millisecond)
	each := float64(resident()-before) / float64(ops)
	close(gate)
	group.Wait()
	return result{seconds: seconds, checked: woken == ops, metrics: fmt.Sprintf(", \"bytes_per_coroutine\": %.0f", each)}
}
