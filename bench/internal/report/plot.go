package report

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
)

// Plot is a chart of lines, which writes itself as SVG.
type Plot struct {
	Title, X, Y string
	Note        string // small, below
	LogX, LogY  bool
	Lines       []Line
}

// Line is a named line. Points are in the order of their first number.
type Line struct {
	Name   string
	Dashed bool
	Color  int // lines of one colour belong together
	Points [][2]float64
}

// Plots are the charts of a report: the cost of a packet, its delay, and
// the memory, against the number of receivers of a webinar.
func (r *Report) Plots() map[string]*Plot {
	note := r.Started.Format("2006-01-02") + ", " + r.Title() + "; " + r.Machine.String()
	cpu := &Plot{Title: "CPU time of the server for a delivered packet (1 x N webinar)", X: "subscribers", Y: "us", LogX: true, LogY: true, Note: note}
	lat := &Plot{Title: "Latency through the server (1 x N webinar)", X: "subscribers", Y: "ms", LogX: true, LogY: true, Note: note}
	mem := &Plot{Title: "Memory of the server (1 x N webinar)", X: "subscribers", Y: "MB", Note: note}
	for i, name := range r.Order {
		var c, m Line
		var p [3]Line
		for k := range r.Results {
			x := &r.Results[k]
			if x.Group != "webinar" || x.Server != name {
				continue
			}
			n := float64(x.N)
			c.Points = append(c.Points, [2]float64{n, x.PerPacket})
			m.Points = append(m.Points, [2]float64{n, float64(x.RSS) / (1 << 20)})
			for j, v := range []float64{x.P50, x.P95, x.P99} {
				p[j].Points = append(p[j].Points, [2]float64{n, v})
			}
		}
		if len(c.Points) == 0 {
			continue
		}
		c.Name, c.Color, m.Name, m.Color = name, i, name, i
		cpu.Lines, mem.Lines = append(cpu.Lines, c), append(mem.Lines, m)
		for j, share := range []string{"p50", "p95", "p99"} {
			p[j].Name, p[j].Color, p[j].Dashed = name+" "+share, i, j > 0
			lat.Lines = append(lat.Lines, p[j])
		}
	}
	return map[string]*Plot{"cpu.svg": cpu, "latency.svg": lat, "memory.svg": mem}
}

// Size of a plot and its margins, in pixels.
const (
	plotWidth, plotHeight  = 760, 440
	marginLeft, marginTop  = 64, 44
	marginRight, marginEnd = 140, 74
)

// axis maps values to pixels.
type axis struct {
	low, high float64
	log       bool
	from, to  float64
	ticks     []float64
}

func newAxis(values []float64, log bool, from, to float64) axis {
	a := axis{log: log, from: from, to: to, high: 1}
	if len(values) > 0 {
		a.low, a.high = slices.Min(values), slices.Max(values)
	}
	if log {
		a.low, a.high = max(a.low, 1e-3), max(a.high, 1e-3)
		for e := math.Floor(math.Log10(a.low)); e <= math.Ceil(math.Log10(a.high)); e++ {
			for _, m := range []float64{1, 2, 5} {
				a.ticks = append(a.ticks, m*math.Pow(10, e))
			}
		}
		first := max(0, slices.IndexFunc(a.ticks, func(v float64) bool { return v > a.low*1.0001 })-1)
		last := slices.IndexFunc(a.ticks, func(v float64) bool { return v >= a.high*0.9999 })
		a.ticks = a.ticks[first : max(last, first+1)+1]
		a.low, a.high = a.ticks[0], a.ticks[len(a.ticks)-1]
		return a
	}
	step := math.Pow(10, math.Floor(math.Log10(max(a.high, 1e-3)/2)))
	for a.high/step > 8 {
		step *= 2
	}
	a.low = 0
	for v := 0.0; ; v += step {
		a.ticks = append(a.ticks, v)
		if v >= a.high {
			a.high = v
			return a
		}
	}
}

func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		low, high, v = math.Log10(low), math.Log10(high), math.Log10(max(v, 1e-3))
	}
	if high == low {
		return a.from
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

// palette keeps apart in print and for the colour-blind (Okabe and Ito).
func palette(i int) string {
	colors := []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"}
	return colors[i%len(colors)]
}

// WriteSVG writes the plot.
func (p *Plot) WriteSVG(w io.Writer) error {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	text := func(x, y float64, anchor, size, s string) {
		put(`<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%s">%s</text>`, x, y, anchor, size, html.EscapeString(s))
	}
	var xs, ys []float64
	for _, l := range p.Lines {
		for _, v := range l.Points {
			xs, ys = append(xs, v[0]), append(ys, v[1])
		}
	}
	const right, bottom = plotWidth - marginRight, plotHeight - marginEnd
	x := newAxis(xs, p.LogX, marginLeft, right)
	y := newAxis(ys, p.LogY, bottom, marginTop)
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif">`, plotWidth, plotHeight, plotWidth, plotHeight)
	put(`<rect width="100%%" height="100%%" fill="white"/>`)
	text(marginLeft, 24, "start", "15", p.Title)
	for _, v := range y.ticks {
		put(`<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`, marginLeft, y.at(v), right, y.at(v))
		text(marginLeft-6, y.at(v)+4, "end", "11", fmt.Sprintf("%.4g", v))
	}
	for _, v := range x.ticks {
		put(`<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>`, x.at(v), marginTop, x.at(v), bottom)
		text(x.at(v), bottom+16, "middle", "11", fmt.Sprintf("%.4g", v))
	}
	text((marginLeft+right)/2, bottom+34, "middle", "12", p.X)
	text(marginLeft-6, marginTop-8, "end", "12", p.Y)
	text(marginLeft, plotHeight-12, "start", "8", p.Note)
	for i, l := range p.Lines {
		dash := ""
		if l.Dashed {
			dash = ` stroke-dasharray="5 3"`
			if i%3 == 2 {
				dash = ` stroke-dasharray="1.5 3"`
			}
		}
		var points []string
		for _, v := range l.Points {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x.at(v[0]), y.at(v[1])))
			put(`<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>`, x.at(v[0]), y.at(v[1]), palette(l.Color))
		}
		put(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`, strings.Join(points, " "), palette(l.Color), dash)
		top := float64(marginTop + 10 + 18*i)
		put(`<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="%s" stroke-width="2"%s/>`, right+12, top-4, right+36, top-4, palette(l.Color), dash)
		text(right+42, top, "start", "12", l.Name)
	}
	put(`</svg>`)
	_, err := io.WriteString(w, b.String())
	return err
}
