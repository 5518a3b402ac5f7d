// Command bare is the yardstick of the benchmark: a net/http server that reads
// each request whole and gives an answer of the usual size, and nothing else.
// It is also the upstream that the gateways invoke.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	if err := http.ListenAndServe(*listen, http.HandlerFunc(answer)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// body is as large as the values that the gateways return.
var body = bytes.Repeat([]byte("x"), 256)

func answer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	switch r.Method {
	case http.MethodPut, http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(body)
	}
}
