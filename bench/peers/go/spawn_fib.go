package main

// spawnFib: fib(n) by its definition, a goroutine for each call; one operation is one call. n is the largest one that
// takes at most ops calls.
func spawnFib(ops uint64) result {
	n, calls, expected := largestFib(ops)
	answer := make(chan uint64, 1)
	go fib(n, answer)
	return result{ops: calls, checked: <-answer == expected}
}

// fib sends its result. The channel has room for all who send into it: nobody waits to end.
func fib(n int, parent chan<- uint64) {
	if n < 2 {
		parent <- uint64(n)
		return
	}
	children := make(chan uint64, 2)
	go fib(n-1, children)
	go fib(n-2, children)
	parent <- <-children + <-children
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
