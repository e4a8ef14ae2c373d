package record

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/spare"
)

// Errors of Open, besides those of the file system.
var (
	ErrClosed = errors.New("record: recorder is closed")
	ErrFull   = errors.New("record: too many recordings")
	ErrStall  = errors.New("record: the file system does not answer")
)

// Recorder has all files that are being recorded. It is safe for use by several
// goroutines.
type Recorder struct {
	log     *slog.Logger
	create  func(path string) (o output, device uint64, err error) // in tests not that of the file system
	exists  func(path string) bool                                 // likewise
	running sync.WaitGroup                                         // goroutines
	makers  chan struct{}                                          // one for each file that is being made

	waiting        atomic.Int64 // bytes that are laid out and not yet written
	packets, bytes atomic.Uint64
	lost           [NumLoss]atomic.Uint64
	spares         spare.List[[]byte]

	mu         sync.Mutex
	closed     bool
	files      map[*File]struct{}
	paths      map[string]*File // by path, of files that are not whole yet
	opening    int
	disks      map[uint64]*disk
	collectors []*collector
	turn       int

	news    []func() // for users of files, in order
	telling bool
}

// New makes a Recorder.
func New(log *slog.Logger) *Recorder {
	r := &Recorder{log: log, create: createFile, exists: fileExists, files: make(map[*File]struct{}), paths: make(map[string]*File), disks: make(map[uint64]*disk),
		makers: make(chan struct{}, maxMakers)}
	for range min(runtime.GOMAXPROCS(0), 4) {
		r.collectors = append(r.collectors, &collector{recorder: r})
	}
	return r
}

// Open creates a file, replacing an existing one, and begins to record. Next to one
// that is being recorded under the same path, or if Config.Next says so, it gets a number:
// the lowest from 2 on that no file has. It waits for the file system, and for a recording
// with its path that is about to end, but not for long.
func (r *Recorder) Open(cfg Config) (*File, error) {
	if err := r.reserve(); err != nil {
		return nil, err
	}
	defer r.release()
	f := &File{cfg: cfg, recorder: r, log: r.log, done: make(chan struct{}), tracks: make([]track, len(cfg.ClockRates))}
	out, device, err := r.place(f)
	if err != nil {
		return nil, err
	}
	f.out = out
	for i, rate := range cfg.ClockRates {
		f.tracks[i].clockRate = rate
	}
	if !r.admit(f, device) {
		_ = out.Close()
		r.free(f)
		return nil, ErrClosed
	}
	return f, nil
}

// admit has a file laid out and written from now on, unless the recorder was closed while it
// was made.
func (r *Recorder) admit(f *File, device uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	if f.disk = r.disks[device]; f.disk == nil {
		f.disk = &disk{recorder: r, device: device}
		f.disk.changed.L = &f.disk.mu
		r.disks[device] = f.disk
	}
	f.fill = f.cfg.Format.Begin(nil, time.Now())
	f.grown(mono.Now(), 0)
	f.disk.add()
	r.files[f] = struct{}{}
	r.collectors[r.turn%len(r.collectors)].add(f)
	r.turn++
	return true
}

func (r *Recorder) reserve() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case len(r.files)+r.opening >= maxFiles:
		return ErrFull
	}
	r.opening++
	return nil
}

func (r *Recorder) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opening--
}

// place makes a file, with its path or the first number that is free.
func (r *Recorder) place(f *File) (out output, device uint64, err error) {
	given, n := f.cfg.Path, 1
	if f.cfg.Next {
		n = 2
	}
	for ; n <= maxNumber; n++ {
		if n > 1 {
			ext := filepath.Ext(given)
			f.cfg.Path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(given, ext), n, ext)
		}
		if err = r.claim(f, n > 1); err == nil {
			out, device, err = r.open(f, n > 1)
		}
		if !errors.Is(err, errTaken) {
			return out, device, err
		}
	}
	return nil, 0, ErrFull
}

// errTaken means that a file has this path, or is being recorded to it.
var errTaken = errors.New("record: there is such a file")

// claim makes the path of a file its own. Two that write to one would destroy each other.
// fresh means that none may be there, one that is about to end included.
func (r *Recorder) claim(f *File, fresh bool) error {
	limit := time.NewTimer(openLimit)
	defer limit.Stop()
	for {
		other := r.take(f)
		switch {
		case other == nil:
			return nil
		case fresh || !other.ends():
			return errTaken
		}
		select {
		case <-other.done:
		case <-limit.C:
			return ErrStall
		}
	}
}

// take takes the path of a file, or returns whose it is.
func (r *Recorder) take(f *File) (other *File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := filepath.Clean(f.cfg.Path)
	if other = r.paths[path]; other == nil {
		r.paths[path] = f
	}
	return other
}

// free gives the path of a file up.
func (r *Recorder) free(f *File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.paths, filepath.Clean(f.cfg.Path))
}

// open makes a file, within openLimit. If it fails the path is given up, but not before
// the file system has answered. fresh means that there may be none yet.
func (r *Recorder) open(f *File, fresh bool) (output, uint64, error) {
	type made struct {
		file   output
		device uint64
		err    error
	}
	done := make(chan made, 1)
	limit := time.NewTimer(openLimit)
	defer limit.Stop()
	select {
	case r.makers <- struct{}{}:
	case <-limit.C:
		r.free(f)
		return nil, 0, ErrStall
	}
	go func() {
		defer func() { <-r.makers }()
		var m made
		if f.cfg.Check != nil {
			m.err = f.cfg.Check(f.cfg.Path)
		}
		if m.err == nil && fresh && (r.exists(f.cfg.Path) || r.exists(f.cfg.Path+f.cfg.Suffix)) {
			m.err = errTaken
		}
		if m.err == nil {
			m.file, m.device, m.err = r.create(f.cfg.Path + f.cfg.Suffix)
		}
		if m.err != nil {
			r.free(f)
		}
		done <- m
	}()
	select {
	case m := <-done:
		return m.file, m.device, m.err
	case <-limit.C:
		go func() { // it may still succeed
			if m := <-done; m.err == nil {
				_ = m.file.Close()
				r.free(f)
			}
		}()
		return nil, 0, ErrStall
	}
}

// fileExists reports whether there is something with a path.
func fileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// createFile makes a file and the folders on the way, and says which file system it is
// on.
func createFile(path string) (output, uint64, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, 0, err
	}
	// Without O_NONBLOCK a pipe would be waited for until somebody reads it.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, DeviceOf(info), nil
}

// collect is File.collect. A panic ends the file where it is.
func (r *Recorder) collect(f *File, now mono.Time) (more bool) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic in a recording, it ends", "file", f.cfg.Path, "panic", p, "stack", string(debug.Stack()))
			f.abandon()
			more = true // until the disk has the bytes from before
		}
	}()
	return f.collect(now)
}

// abandon ends a file whose format has panicked.
func (f *File) abandon() {
	f.Close()
	f.cfg.Format = nothing{}
	f.ended = true
}

// nothing is the Format of a file to which nothing is added any more.
type nothing struct{}

func (nothing) Begin(dst []byte, _ time.Time) []byte          { return dst }
func (nothing) Packet(dst []byte, _ *Packet) []byte           { return dst }
func (nothing) Message(dst []byte, _ *Message) []byte         { return dst }
func (nothing) Report(*Report)                                {}
func (nothing) Flush(dst []byte, _ mono.Time) ([]byte, int)   { return dst, -1 }
func (nothing) End(dst []byte) (rest []byte, patches []Patch) { return dst, nil }

// forget takes out a file that is whole.
func (r *Recorder) forget(f *File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.files, f)
	f.disk.leave()
}

// tell calls f on a goroutine of its own, after earlier calls.
func (r *Recorder) tell(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.news = append(r.news, f)
	if r.telling {
		return
	}
	r.telling = true
	r.running.Add(1)
	go r.tellAll()
}

func (r *Recorder) tellAll() {
	defer r.running.Done()
	for {
		r.mu.Lock()
		if len(r.news) == 0 {
			r.telling = false
			r.mu.Unlock()
			return
		}
		f := r.news[0]
		r.news = r.news[1:]
		r.mu.Unlock()
		r.callOut(f)
	}
}

func (r *Recorder) callOut(f func()) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic in a listener of a recording", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// Stats are the counts of all files since the start, and how many are being recorded.
func (r *Recorder) Stats() (s Stats, files int) {
	s.Packets, s.Bytes = r.packets.Load(), r.bytes.Load()
	for i := range s.Lost {
		s.Lost[i] = r.lost[i].Load()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return s, len(r.files)
}

// Close ends all files and waits until they are whole, but no longer than a limit; it
// reports how many are not.
func (r *Recorder) Close(limit time.Duration) (unfinished int) {
	r.mu.Lock()
	r.closed = true
	files := make([]*File, 0, len(r.files))
	for f := range r.files {
		files = append(files, f)
	}
	r.mu.Unlock()
	for _, f := range files {
		f.Close()
	}
	whole := make(chan struct{})
	go func() {
		defer close(whole)
		r.running.Wait()
	}()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-whole:
		return 0
	case <-t.C:
		_, n := r.Stats()
		return n
	}
}
