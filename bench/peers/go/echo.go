package main

import (
	"fmt"
	"io"
	"net"
	"time"
)

// serve announces a port and starts a goroutine per connection.
func serve(answer func(net.Conn)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		die("listen", err)
	}
	fmt.Printf("{\"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			die("accept", err)
		}
		go answer(connection)
	}
}

func echo() {
	serve(func(connection net.Conn) {
		defer connection.Close()
		buffer := make([]byte, 1024)
		for {
			n, err := connection.Read(buffer)
			if err != nil {
				return
			}
			if _, err := connection.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
}

// stallEcho: as echo, but a request whose first byte is 1 wants a millisecond of computing.
func stallEcho() {
	serve(func(connection net.Conn) {
		defer connection.Close()
		var message [64]byte
		for {
			if _, err := io.ReadFull(connection, message[:]); err != nil {
				return
			}
			if message[0] == 1 {
				for until := time.Now().Add(time.Millisecond); time.Now().Before(until); {
				}
			}
			if _, err := connection.Write(message[:]); err != nil {
				return
			}
		}
	})
}
