package main

import "sync"

// mutex: 64 goroutines count under one mutex; one operation is one Lock and one Unlock.
func mutex(ops uint64) result {
	const contenders = 64
	var lock sync.Mutex
	var group sync.WaitGroup
	var counter uint64
	each := ops/contenders + 1
	group.Add(contenders)
	for i := 0; i < contenders; i++ {
		go func() {
			for n := uint64(0); n < each; n++ {
				lock.Lock()
				counter++
				lock.Unlock()
			}
			group.Done()
		}()
	}
	group.Wait()
	return result{ops: each * contenders, checked: counter == each*contenders}
}
