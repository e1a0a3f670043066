// Command runcast learns from finished Kubernetes jobs how long the next one will
// run and what it will need, and uses that to finish all jobs sooner.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
