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

	// muchHeld is how many bytes more than twice what is in use the process may
	// hold. If it has more, that is given back even while there is work, but not
	// more often than every tenth look.
	muchHeld  = 32 << 20
	heldLooks = 10

	// lookShift makes of the bytes in use the number of looks after which it is
	// worth while to find out whether they still are, though nothing is allocated:
	// one for 8 MiB.
	lookShift = 23
)

// memory gives back to the system what calls took while they began, once it is
// quiet, and what something large took that has ended. The runtime by itself
// would wait for the next thing to be allocated, and takes minutes.
type memory struct {
	seen, freed uint64 // bytes allocated so far, at the last look and when memory was last given back
	looks       int    // since memory was last given back
	ours        bool   // to decide about; else the environment does
}

// usage is what the runtime tells of its memory, in bytes.
type usage struct {
	allocated uint64 // since the start
	live      uint64 // at the last collection
	held      uint64 // of the heap, by the process
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
	if m.due(readUsage()) && m.ours {
		debug.FreeOSMemory()
	}
}

func readUsage() usage {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	u := usage{allocated: s[0].Value.Uint64(), live: s[1].Value.Uint64()}
	for _, x := range s[2:] {
		u.held += x.Value.Uint64()
	}
	return u
}

// due reports whether memory should be given back.
func (m *memory) due(u usage) bool {
	quiet := u.allocated-m.seen < littleWork
	m.seen = u.allocated
	m.looks++
	enough := quiet && u.allocated-m.freed >= muchGarbage
	much := m.looks >= heldLooks && u.held > 2*u.live+muchHeld
	stale := quiet && u.live > muchHeld && m.looks >= max(heldLooks, int(u.live>>lookShift))
	if !enough && !much && !stale {
		return false
	}
	m.freed, m.looks = u.allocated, 0
	return true
}
