package janus

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"bifrons/sfu"
)

// Errors of StartCapture and StopCapture; others say why there is no file.
var (
	ErrCapturing    = errors.New("janus: a capture is under way")
	ErrNotCapturing = errors.New("janus: no capture is under way")
	ErrProtected    = errors.New("janus: the folder is protected")
)

// StartCapture writes the RTP and RTCP of the handle's peer connections, this
// one and those to come, to a file until StopCapture or the end of the handle.
// The file's folder is made if need be.
func (h *Handle) StartCapture(cfg sfu.CaptureConfig) error {
	if h.capture.Load() != nil {
		return ErrCapturing
	}
	if !h.core.MayWrite(cfg.Path) {
		return ErrProtected
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o755); err != nil {
		return err
	}
	f, err := sfu.OpenCapture(cfg)
	if err != nil {
		return err
	}
	if !h.capture.CompareAndSwap(nil, f) {
		_ = f.Close()
		return ErrCapturing
	}
	if p := h.Peer(); p != nil {
		p.SetCapture(f)
	}
	if h.gone.Load() { // meanwhile: nobody else might stop it
		_ = h.StopCapture()
	}
	return nil
}

// StopCapture ends a capture and waits until the file is written.
func (h *Handle) StopCapture() error {
	f := h.capture.Swap(nil)
	if f == nil {
		return ErrNotCapturing
	}
	if p := h.Peer(); p != nil {
		p.SetCapture(nil)
	}
	if err := f.Close(); err != nil {
		h.log.Warn("capture is incomplete", "file", f.Path(), "error", err)
	}
	if n := f.Dropped(); n > 0 {
		h.log.Warn("capture is incomplete, the disk was too slow", "file", f.Path(), "missing", n)
	}
	return nil
}

// Capture is the capture under way, nil if there is none.
func (h *Handle) Capture() *sfu.Capture { return h.capture.Load() }

// MayWrite reports whether clients may have a file written at path: not inside a
// protected folder, links and ".." resolved.
func (c *Core) MayWrite(path string) bool {
	full, err := resolve(path)
	if err != nil {
		return false
	}
	for _, folder := range c.cfg.ProtectedFolders {
		if f, err := resolve(folder); err == nil {
			folder = f
		}
		if full == folder || strings.HasPrefix(full, strings.TrimSuffix(folder, "/")+"/") {
			return false
		}
	}
	return true
}

var errDangling = errors.New("janus: a link that leads to nothing")

// resolve follows the links in the part of a path that exists.
func resolve(path string) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for at, rest := full, ""; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest), nil
		}
		if _, err := os.Lstat(at); err == nil { // writing would make the file it points to
			return "", errDangling
		}
		if at == filepath.Dir(at) {
			return full, nil
		}
	}
}
