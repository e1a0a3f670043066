package boost

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls do(0) to do(n-1), which touch nothing in common, on all processors.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
}

const chunkRows = 4096

// chunks is the number of chunks of n rows.
func chunks(n int) int { return (n + chunkRows - 1) / chunkRows }

// inChunks calls do for each chunk of n rows, as parallel does.
func inChunks(n int, do func(chunk, from, to int)) {
	parallel(chunks(n), func(chunk int) {
		do(chunk, chunk*chunkRows, min((chunk+1)*chunkRows, n))
	})
}
