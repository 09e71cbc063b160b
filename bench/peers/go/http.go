package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
)

// serveHTTP: net/http, keep-alive, one plaintext answer.
func serveHTTP() {
	answer := []byte("Hello, World!")
	serveHandler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(answer)
	})
}

// bulk: each request is answered with 64 equal pieces of about a MiB, byte i being i * 7 mod 251.
func bulk() {
	const period, pieces = 251, 64
	piece := make([]byte, period*4096)
	for i := range piece {
		piece[i] = byte(i * 7 % period)
	}
	serveHandler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(piece)*pieces))
		for i := 0; i < pieces; i++ {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
}

func serveHandler(handler http.HandlerFunc) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		die("listen", err)
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	fmt.Printf("{\"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	die("serve", server.Serve(listener))
}
