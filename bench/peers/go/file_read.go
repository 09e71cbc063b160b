package main

import (
	"encoding/binary"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	blockSize   = 4096
	blocks      = 16384
	readers     = 64
	directFlags = syscall.O_DIRECT
)

// fileRead: 64 goroutines read blocks of 4 KiB picked at random from a file of 64 MiB; one operation is one read. The
// file is in the page cache, or, with --mode direct, it is read around it.
func fileRead(ops uint64) result {
	var group sync.WaitGroup
	var good uint64
	file := makeBlocks()
	defer file.Close()
	each := ops/readers + 1
	group.Add(readers)
	run := measured()
	for i := uint64(0); i < readers; i++ {
		go func(state uint64) {
			block := aligned()
			var right uint64
			for n := uint64(0); n < each; n++ {
				state = random(state)
				wanted := state % blocks
				_, err := file.ReadAt(block, int64(wanted*blockSize))
				if err == nil && binary.LittleEndian.Uint64(block) == wanted {
					right++
				}
			}
			atomic.AddUint64(&good, right)
			group.Done()
		}(i*0x9e3779b97f4a7c15 + 1)
	}
	group.Wait()
	return result{ops: each * readers, seconds: run(), checked: good == each*readers}
}

// random is xorshift64.
func random(state uint64) uint64 {
	state ^= state << 13
	state ^= state >> 7
	return state ^ state<<17
}

// makeBlocks gives a file, without a name, whose every block begins with its number.
func makeBlocks() *os.File {
	folder := os.Getenv("TMPDIR")
	if folder == "" {
		folder = "/var/tmp" // on a disk, which /tmp need not be
	}
	file, err := os.CreateTemp(folder, "bench-file-read-")
	if err != nil {
		die("create", err)
	}
	defer os.Remove(file.Name())
	content := make([]byte, blocks*blockSize)
	for i := 0; i < blocks; i++ {
		binary.LittleEndian.PutUint64(content[i*blockSize:], uint64(i))
	}
	if _, err = file.Write(content); err == nil {
		err = file.Sync()
	}
	if err == nil && mode == "direct" {
		file.Close()
		file, err = os.OpenFile(file.Name(), os.O_RDONLY|directFlags, 0)
	}
	if err != nil {
		die("write", err)
	}
	return file
}

// aligned gives a buffer that O_DIRECT accepts.
func aligned() []byte {
	room := make([]byte, 2*blockSize)
	skip := -uintptr(unsafe.Pointer(&room[0])) % blockSize
	return room[skip : skip+blockSize]
}
