// Build-tools builds the programs of the test control plane, or those of the named folders under
// test/cluster/tools only, into the tools cache and prints their paths.
// Without it the first test that starts a cluster would build them, inside its own timeout.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/runcast/runcast/test/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binaries, err := cluster.Tools(ctx, slog.New(slog.NewTextHandler(os.Stderr, nil)), os.Args[1:]...)
	if err != nil {
		fmt.Fprintln(os.Stderr, "build-tools:", err)
		os.Exit(1)
	}
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		fmt.Println(binaries[name])
	}
}
