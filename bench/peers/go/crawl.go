package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// crawl: 500 goroutines fetch pages, each of which comes 50 ms after it was asked for, on connections that stay or, with
// --mode new, on a new one for each; one operation is one page.
func crawl(ops uint64) result {
	const atATime = 500
	var next, right uint64
	var group sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{
		DisableCompression:  true,
		DisableKeepAlives:   mode == "new",
		MaxIdleConns:        atATime,
		MaxIdleConnsPerHost: atATime,
	}}
	began := time.Now()
	group.Add(atATime)
	for i := 0; i < atATime; i++ {
		go func() {
			for page := atomic.AddUint64(&next, 1) - 1; page < ops; page = atomic.AddUint64(&next, 1) - 1 {
				if fetch(client, page) {
					atomic.AddUint64(&right, 1)
				}
			}
			group.Done()
		}()
	}
	group.Wait()
	seconds := time.Since(began).Seconds()
	metrics := fmt.Sprintf(", \"wall_ms\": %.3f", seconds*1e3)
	return result{seconds: seconds, checked: right == ops, metrics: metrics}
}

func fetch(client *http.Client, page uint64) bool {
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/%d", port, page))
	if err != nil {
		die("get", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && response.StatusCode == 200 && string(body) == fmt.Sprintf("page %d\n", page)
}
