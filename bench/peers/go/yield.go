package main

import (
	"runtime"
	"sync"
)

// yield: two goroutines call Gosched in turn; one operation is one call.
func yield(ops uint64) result {
	var group sync.WaitGroup
	var done [2]uint64
	ops &^= 1
	group.Add(2)
	for i := range done {
		go func(mine *uint64) {
			var count uint64
			for n := uint64(0); n < ops/2; n++ {
				runtime.Gosched()
				count++
			}
			*mine = count
			group.Done()
		}(&done[i])
	}
	group.Wait()
	return result{ops: ops, checked: done[0]+done[1] == ops}
}
