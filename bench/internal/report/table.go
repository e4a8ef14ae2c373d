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
	fmt.Fprintf(w, "%s, %s\n\n%s\n\n", r.Started.Format("2006-01-02 15:04 MST"), r.Title(), r.Machine)
	r.media().Write(w, style)
	fmt.Fprintln(w)
	r.operations().Write(w, style)
	for _, s := range r.Skipped {
		fmt.Fprintf(w, "\nskipped: %s\n", s)
	}
}

// media has the results about packets.
func (r *Report) media() *Table {
	t := NewTable("workload", "server", "SRTP", "CPU us/packet", "rounds", "times", "CPU", "delivered", "loss", "strange", "load err",
		"p50 ms", "p95 ms", "p99 ms", "KiB/receiver", "RSS MB", "switches/packet", "packets/send", "idle", "notes")
	for i := range r.Results {
		x := &r.Results[i]
		if x.Wanted == 0 {
			continue
		}
		notes := ""
		if x.Dropped > 0 {
			notes = fmt.Sprintf("%.1f%% of %d lost packets recovered", 100*ratio(float64(x.Recovered), float64(x.Dropped)), x.Dropped)
		}
		if x.Layers > 0 {
			notes = fmt.Sprintf("%d layer switches", x.Layers)
		}
		if x.Late > 0 {
			notes = fmt.Sprintf("%d packets late", x.Late)
		}
		if x.Note != "" {
			notes = x.Note
		}
		n := float64(x.Delivered)
		t.Add(x.Workload, x.Server, x.SRTP, number("%.2f", x.PerPacket), fmt.Sprintf("%.2f-%.2f", x.Least, x.Most), number("%.1f", r.Times(x)),
			percent(ratio(x.CPU, x.Seconds)), x.Delivered, fmt.Sprintf("%.2f%%", 100*x.Loss()), x.Strange, x.LoadErrors,
			number("%.2f", x.P50), number("%.2f", x.P95), number("%.2f", x.P99), number("%.0f", x.PerUnit), fmt.Sprintf("%.1f", float64(x.RSS)/(1<<20)),
			fmt.Sprintf("%.3f", ratio(float64(x.Switches), n)), fmt.Sprintf("%.1f", ratio(n, float64(x.UDPOut))), percent(x.Idle), notes)
	}
	return t
}

// operations is the rest.
func (r *Report) operations() *Table {
	t := NewTable("workload", "server", "operations", "a second", "a CPU second", "CPU us", "times", "failed", "p50 ms", "p95 ms", "p99 ms", "KiB/session", "RSS MB", "idle")
	for i := range r.Results {
		x := &r.Results[i]
		if x.Wanted > 0 {
			continue
		}
		t.Add(x.Workload, x.Server, x.Operations, number("%.0f", x.PerSecond), number("%.0f", x.PerCPU), number("%.1f", x.cost()), number("%.1f", r.Times(x)), x.Failed,
			number("%.2f", x.P50), number("%.2f", x.P95), number("%.2f", x.P99), number("%.1f", x.PerUnit), fmt.Sprintf("%.1f", float64(x.RSS)/(1<<20)), percent(x.Idle))
	}
	return t
}

// number leaves out unknown values.
func number(format string, v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
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
