package mjr

// queue holds packets in order.
type queue struct {
	entries []entry
	head    int // of entries, those before were taken
	free    [memoryClasses][][]byte
}

// Memory of packets comes in sizes, so that little ones do not take the most.
const (
	memoryStep    = 384
	memoryClasses = (maxRTP + memoryStep - 1) / memoryStep
)

// memory returns n bytes, n in 1..maxRTP.
func (q *queue) memory(n int) []byte {
	class := (n - 1) / memoryStep
	list := &q.free[class]
	if k := len(*list); k > 0 {
		b := (*list)[k-1]
		*list = (*list)[:k-1]
		return b[:n]
	}
	return make([]byte, n, (class+1)*memoryStep)
}

// release takes memory back.
func (q *queue) release(b []byte) {
	class := cap(b)/memoryStep - 1
	q.free[class] = append(q.free[class], b)
}

// put gives a packet its place; false if it is there already.
func (q *queue) put(e entry) bool {
	at := len(q.entries)
	for at > q.head && e.before(&q.entries[at-1]) {
		at--
	}
	if at > q.head && !q.entries[at-1].before(&e) {
		return false
	}
	if q.head > 64 && q.head > len(q.entries)/2 {
		n := copy(q.entries, q.entries[q.head:])
		clear(q.entries[n:])
		q.entries, at, q.head = q.entries[:n], at-q.head, 0
	}
	q.entries = append(q.entries, entry{})
	copy(q.entries[at+1:], q.entries[at:])
	q.entries[at] = e
	return true
}

// pop takes the first packet.
func (q *queue) pop() (entry, bool) {
	if q.head == len(q.entries) {
		return entry{}, false
	}
	e := q.entries[q.head]
	q.entries[q.head].raw = nil
	q.head++
	if q.head == len(q.entries) {
		q.entries, q.head = q.entries[:0], 0
	}
	return e, true
}

// exceeds reports whether there are more packets than this, or of more time.
func (q *queue) exceeds(packets int, span int64) bool {
	n := len(q.entries) - q.head
	return n > packets || n > 0 && q.entries[len(q.entries)-1].time-q.entries[q.head].time > span
}
