package main

const fanOut = 10

// skynet: a tree of goroutines with ten children each, whose leaves send their numbers and whose others send the sum;
// one operation is one goroutine. The leaves are the largest power of ten that stays within ops.
func skynet(ops uint64) result {
	leaves, nodes := uint64(1), uint64(1)
	for nodes+leaves*fanOut <= ops {
		leaves *= fanOut
		nodes += leaves
	}
	answer := make(chan uint64, 1)
	go skynetNode(0, leaves, answer)
	return result{ops: nodes, checked: <-answer == leaves*(leaves-1)/2}
}

func skynetNode(first, leaves uint64, parent chan<- uint64) {
	if leaves == 1 {
		parent <- first
		return
	}
	children := make(chan uint64, fanOut)
	for i := uint64(0); i < fanOut; i++ {
		go skynetNode(first+i*(leaves/fanOut), leaves/fanOut, children)
	}
	var sum uint64
	for i := 0; i < fanOut; i++ {
		sum += <-children
	}
	parent <- sum
}
