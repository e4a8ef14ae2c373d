// Package incident remembers recent problems, in words and with a remedy, for
// those who run the server.
package incident

import (
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// Incident is something that went wrong, once or again and again.
type Incident struct {
	ID          uint64    // its own, from 1
	Seq         uint64    // of the last time, among those of all incidents; from 1
	First, Last time.Time // when it happened
	Count       int       // how often
	Severe      bool      // an error, not a warning
	Text        string    // a sentence
	Detail      string    // of the last time: "key=value ...", "" = none
	Remedy      string    // "" = the text says all there is

	// Of the last time, 0 = none: the handle it happened to.
	Session, Handle uint64
}

// Bounds of a List.
const (
	maxIncidents = 200
	maxText      = 300 // bytes
	maxDetail    = 500
)

// List is the latest incidents. Those with one text count as one. The zero value is
// ready, and its methods may be called from any goroutine, also on nil, which has none.
type List struct {
	mu   sync.Mutex
	all  []Incident // the latest last
	last uint64     // Seq
	ids  uint64
}

// Add takes an incident, of which ID, Seq, First and Count are filled in. The oldest
// one makes room.
func (l *List) Add(i Incident) {
	if l == nil {
		return
	}
	i.Text, i.Detail = cut(i.Text, maxText), cut(i.Detail, maxDetail)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	i.Seq = l.last
	at := slices.IndexFunc(l.all, func(x Incident) bool { return x.Text == i.Text })
	switch {
	case at >= 0:
		old := l.all[at]
		i.ID, i.First, i.Count = old.ID, old.First, old.Count+1
		i.Severe = i.Severe || old.Severe
		l.all = slices.Delete(l.all, at, at+1)
	default:
		l.ids++
		i.ID, i.First, i.Count = l.ids, i.Last, 1
		if len(l.all) == maxIncidents {
			l.all = slices.Delete(l.all, 0, 1)
		}
	}
	l.all = append(l.all, i)
}

// Since returns the incidents after the one with a Seq, the latest first, and at most
// n of them. last is the Seq to ask with next time.
func (l *List) Since(seq uint64, n int) (list []Incident, last uint64) {
	if l == nil {
		return nil, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.all) - 1; i >= 0 && len(list) < n && l.all[i].Seq > seq; i-- {
		list = append(list, l.all[i])
	}
	return list, l.last
}

// cut leaves at most n bytes of a text, in whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
