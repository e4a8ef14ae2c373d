package jitter

// stored is a packet in a store.
type stored struct {
	seq       uint64
	at        int64 // position of its first sample
	length    int   // samples a channel
	arrival   int64 // nanoseconds
	off, size int   // of its payload in the arena
	dtx       bool
	marker    bool
	redundant bool
}

func (s *stored) end() int64 { return s.at + int64(s.length) }

// store has packets by position: the first of them are past, the others wait. Their
// payloads lie in one piece of memory, which grows up to MaxBytes.
type store struct {
	list  [MaxPackets + warm]stored
	n     int // packets
	past  int // of them
	arena []byte
	used  int // of arena, with holes
	live  int // of that without
}

func (s *store) waiting() int { return s.n - s.past }

// first returns the first packet that waits, nil if none does.
func (s *store) first() *stored {
	if s.past == s.n {
		return nil
	}
	return &s.list[s.past]
}

// next returns the packet that waits behind the first.
func (s *store) next() *stored {
	if s.past+1 >= s.n {
		return nil
	}
	return &s.list[s.past+1]
}

func (s *store) payload(p *stored) []byte { return s.arena[p.off : p.off+p.size] }

// done makes the first packet that waits a past one.
func (s *store) done() {
	s.past++
	if s.past > warm {
		s.remove(0)
	}
}

func (s *store) remove(i int) {
	s.live -= s.list[i].size
	copy(s.list[i:s.n], s.list[i+1:s.n])
	s.n--
	if i < s.past {
		s.past--
	}
	if s.n == 0 {
		s.used = 0
	}
}

func (s *store) clear() { s.n, s.past, s.used, s.live = 0, 0, 0, 0 }

// find returns where a packet that begins at a position belongs among those that
// wait, and whether there is one already.
func (s *store) find(at int64) (int, bool) {
	i := s.n
	for i > s.past && s.list[i-1].at >= at {
		i--
	}
	return i, i < s.n && s.list[i].at == at
}

// full reports whether one more packet, with size bytes, is too much.
func (s *store) full(size int) bool {
	return s.waiting() >= MaxPackets || s.live+size > MaxBytes
}

// insert puts a packet in place i. The store is not full.
func (s *store) insert(i int, p stored, payload []byte) {
	p.size = len(payload)
	p.off = s.reserve(p.size)
	copy(s.arena[p.off:], payload)
	copy(s.list[i+1:s.n+1], s.list[i:s.n])
	s.list[i] = p
	s.n++
}

// reserve returns the place of size bytes in the arena.
func (s *store) reserve(size int) int {
	if s.used+size > len(s.arena) {
		s.compact(size)
	}
	off := s.used
	s.used += size
	s.live += size
	return off
}

// compact closes the holes in the arena, and makes it larger where less than half
// of it would be free then.
func (s *store) compact(size int) {
	arena := s.arena
	if want := s.live + size; 2*want > len(arena) && len(arena) < MaxBytes {
		arena = make([]byte, min(max(4*want, 1024), MaxBytes))
	}
	used, from := 0, 0
	for range s.n {
		next := -1
		for i := range s.n {
			if p := &s.list[i]; p.off >= from && p.size > 0 && (next < 0 || p.off < s.list[next].off) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		p := &s.list[next]
		from = p.off + p.size
		copy(arena[used:], s.payload(p))
		p.off = used
		used += p.size
	}
	s.arena, s.used = arena, used
}

// shrink gives memory back that a quiet stream does not need.
func (s *store) shrink() {
	if len(s.arena) > 8*s.live+2048 {
		arena := s.arena
		s.arena = make([]byte, max(2*s.live, 512))
		used := 0
		for i := range s.n {
			p := &s.list[i]
			copy(s.arena[used:], arena[p.off:p.off+p.size])
			p.off = used
			used += p.size
		}
		s.used = used
	}
}
