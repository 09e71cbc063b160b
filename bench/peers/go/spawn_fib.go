package main

// spawnFib: fib(n) by recursion, a goroutine for one of the two calls; one operation is one call. n is the largest one
// that takes at most ops calls.
func spawnFib(ops uint64) result {
	n, calls, expected := largestFib(ops)
	return result{ops: calls, checked: fib(n) == expected}
}

func fib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	child := make(chan uint64, 1) // with room, so that the child need not wait to end
	go func() { child <- fib(n - 1) }()
	other := fib(n - 2)
	return <-child + other
}

// largestFib gives n, the number of calls that fib(n) takes, and fib(n).
func largestFib(ops uint64) (n int, calls, value uint64) {
	calls = 1
	next, nextCalls := uint64(1), uint64(1) // of n + 1
	for nextCalls <= ops {
		n, value, next = n+1, next, value+next
		calls, nextCalls = nextCalls, calls+nextCalls+1
	}
	return n, calls, value
}
