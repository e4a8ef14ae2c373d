package log

import (
	"os"
	"sync"
)

// File is a file that lines are appended to. Its methods may be called from any goroutine.
type File struct {
	Path string // fixed

	mu   sync.Mutex
	file *os.File // nil before Reopen, and after Close
}

// Reopen opens the file, or opens it again after somebody has moved it away. If that fails
// the old one goes on.
func (f *File) Reopen() error {
	file, err := os.OpenFile(f.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	f.replace(file)
	return nil
}

// Close closes the file; later lines are not in it.
func (f *File) Close() { f.replace(nil) }

func (f *File) replace(file *os.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		_ = f.file.Close()
	}
	f.file = file
}

// Write appends a line, if the file is open.
func (f *File) Write(line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	_, err := f.file.Write(line)
	return err
}
