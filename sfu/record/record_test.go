package record

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
	"bifrons/sfu/pipe"
)

// fake is a file in memory, on a disk that can be full or stall.
type fake struct {
	mu      sync.Mutex
	name    string
	content []byte
	closed  bool
	full    bool          // a part of each write gets in, then there is no room
	stall   chan struct{} // writes wait until it is closed
}

func (f *fake) WriteAt(b []byte, offset int64) (int, error) {
	f.mu.Lock()
	stall := f.stall
	f.mu.Unlock()
	if stall != nil {
		<-stall
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := len(b), error(nil)
	if f.full {
		n, err = len(b)/2, syscall.ENOSPC
	}
	if grow := int(offset) + n - len(f.content); grow > 0 {
		f.content = append(f.content, make([]byte, grow)...)
	}
	copy(f.content[offset:], b[:n])
	return n, err
}

func (f *fake) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.content = f.content[:size]
	return nil
}

func (f *fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *fake) Name() string { return f.name }

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// lines is a Format of one line for each packet, by its first letter.
type lines struct{}

func (l *lines) Begin(dst []byte, _ time.Time) []byte { return append(dst, "begin\n"...) }
func (l *lines) Packet(dst []byte, p *Packet) []byte {
	if string(p.RTP[p.Head:]) == "panic" {
		panic("a format")
	}
	return fmt.Appendf(dst, "%d %d %s\n", p.Seq, p.Timestamp, p.RTP[p.Head:])
}
func (l *lines) Message(dst []byte, m *Message) []byte {
	return fmt.Appendf(dst, "message %s\n", m.Payload)
}
func (l *lines) Report(*Report)                              {}
func (l *lines) Flush(dst []byte, _ mono.Time) ([]byte, int) { return dst, -1 }
func (l *lines) End(dst []byte) (rest []byte, patches []Patch) {
	return append(dst, "end\n"...), []Patch{{0, []byte("BEGIN")}}
}

// queue is an Input.
type queue struct {
	mu     sync.Mutex
	list   []pipe.Packet
	closed bool
}

func (q *queue) put(seq uint64, ts uint32, text string) {
	b := make([]byte, rtp.FixedHeaderLen)
	q.add(pipe.Packet{Data: append(b, text...), Head: len(b), Seq: seq, Timestamp: ts, Arrival: mono.Now()})
}

func (q *queue) add(p pipe.Packet) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, p)
}

func (q *queue) Next(scratch []byte, p *pipe.Packet) ([]byte, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return scratch, false
	}
	*p = q.list[0]
	q.list = q.list[1:]
	return scratch, true
}

func (q *queue) Over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && len(q.list) == 0
}

func (q *queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func (q *queue) Lost() uint64     { return 0 }
func (q *queue) RequestKeyframe() {}

// rig is a Recorder with fake files on two disks: those in /a and others.
type rig struct {
	*Recorder
	t     *testing.T
	mu    sync.Mutex
	files map[string]*fake
	log   *bytes.Buffer
	told  chan error
}

// end closes the recorder, after which nothing counts as waiting.
func (x *rig) end() {
	x.t.Helper()
	x.Close(time.Second)
	if n := x.waiting.Load(); n != 0 {
		x.t.Errorf("%d bytes still count as waiting", n)
	}
}

func newRig(t *testing.T) *rig {
	x := &rig{t: t, files: make(map[string]*fake), log: new(bytes.Buffer), told: make(chan error, 16)}
	x.Recorder = New(slog.New(slog.NewTextHandler(x.log, nil)))
	x.exists = func(path string) bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		for other := range x.files {
			if filepath.Clean(other) == filepath.Clean(path) {
				return true
			}
		}
		return false
	}
	x.create = func(path string) (output, uint64, error) {
		f := &fake{name: path}
		x.mu.Lock()
		x.files[path] = f
		x.mu.Unlock()
		device := uint64(2)
		if strings.HasPrefix(path, "/a/") {
			device = 1
		}
		return f, device, nil
	}
	return x
}

func (x *rig) start(path string, format Format) (*File, *queue, *fake) {
	x.t.Helper()
	f, err := x.Open(Config{Path: path, Format: format, ClockRates: []uint32{48000}, Trouble: func(_ string, err error) { x.told <- err }})
	if err != nil {
		x.t.Fatal(err)
	}
	q := new(queue)
	f.Input(0, q, false)
	return f, q, x.files[path]
}

func (f *fake) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.content)
}

// TestFresh finds what has come in the file within half a second.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		f, q, out := x.start("/b/x", new(lines))
		q.put(5, 70, "one")
		f.Message(0, false, []byte("hi"))
		waittest.Pass(fresh + 2*interval)
		if got := out.text(); got != "begin\n1 0 one\nmessage hi\n" {
			t.Errorf("the file has %q", got)
		}
		f.Close()
		<-f.Done()
		if got := out.text(); got != "BEGIN\n1 0 one\nmessage hi\nend\n" || !out.closed {
			t.Errorf("the file has %q, closed %v", got, out.closed)
		}
		if n := x.Close(time.Second); n != 0 {
			t.Errorf("%d files are left", n)
		}
	})
}

// waiting is a lines that waits for packets.
type waiting struct{ lines }

func (*waiting) Fill(dst []byte, p *Packet) []byte {
	return fmt.Appendf(dst, "fill %d %d\n", p.Seq, p.Timestamp)
}

// TestFill numbers what fills a gap like packets, for formats that wait for them.
func TestFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		one, q, first := x.start("/b/x", new(waiting))
		two, r, second := x.start("/b/y", new(lines))
		for _, in := range []*queue{q, r} {
			fill := pipe.Packet{Fill: true, Seq: 6, Timestamp: 80}
			in.add(fill) // before anything
			in.put(5, 70, "a")
			in.put(7, 90, "b")
			in.add(fill)
		}
		one.Close()
		two.Close()
		<-one.Done()
		<-two.Done()
		if a, b := first.text(), second.text(); a != "BEGIN\n1 0 a\n3 20 b\nfill 2 10\nend\n" || b != "BEGIN\n1 0 a\n3 20 b\nend\n" {
			t.Errorf("the files have %q and %q", a, b)
		}
		x.Close(time.Second)
	})
}

// TestDiskFull writes on a disk that is full for a while: nothing is lost that there is
// room for in memory, and who records hears of it once.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		f, q, out := x.start("/b/x", new(lines))
		waittest.Pass(time.Second)
		out.set(func() { out.full = true })
		for i := range uint64(100) {
			q.put(i, uint32(i)*960, "x")
			waittest.Pass(100 * time.Millisecond)
		}
		if err := <-x.told; !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("told %v", err)
		}
		out.set(func() { out.full = false })
		waittest.Pass(2 * retry)
		if err := <-x.told; err != nil {
			t.Errorf("told %v", err)
		}
		f.Close()
		<-f.Done()
		if got := strings.Count(out.text(), " x\n"); got != 100 || !strings.HasSuffix(out.text(), "\n100 95040 x\nend\n") {
			t.Errorf("%d packets in %q", got, out.text())
		}
		if s := f.Stats(); s.Packets != 100 || s.Lost != [NumLoss]uint64{} || s.Bytes != uint64(len(out.text())) {
			t.Errorf("counts %+v", s)
		}
		if n := strings.Count(x.log.String(), "level=ERROR"); n != 1 || len(x.told) != 0 {
			t.Errorf("%d errors logged, told %d times more", n, len(x.told))
		}
		x.Close(time.Second)
	})
}

// TestDiskStaysFull ends with the last whole chunk.
func TestDiskStaysFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		f, q, out := x.start("/b/x", new(lines))
		q.put(1, 0, "kept")
		waittest.Pass(time.Second)
		out.set(func() { out.full = true })
		q.put(2, 960, "lost")
		waittest.Pass(time.Second)
		q.put(3, 1920, "lost")
		f.Close()
		<-f.Done()
		if got := out.text(); got != "begin\n1 0 kept\n" {
			t.Errorf("the file has %q", got)
		}
		if s := f.Stats(); s.Lost[LossError] != 2 {
			t.Errorf("counts %+v", s)
		}
		x.end()
	})
}

// TestOnePath has several recordings with one path: those at a time get names of their
// own, and one takes the place of another that has ended.
func TestOnePath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		one, _, first := x.start("/b/x.mjr", new(lines))
		two, _, _ := x.start("/b//x.mjr", new(lines))
		three, _, _ := x.start("/b/x.mjr", new(lines))
		if a, b, c := one.Path(), two.Path(), three.Path(); a != "/b/x.mjr" || b != "/b//x-2.mjr" || c != "/b/x-3.mjr" {
			t.Errorf("files %s %s %s", a, b, c)
		}
		one.Message(0, false, []byte("first"))
		one.Close() // and is written later
		again, _, _ := x.start("/b/x.mjr", new(lines))
		if got := first.text(); again.Path() != "/b/x.mjr" || !first.closed || got != "BEGIN\nmessage first\nend\n" {
			t.Errorf("%s began when the one before was %q", again.Path(), got)
		}
		two.Close()
		<-two.Done()
		if four, _, _ := x.start("/b/x.mjr", new(lines)); four.Path() != "/b/x-4.mjr" {
			t.Errorf("%s is recorded to, where others are", four.Path())
		}
		if next, err := x.Open(Config{Path: "/b/y.mjr", Next: true, Format: new(lines)}); err != nil || next.Path() != "/b/y-2.mjr" {
			t.Errorf("next to y: %v", err)
		}
		x.Close(time.Second)
		if len(x.paths) != 0 {
			t.Errorf("paths %v are still taken", x.paths)
		}
	})
}

// TestStall has one file system stall: files on the other one go on, and what waits is
// bounded and written in the end.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		stuck, sq, sout := x.start("/a/x", new(lines))
		fine, fq, fout := x.start("/b/x", new(lines))
		waittest.Pass(time.Second)
		stall := make(chan struct{})
		sout.set(func() { sout.stall = stall })
		big := strings.Repeat("x", 1<<20)
		for i := range uint64(40) {
			sq.put(i, uint32(i)*960, big)
			fq.put(i, uint32(i)*960, "x")
			waittest.Pass(250 * time.Millisecond)
		}
		if got := strings.Count(fout.text(), "x\n"); got < 38 {
			t.Errorf("the other file has %d packets", got)
		}
		lost := stuck.Stats().Lost[LossDisk]
		if lost < 20 || x.waiting.Load() > 2*maxWaiting {
			t.Errorf("%d packets lost, %d bytes wait", lost, x.waiting.Load())
		}
		if told := <-x.told; !errors.Is(told, ErrStall) || len(x.told) != 0 {
			t.Errorf("told %v, and %d times more", told, len(x.told))
		}
		close(stall)
		stuck.Close()
		fine.Close()
		<-stuck.Done()
		<-fine.Done()
		if told := <-x.told; told != nil || len(x.told) != 0 {
			t.Errorf("told %v when it goes on, and %d times more", told, len(x.told))
		}
		if got := uint64(strings.Count(sout.text(), "x\n")); got != 40-lost {
			t.Errorf("%d packets in the file, %d lost", got, lost)
		}
		x.Close(time.Second)
	})
}

// TestStallOfMany has as much wait for a file system as may: files on it lose what comes,
// those on another one nothing.
func TestStallOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		stuck, sq, _ := x.start("/a/x", new(lines))
		fine, fq, _ := x.start("/b/x", new(lines))
		stuck.wait(maxDiskWaiting) // of other files
		sq.put(1, 0, "x")
		fq.put(1, 0, "x")
		waittest.Pass(time.Second)
		stuck.wait(-maxDiskWaiting)
		stuck.Close()
		fine.Close()
		<-stuck.Done()
		<-fine.Done()
		if a, b := stuck.Stats().Lost[LossDisk], fine.Stats().Lost[LossDisk]; a != 1 || b != 0 {
			t.Errorf("%d packets lost of the one, %d of the other", a, b)
		}
		x.end()
	})
}

// TestCloseStalled does not wait for a disk for ever.
func TestCloseStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		_, q, out := x.start("/a/x", new(lines))
		stall := make(chan struct{})
		out.set(func() { out.stall = stall })
		q.put(1, 0, "x")
		if n := x.Close(time.Second); n != 1 {
			t.Errorf("%d files are left", n)
		}
		close(stall)
		waittest.Pass(time.Second)
		if !strings.HasSuffix(out.text(), "end\n") {
			t.Errorf("the file has %q", out.text())
		}
		if _, err := x.Open(Config{Format: new(lines)}); !errors.Is(err, ErrClosed) {
			t.Errorf("opened after the end: %v", err)
		}
	})
}

// TestPanic has a format panic: the file ends there, others go on.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		f, q, out := x.start("/b/bad", new(lines))
		g, gq, gout := x.start("/b/good", new(lines))
		q.put(1, 0, "x")
		waittest.Pass(time.Second)
		q.put(2, 1, "panic")
		gq.put(1, 0, "z")
		<-f.Done()
		if got := out.text(); got != "begin\n1 0 x\n" || !out.closed {
			t.Errorf("the file has %q", got)
		}
		g.Close()
		<-g.Done()
		if got := gout.text(); got != "BEGIN\n1 0 z\nend\n" {
			t.Errorf("the other file has %q", got)
		}
		x.Close(time.Second)
	})
}

// TestOpenStalls gives up on a file system that does not answer.
func TestOpenStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		never, late := make(chan struct{}), new(fake)
		x.create = func(string) (output, uint64, error) {
			<-never
			return late, 1, nil
		}
		if _, err := x.Open(Config{Format: new(lines)}); !errors.Is(err, ErrStall) {
			t.Errorf("opened: %v", err)
		}
		close(never)
		synctest.Wait()
		if !late.closed {
			t.Error("the file that came late is open")
		}
		x.Close(time.Second)
	})
}

// TestMakers has a file system never answer, also when it is asked who may have a file: no
// more than so many goroutines wait for it, and those who record do not.
func TestMakers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		never := make(chan struct{})
		var asked atomic.Int32
		check := func(string) error {
			asked.Add(1)
			<-never
			return errors.New("no")
		}
		begin := time.Now()
		for range 2 {
			var all sync.WaitGroup
			for i := range maxMakers {
				all.Go(func() {
					if _, err := x.Open(Config{Path: fmt.Sprint("/a/", i), Check: check, Format: new(lines)}); !errors.Is(err, ErrStall) {
						t.Errorf("opened: %v", err)
					}
				})
			}
			all.Wait()
		}
		if n := asked.Load(); n != maxMakers {
			t.Errorf("%d goroutines wait for the file system", n)
		}
		if took := time.Since(begin); took > 2*openLimit {
			t.Errorf("it took %v", took)
		}
		close(never)
		synctest.Wait()
		if len(x.paths) != 0 || len(x.files) != 0 {
			t.Errorf("left: paths %v, files %v", x.paths, x.files)
		}
		x.Close(time.Second)
	})
}

// TestOpenWhileClosing has a file made while the recorder ends: it is not recorded to, and
// nothing is left of it.
func TestOpenWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t)
		slow, late, opened := make(chan struct{}), new(fake), make(chan error, 1)
		x.create = func(string) (output, uint64, error) {
			<-slow
			return late, 1, nil
		}
		go func() {
			_, err := x.Open(Config{Path: "/a/x", Format: new(lines)})
			opened <- err
		}()
		synctest.Wait()
		x.Close(time.Second)
		close(slow)
		if err := <-opened; !errors.Is(err, ErrClosed) {
			t.Errorf("opened: %v", err)
		}
		if _, files := x.Stats(); files != 0 || len(x.paths) != 0 || !late.closed || x.waiting.Load() != 0 {
			t.Errorf("left: %d files, paths %v, %d bytes that wait; closed %v", files, x.paths, x.waiting.Load(), late.closed)
		}
	})
}

// TestChurn makes and ends files from several goroutines.
func TestChurn(t *testing.T) {
	waittest.NoLeaks(t)
	x := newRig(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := range 20 {
				path := fmt.Sprintf("/%c/%d-%d", 'a'+i%2, i, j)
				f, err := x.Open(Config{Path: path, Format: new(lines), ClockRates: []uint32{1}})
				if err != nil {
					t.Error(err)
					return
				}
				q := new(queue)
				f.Input(0, q, false)
				q.put(1, 0, "x")
				f.Close()
				if j%5 == 0 {
					<-f.Done()
				}
			}
		}()
	}
	all.Wait()
	if n := x.Close(10 * time.Second); n != 0 {
		t.Errorf("%d files are left", n)
	}
	for path, f := range x.files {
		if got := f.text(); got != "BEGIN\n1 0 x\nend\n" || !f.closed {
			t.Errorf("%s has %q", path, got)
		}
	}
}
