package main

const ringSize = 503

// ring: 503 goroutines pass a token on over unbuffered channels until it has made ops hops; one operation is one hop.
func ring(ops uint64) result {
	places := make([]chan uint64, ringSize)
	for i := range places {
		places[i] = make(chan uint64)
	}
	last := make(chan int)
	for i := range places {
		go func(i int) {
			next := places[(i+1)%ringSize]
			for hopsLeft := range places[i] {
				if hopsLeft == 0 {
					last <- i
				} else {
					next <- hopsLeft - 1
				}
			}
		}(i)
	}
	places[0] <- ops - 1 // the first hop
	end := <-last
	for i := range places {
		close(places[i])
	}
	return result{checked: uint64(end) == (ops-1)%ringSize}
}
