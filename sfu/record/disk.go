package record

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/rtp/mono"
)

// output has the methods of an os.File that a File needs.
type output interface {
	WriteAt(b []byte, offset int64) (int, error)
	Truncate(size int64) error
	Close() error
	Name() string
}

// writers is how many goroutines write to one file system.
const writers = 2

// disk writes the files of one file system. It has goroutines as long as it has files.
type disk struct {
	recorder *Recorder
	device   uint64
	bytes    atomic.Int64 // of its files that are laid out and not yet written

	mu      sync.Mutex
	changed sync.Cond
	waiting []*File // with a chunk to write
	files   int
	workers int // goroutines
}

// push has a chunk written.
func (d *disk) push(f *File) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, f)
	d.changed.Signal()
}

func (d *disk) run() {
	defer d.recorder.running.Done()
	for {
		f := d.next()
		if f == nil {
			return
		}
		f.write()
	}
}

// next waits for a file with something to write, nil = there are none any more.
func (d *disk) next() *File {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.waiting) == 0 {
		if d.files == 0 {
			d.workers--
			return nil
		}
		d.changed.Wait()
	}
	f := d.waiting[0]
	d.waiting = d.waiting[1:]
	return f
}

// add counts a file, and leave takes it back.
func (d *disk) add() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files++
	for ; d.workers < writers; d.workers++ {
		d.recorder.running.Add(1)
		go d.run()
	}
}

func (d *disk) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files--; d.files == 0 {
		d.changed.Broadcast()
	}
}

// write writes the chunk of a file, and ends the file if it was the last. A chunk that
// cannot be written is tried again later from its beginning, so that the file never has
// a hole; the last one is given up.
func (f *File) write() {
	f.mu.Lock()
	data, final, patches := f.chunk, f.final, f.patches
	f.mu.Unlock()
	_, err := f.out.WriteAt(data, f.size)
	if err == nil {
		f.size += int64(len(data))
		f.written(data)
	} else {
		f.unwritten(err)
	}
	if final {
		f.finish(patches, err)
	}
}

// written takes note of a chunk that was written.
func (f *File) written(data []byte) {
	f.recorder.bytes.Add(uint64(len(data)))
	f.wait(-len(data))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Bytes += uint64(len(data))
	if cap(data) <= maxSpare {
		f.spare = data[:0]
	} else {
		f.recorder.keep(data[:0])
	}
	f.chunk, f.busy = nil, false
	if f.late || !f.failed.IsZero() {
		f.failed, f.late = time.Time{}, false
		f.log.Info("recording goes on", "file", f.out.Name())
		f.tell(nil)
	}
}

func (f *File) unwritten(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed.IsZero() {
		f.log.Error("recording cannot be written, it is tried again each second", "file", f.out.Name(), "error", err)
		f.tell(err)
	}
	f.failed = time.Now()
	f.busy = false
}

// tell informs the user of the file of trouble; mu is held.
func (f *File) tell(err error) {
	if told := f.cfg.Trouble; told != nil {
		f.recorder.tell(func() { told(f.cfg.Path, err) })
	}
}

// finish closes the file. failed is why the last chunk is not in it, nil if it is.
func (f *File) finish(patches []Patch, failed error) {
	if failed != nil {
		f.mu.Lock()
		f.wait(-len(f.chunk))
		f.lose(LossError, f.chunked)
		f.mu.Unlock()
		_ = f.out.Truncate(f.size)
		patches = nil // they are about missing data
	}
	for _, p := range patches {
		if _, err := f.out.WriteAt(p.Bytes, p.Offset); err != nil && failed == nil {
			failed = err
		}
	}
	if err := f.out.Close(); err != nil && failed == nil {
		failed = err
	}
	if f.cfg.Suffix != "" {
		if err := os.Rename(f.cfg.Path+f.cfg.Suffix, f.cfg.Path); err != nil {
			failed = err
		}
	}
	f.mu.Lock()
	s := f.stats
	f.mu.Unlock()
	for why, n := range s.Lost {
		if n > 0 {
			f.log.Warn("recording is incomplete", "file", f.cfg.Path, "reason", Loss(why).String(), "lost", n)
		}
	}
	if failed != nil {
		f.log.Error("recording ended with an error", "file", f.cfg.Path, "error", failed)
	}
	f.recorder.free(f)
	close(f.done)
	if f.cfg.Ended != nil {
		f.recorder.tell(f.cfg.Ended)
	}
	f.recorder.forget(f)
}

// collector lays out the files that it has.
type collector struct {
	recorder *Recorder

	mu      sync.Mutex
	files   []*File
	running bool
}

func (c *collector) add(f *File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, f)
	if !c.running {
		c.running = true
		c.recorder.running.Add(1)
		go c.run()
	}
}

func (c *collector) run() {
	defer c.recorder.running.Done()
	t := time.NewTicker(interval)
	defer t.Stop()
	for c.visit(mono.Now()) {
		<-t.C
	}
}

// visit goes over the files. It reports whether any is left.
func (c *collector) visit(now mono.Time) bool {
	c.mu.Lock()
	files := c.files
	c.mu.Unlock()
	over := make(map[*File]bool)
	for _, f := range files {
		if !c.recorder.collect(f, now) {
			over[f] = true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(over) > 0 {
		var left []*File // a new list: others look at the old one
		for _, f := range c.files {
			if !over[f] {
				left = append(left, f)
			}
		}
		c.files = left
	}
	c.running = len(c.files) > 0
	return c.running
}

const (
	// maxSpare is the size of the largest memory of a chunk that a file keeps while it
	// lays out the next.
	maxSpare = 16 << 10
	// maxSpares is how much of that of larger ones all files have in common, in bytes.
	maxSpares = 8 << 20
)

// keep keeps the memory of a large chunk that was written for the next one of any file: as a
// rule writing takes far less time than laying out.
func (r *Recorder) keep(b []byte) {
	if cap(b) <= 4*chunk {
		r.spares.Give(b, cap(b), maxSpares)
	}
}
