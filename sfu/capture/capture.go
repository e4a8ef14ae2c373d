// Package capture writes the RTP and RTCP of a peer connection, as it is
// without encryption, to files for Wireshark and text2pcap.
//
// Packets go through a bounded queue to a goroutine that writes. A shard never
// waits for it: packets that find the queue full are left out and counted.
package capture

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// Format is the format of a capture file.
type Format uint8

// The formats.
const (
	PCAP Format = iota // libpcap's, Ethernet and IPv4 headers made up
	Text               // lines for text2pcap
	Rows               // taken as they are, behind the Label
)

// queueLength is how many packets may wait for the disk: a second at 10 Mbit/s.
const queueLength = 1024

// Config sets up a File.
type Config struct {
	Path     string // is appended to if it exists
	Format   Format
	Truncate int    // bytes of a packet to keep, 0 = all
	Label    string // end of every line of Text, or the head of Rows
}

// File is a capture under way. Its methods may be called from any goroutine.
type File struct {
	cfg  Config
	file *os.File
	out  *bufio.Writer
	line []byte // scratch

	free, queue chan *packet
	stop, done  chan struct{}
	stopped     atomic.Bool

	written, dropped atomic.Uint64
	err              error // of writing; read after done
}

// packet is one captured packet on its way to the file.
type packet struct {
	at       mono.Time
	outgoing bool
	rtcp     bool
	size     int // of the packet as it was
	data     []byte
}

// Open opens or creates the file and starts writing.
func Open(cfg Config) (*File, error) {
	// Without O_NONBLOCK a pipe would be waited for until somebody reads it.
	file, err := os.OpenFile(cfg.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", cfg.Path)
	}
	f := &File{
		cfg: cfg, file: file, out: bufio.NewWriterSize(file, 64<<10),
		free: make(chan *packet, queueLength), queue: make(chan *packet, queueLength),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err == nil && info.Size() == 0 {
		switch cfg.Format {
		case PCAP:
			_, err = file.Write(fileHeader())
		case Rows:
			_, err = file.WriteString(cfg.Label)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	for range queueLength {
		f.free <- new(packet)
	}
	go f.run()
	return f, nil
}

// Path is where the file is.
func (f *File) Path() string { return f.cfg.Path }

// Format is the file's format.
func (f *File) Format() Format { return f.cfg.Format }

// Take captures a packet. It never waits. After Close it does nothing.
func (f *File) Take(c media.Captured) {
	if f.stopped.Load() {
		return
	}
	var p *packet
	select {
	case p = <-f.free:
	default:
		f.dropped.Add(1)
		return
	}
	p.at, p.outgoing, p.rtcp, p.size = c.At, c.Outgoing, c.RTCP, len(c.Head)+len(c.Body)
	keep := p.size
	if t := f.cfg.Truncate; t > 0 {
		keep = min(keep, t)
	}
	n := min(keep, len(c.Head))
	p.data = append(p.data[:0], c.Head[:n]...)
	p.data = append(p.data, c.Body[:keep-n]...)
	f.queue <- p // has room: there are no more packets than places
}

// Close ends the capture and waits until everything taken so far is written. It
// reports the first error of writing.
func (f *File) Close() error {
	if !f.stopped.Swap(true) {
		close(f.stop)
	}
	<-f.done
	return f.err
}

// Written is how many packets were written, Dropped how many were left out
// because the disk is too slow.
func (f *File) Written() uint64 { return f.written.Load() }

// Dropped is described with Written.
func (f *File) Dropped() uint64 { return f.dropped.Load() }

func (f *File) run() {
	defer close(f.done)
	for {
		select {
		case p := <-f.queue:
			f.write(p)
		case <-f.stop:
			f.finish()
			return
		}
		if len(f.queue) == 0 {
			f.flush()
		}
	}
}

// finish writes everything still queued.
func (f *File) finish() {
	for len(f.queue) > 0 {
		f.write(<-f.queue)
	}
	f.flush()
	f.err = errors.Join(f.err, f.file.Close())
}

func (f *File) write(p *packet) {
	switch f.cfg.Format {
	case PCAP:
		f.line = appendRecord(f.line[:0], p)
	case Text:
		f.line = appendLine(f.line[:0], p, f.cfg.Label)
	case Rows:
		f.line = append(f.line[:0], p.data...)
	}
	if _, err := f.out.Write(f.line); err == nil {
		f.written.Add(1)
	}
	f.free <- p
}

// flush makes the written rows visible; bufio keeps the first error.
func (f *File) flush() {
	if err := f.out.Flush(); err != nil && f.err == nil {
		f.err = err
	}
}
