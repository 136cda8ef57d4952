// Command receiver serves package receiver, for the scenarios on a whole Kubernetes.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/pillion-dev/pillion/test/sidecars/receiver"
)

func main() {
	listen := flag.String("listen", ":4318", "address to serve at")
	flag.Parse()
	server := &http.Server{Addr: *listen, Handler: receiver.New(), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, "receiver:", server.ListenAndServe())
	os.Exit(1)
}
