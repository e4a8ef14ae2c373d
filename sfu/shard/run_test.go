package shard

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/sfu/peer"
)

// unlucky is a socket that fails now and then.
type unlucky struct {
	errs   chan error // what RecvBatch returns next
	wake   chan struct{}
	closed atomic.Bool
}

func (u *unlucky) RecvBatch([]netio.Message, time.Time) (int, error) {
	select {
	case err := <-u.errs:
		return 0, err
	case <-u.wake:
		return 0, nil
	}
}
func (u *unlucky) SendBatch([]netio.Message) (int, error) { return 0, nil }
func (u *unlucky) Moderate(time.Duration)                 {}
func (u *unlucky) Wake() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}
func (u *unlucky) Close() error { u.closed.Store(true); return nil }

// TestRunSurvivesSocketErrors: only a closed socket ends the loop.
func TestRunSurvivesSocketErrors(t *testing.T) {
	u := &unlucky{errs: make(chan error, 2), wake: make(chan struct{}, 1)}
	s := New(Config{Socket: u, Options: &peer.Options{}, Logger: quiet})
	u.errs <- syscall.ENOMEM
	u.errs <- syscall.ENOBUFS
	over := make(chan struct{})
	go func() { s.Run(); close(over) }()
	for range 3 {
		if !s.Call(func(mono.Time) {}) {
			t.Fatal("the loop has ended")
		}
	}
	u.errs <- net.ErrClosed
	<-over
	if !u.closed.Load() || s.Call(func(mono.Time) {}) {
		t.Error("the loop has not ended")
	}
}
