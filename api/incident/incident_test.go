package incident

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/sfu"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestList(t *testing.T) {
	var l List
	for i := range 3 {
		l.Add(Incident{Last: start.Add(time.Duration(i) * time.Second), Text: "disk", Detail: fmt.Sprint(i), Session: uint64(i)})
	}
	l.Add(Incident{Last: start, Text: "net", Severe: true})
	got, last := l.Since(0, 10)
	if len(got) != 2 || last != 4 || got[0].Text != "net" || got[0].Count != 1 || !got[0].Severe {
		t.Fatalf("%+v, %d", got, last)
	}
	if d := got[1]; d.ID != 1 || d.Seq != 3 || d.Count != 3 || d.First != start || d.Last != start.Add(2*time.Second) || d.Detail != "2" || d.Session != 2 {
		t.Errorf("%+v", d)
	}
	if got, last := l.Since(3, 10); len(got) != 1 || got[0].Text != "net" || last != 4 {
		t.Errorf("%+v, %d", got, last)
	}
	if got, _ := l.Since(4, 10); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got, _ := l.Since(0, 1); len(got) != 1 || got[0].Text != "net" {
		t.Errorf("%+v", got)
	}
	var none *List
	none.Add(Incident{})
	if got, last := none.Since(0, 5); got != nil || last != 0 {
		t.Errorf("%+v, %d", got, last)
	}
}

// A list is bounded, whatever is added.
func TestBounds(t *testing.T) {
	var l List
	long := strings.Repeat("ä", 1000)
	for i := range 3 * maxIncidents {
		l.Add(Incident{Text: fmt.Sprint(i, long), Detail: long})
	}
	got, last := l.Since(0, 1000)
	if len(got) != maxIncidents || last != 3*maxIncidents || got[0].Seq != last {
		t.Errorf("%d incidents, the last is %d", len(got), last)
	}
	for _, i := range got {
		if len(i.Text) > maxText+3 || len(i.Detail) > maxDetail+3 || strings.ContainsRune(i.Text+i.Detail, '\uFFFD') {
			t.Fatalf("%d and %d bytes: %q", len(i.Text), len(i.Detail), i.Text)
		}
	}
}

func TestHandler(t *testing.T) {
	for _, c := range []struct {
		say  func(log *slog.Logger)
		want Incident
	}{
		{func(l *slog.Logger) { l.Info("all is well", "session", uint64(1)) }, Incident{}},
		{func(l *slog.Logger) {
			l.With("session", uint64(7), "handle", uint64(8)).Warn("recording is incomplete", "file", "x.mjr", "lost", 3)
		},
			Incident{Text: "Recording is incomplete", Detail: "file=x.mjr lost=3", Remedy: disk, Session: 7, Handle: 8}},
		{func(l *slog.Logger) { l.Error("odd", "error", errors.New("why"), "stack", "long") }, Incident{Text: "Odd", Severe: true, Detail: "error=why"}},
		{func(l *slog.Logger) { l.Warn("few descriptors", "remedy", "raise it") }, Incident{Text: "Few descriptors", Remedy: "raise it"}},
		{func(l *slog.Logger) { l.Info("ended", "peer", "5/6", "cause", sfu.CauseSilence) },
			Incident{Text: causes[sfu.CauseSilence].text, Remedy: vanished, Session: 5, Handle: 6}},
		{func(l *slog.Logger) { l.Info("ended", "peer", "5/6", "cause", sfu.CauseAlert) }, Incident{}},
		{func(l *slog.Logger) { l.Info("ended", "cause", "words") }, Incident{}},
		{func(l *slog.Logger) { l.WithGroup("g").With("a", 1).Warn("in a group", "b", 2) }, Incident{Text: "In a group"}},
	} {
		var out bytes.Buffer
		var list List
		c.say(slog.New(Handler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}), &list)))
		got, _ := list.Since(0, 10)
		if len(got) == 0 {
			got = append(got, Incident{})
		}
		g := got[0]
		if (g.Text != "") != (g.Count == 1) || (g.Text != "") == g.Last.IsZero() {
			t.Errorf("%+v", g)
		}
		g.ID, g.Seq, g.Count, g.First, g.Last = 0, 0, 0, time.Time{}, time.Time{}
		if g != c.want {
			t.Errorf("got %+v, want %+v", g, c.want)
		}
		if (out.Len() > 0) != c.want.Severe {
			t.Errorf("%s passed on: %q", c.want.Text, out.String())
		}
	}
}

// Each cause that can end a connection by itself has words and a remedy.
func TestCauses(t *testing.T) {
	for c := sfu.CauseNone; c.String() != sfu.CauseInternal.String(); c++ {
		if x := causes[c]; (x.text == "" || x.remedy == "") != (c == sfu.CauseNone || c == sfu.CauseClosed || c == sfu.CauseAlert) {
			t.Errorf("%v: %+v", c, x)
		}
	}
}

// The lines with remedies are lines that the server logs.
func TestRemedies(t *testing.T) {
	var code strings.Builder
	for _, root := range []string{"..", "../../sfu", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "incident") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range remedies {
		if r.remedy == "" || !strings.Contains(code.String(), `("`+r.line) {
			t.Errorf("%q is logged nowhere", r.line)
		}
	}
}
