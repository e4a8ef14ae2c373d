package report

import (
	"fmt"
	"io"
	"strings"
)

// Style is how tables are written.
type Style bool

// The styles.
const (
	Plain    Style = false
	Markdown Style = true
)

// Write writes the report for people.
func (r *Report) Write(w io.Writer, style Style) {
	fmt.Fprintf(w, "Machine: %s\n", r.Machine)
	for _, name := range r.serverNames() {
		fmt.Fprintf(w, "Server:  %s %s\n", name, r.Servers[name])
	}
	l := r.Load
	fmt.Fprintf(w, "Load:    %d peers, each video %.2f Mbit/s in %d bursts a second and audio %d kbit/s in %d packets a second\n",
		l.Peers, float64(l.VideoBitsPerS)/1e6, l.FramesPerS, l.AudioBitsPerS/1000, l.AudioPerS)
	if len(r.Choices) > 0 {
		fmt.Fprintln(w, "\nSRTP profile where the peer offers all:")
		fmt.Fprintln(w)
		r.choices().Write(w, style)
	}
	fmt.Fprintf(w, "\nSingle measurements of %g s, in this order:\n\n", l.SecondsPerTurn)
	r.rounds().Write(w, style)
	fmt.Fprintln(w, "\nCPU time of the server for an echoed packet (received and sent back):")
	fmt.Fprintln(w)
	r.summary().Write(w, style)
}

func (r *Report) serverNames() (list []string) {
	seen := map[string]bool{}
	for i := range r.Rounds {
		if s := r.Rounds[i].Server; !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	return list
}

func (r *Report) choices() *Table {
	t := NewTable("server", "peer is DTLS", "profile")
	for _, c := range r.Choices {
		t.Add(c.Server, c.PeerRole, c.Profile)
	}
	return t
}

func (r *Report) rounds() *Table {
	t := NewTable("case", "round", "server", "CPU us/pkt", "CPU", "sent", "echoed", "strange", "UDP in", "UDP out", "UDP err", "load err", "switches", "threads", "idle")
	for i := range r.Rounds {
		x := &r.Rounds[i]
		t.Add(x.Case, x.Round, x.Server, fmt.Sprintf("%.2f", x.PerPacket()), percent(ratio(x.CPU, x.Seconds)),
			x.Sent, x.Echoed, x.Strange, x.UDPIn, x.UDPOut, x.UDPErrors, x.LoadErrors, x.Switches, x.Threads, percent(x.Idle))
	}
	return t
}

func (r *Report) summary() *Table {
	t := NewTable("case", "server", "SRTP", "CPU us/pkt", "rounds", "ratio", "CPU", "loss", "p50 ms", "p95 ms", "p99 ms", "RSS MB", "switches/pkt", "pkts/send")
	for i := range r.Summary {
		s := &r.Summary[i]
		times := ""
		if s.Ratio > 0 {
			times = fmt.Sprintf("%.2f", s.Ratio)
		}
		t.Add(s.Case, s.Server, s.Profile, fmt.Sprintf("%.2f", s.PerPacket), fmt.Sprintf("%.2f-%.2f", s.Least, s.Most), times,
			percent(s.CPU), fmt.Sprintf("%.3f%%", 100*s.Loss), fmt.Sprintf("%.3f", s.P50), fmt.Sprintf("%.3f", s.P95), fmt.Sprintf("%.3f", s.P99),
			fmt.Sprintf("%.1f", float64(s.RSS)/(1<<20)), fmt.Sprintf("%.2f", s.Switches), fmt.Sprintf("%.2f", s.PerSend))
	}
	return t
}

func percent(v float64) string { return fmt.Sprintf("%.1f%%", 100*v) }

// Table is text in columns.
type Table struct{ rows [][]string }

// NewTable makes a table of this head.
func NewTable(head ...string) *Table { return &Table{rows: [][]string{head}} }

// Add adds a row.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

// Write writes the table.
func (t *Table) Write(w io.Writer, style Style) {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], len(c))
		}
	}
	left, between, right := "", "  ", ""
	if style == Markdown {
		left, between, right = "| ", " | ", " |"
	}
	for n, row := range t.rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = pad(c, widths[i])
		}
		fmt.Fprintln(w, strings.TrimRight(left+strings.Join(cells, between)+right, " "))
		if n == 0 {
			for i := range cells {
				cells[i] = strings.Repeat("-", widths[i])
			}
			fmt.Fprintln(w, left+strings.Join(cells, between)+right)
		}
	}
}

// pad puts numbers to the right and words to the left.
func pad(s string, width int) string {
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		return fmt.Sprintf("%*s", width, s)
	}
	return fmt.Sprintf("%-*s", width, s)
}
