package simnet

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Trace is the capacity of a link over time.
type Trace interface {
	// Serve returns when so many bytes have gone out, if that begins at from. Times
	// count from the beginning of the trace.
	Serve(from time.Duration, bytes int) time.Duration
	// Bytes returns how many can go out from one time to another.
	Bytes(from, to time.Duration) float64
}

// Step is a rate in bit/s, greater than 0, from a time on.
type Step struct {
	At   time.Duration
	Rate float64
}

// Steps is a trace of constant rates. The first is from the beginning on.
type Steps []Step

// at returns the index of the step at a time.
func (s Steps) at(t time.Duration) int {
	return max(0, sort.Search(len(s), func(i int) bool { return s[i].At > t })-1)
}

// end returns when a step ends.
func (s Steps) end(i int) time.Duration {
	if i+1 < len(s) {
		return s[i+1].At
	}
	return 1 << 62
}

// Serve implements Trace.
func (s Steps) Serve(from time.Duration, bytes int) time.Duration {
	bits := float64(bytes) * 8
	for i := s.at(from); ; i++ {
		takes := time.Duration(bits / s[i].Rate * 1e9)
		if left := s.end(i) - from; takes > left {
			bits -= s[i].Rate * left.Seconds()
			from = s.end(i)
			continue
		}
		return from + takes
	}
}

// Bytes implements Trace.
func (s Steps) Bytes(from, to time.Duration) (sum float64) {
	for i := s.at(from); from < to; i++ {
		end := min(s.end(i), to)
		sum += s[i].Rate / 8 * (end - from).Seconds()
		from = end
	}
	return sum
}

// opportunity is how many bytes a line of a Mahimahi trace lets out.
const opportunity = 1504

// Mahimahi is a trace of moments at which a packet of 1504 bytes may go out. It
// starts again at its end.
type Mahimahi struct {
	at     []time.Duration
	length time.Duration
}

// ReadMahimahi reads a trace in Mahimahi's format: a line for each opportunity, with its time in
// milliseconds; times never fall, and the last one is the length of the trace.
func ReadMahimahi(r io.Reader) (*Mahimahi, error) {
	m := &Mahimahi{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		ms, err := strconv.ParseUint(text, 10, 40)
		at := time.Duration(ms) * time.Millisecond
		if err != nil || at < m.length {
			return nil, fmt.Errorf("line %d of the trace, %.20q, is no time after the one before", n, text)
		}
		m.at, m.length = append(m.at, at), at
	}
	if m.length == 0 {
		return nil, fmt.Errorf("the trace has no length")
	}
	return m, lines.Err()
}

// before returns how many opportunities there are before a time.
func (m *Mahimahi) before(t time.Duration) int {
	laps, rest := int(t/m.length), t%m.length
	return laps*len(m.at) + sort.Search(len(m.at), func(i int) bool { return m.at[i] >= rest })
}

// when returns the time of an opportunity.
func (m *Mahimahi) when(n int) time.Duration {
	return time.Duration(n/len(m.at))*m.length + m.at[n%len(m.at)]
}

// Serve implements Trace. An opportunity's room beyond the packet is lost.
func (m *Mahimahi) Serve(from time.Duration, bytes int) time.Duration {
	needs := max(1, (bytes+opportunity-1)/opportunity)
	return max(from, m.when(m.before(from+1)+needs-1))
}

// Bytes implements Trace.
func (m *Mahimahi) Bytes(from, to time.Duration) float64 {
	return float64(m.before(to)-m.before(from)) * opportunity
}
