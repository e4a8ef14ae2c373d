package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// heapHeadroom is GOGC, unless the environment has one. Media allocates
	// nothing: only signalling pays for the smaller heap.
	heapHeadroom = 50

	// memoryCheck is how often the heap is looked at.
	memoryCheck = 2 * time.Second
	// Bytes allocated since memory was last given back that make it worth while
	// to do so, and bytes between two looks that mean that it is quiet.
	muchGarbage = 16 << 20
	littleWork  = 1 << 18
)

// memory gives back to the system what calls took while they began, once it is
// quiet. The runtime by itself would wait for the next thing to be allocated.
type memory struct {
	seen, freed uint64 // bytes allocated so far, at the last look and when memory was last given back
	ours        bool   // to decide about; else the environment does
}

func newMemory() *memory {
	m := &memory{ours: os.Getenv("GOGC") == ""}
	if m.ours {
		debug.SetGCPercent(heapHeadroom)
	}
	return m
}

// look is to be called every memoryCheck.
func (m *memory) look() {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	if m.due(s[0].Value.Uint64()) && m.ours {
		debug.FreeOSMemory()
	}
}

// due tells whether memory should be given back, now that so many bytes have
// been allocated.
func (m *memory) due(allocated uint64) bool {
	quiet := allocated-m.seen < littleWork
	m.seen = allocated
	if !quiet || allocated-m.freed < muchGarbage {
		return false
	}
	m.freed = allocated
	return true
}
