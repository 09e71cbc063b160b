package main

import "sync"

// chanMPMC: 4 producers, 4 consumers, one channel of capacity 128; one operation is one item.
func chanMPMC(ops uint64) result {
	const sides, capacity = 4, 128
	channel := make(chan uint64, capacity)
	var producers, consumers sync.WaitGroup
	var sums [sides]uint64
	ops -= ops % sides
	producers.Add(sides)
	consumers.Add(sides)
	for i := uint64(0); i < sides; i++ {
		go func(first uint64) {
			for item := first; item < ops; item += sides {
				channel <- item
			}
			producers.Done()
		}(i)
		go func(mine *uint64) {
			var sum uint64
			for item := range channel {
				sum += item
			}
			*mine = sum
			consumers.Done()
		}(&sums[i])
	}
	producers.Wait()
	close(channel)
	consumers.Wait()
	return result{ops: ops, checked: sums[0]+sums[1]+sums[2]+sums[3] == ops*(ops-1)/2}
}
