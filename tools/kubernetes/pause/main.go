// Pause is the first process of every pod on a testbed's node: it holds the pod's namespaces and does
// nothing. The node's images are made on the spot, and this is the only program in them.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM)
	<-asked
}
