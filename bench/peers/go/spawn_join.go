package main

// spawnJoin: start one goroutine that does nothing, wait for its end over a channel; one operation is both.
func spawnJoin(ops uint64) result {
	var counted uint64
	ended := make(chan struct{})
	for n := uint64(0); n < ops; n++ {
		go func() {
			counted++
			ended <- struct{}{}
		}()
		<-ended
	}
	return result{checked: counted == ops}
}
