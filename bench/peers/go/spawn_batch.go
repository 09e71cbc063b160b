package main

import "sync"

const batch = 100000

// spawnBatch: start 100,000 goroutines, then wait for all; one operation is one goroutine.
func spawnBatch(ops uint64) result {
	ran := make([]uint8, batch)
	var counted uint64
	for left := ops; left > 0; {
		size := left
		if size > batch {
			size = batch
		}
		var group sync.WaitGroup
		group.Add(int(size))
		for i := range ran[:size] {
			go func(mine *uint8) {
				*mine = 1
				group.Done()
			}(&ran[i])
		}
		group.Wait()
		for i := range ran[:size] {
			counted += uint64(ran[i])
			ran[i] = 0
		}
		left -= size
	}
	return result{checked: counted == ops}
}
