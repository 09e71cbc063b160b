package main

// pingpong: two goroutines, two unbuffered channels; one operation is one hop.
func pingpong(ops uint64) result {
	ping := make(chan uint64)
	pong := make(chan uint64)
	ops &^= 1
	go func() {
		for value := range ping {
			pong <- value + 1
		}
	}()
	var sum uint64
	for n := uint64(0); n < ops/2; n++ {
		ping <- n
		sum += <-pong
	}
	close(ping)
	return result{ops: ops, checked: sum == (ops/2)*(ops/2+1)/2}
}
