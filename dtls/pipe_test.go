package dtls

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func TestPipe(t *testing.T) {
	closes := 0
	var sent []byte
	p := &pipeEnd{pipe: newPipe(func(b []byte) { sent = bytes.Clone(b) }, func() { closes++ })}
	for round := range 3 { // wraps the ring
		for i := range pipeLimit {
			if !p.push(bytes.Repeat([]byte{byte(i)}, 30*i)) { // beyond the pooled size too
				t.Fatal("refused", i)
			}
		}
		if p.push([]byte{1}) {
			t.Fatal("more than the limit")
		}
		buf := make([]byte, packetSize)
		for i := range pipeLimit - round {
			n, from, err := p.ReadFrom(buf)
			if err != nil || from == nil || !bytes.Equal(buf[:n], bytes.Repeat([]byte{byte(i)}, 30*i)) {
				t.Fatal(i, n, from, err)
			}
		}
		for range round {
			_, _, _ = p.ReadFrom(buf)
		}
	}
	_ = p.SetReadDeadline(time.Now())
	if _, _, err := p.ReadFrom(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	_ = p.SetReadDeadline(time.Time{})
	p.push([]byte{7})
	if n, _, err := p.ReadFrom(make([]byte, 9)); n != 1 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.WriteTo([]byte{1, 2}, nil); n != 2 || err != nil || !bytes.Equal(sent, []byte{1, 2}) {
		t.Error(n, err, sent)
	}
	_ = p.Close()
	_ = p.Close()
	if closes != 1 {
		t.Error("closed", closes, "times")
	}
	if _, _, err := p.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := p.WriteTo(nil, nil); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if p.push([]byte{1}) {
		t.Error("pushed into a closed pipe")
	}
}

func TestDeliverAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	p := &pipeEnd{pipe: newPipe(func([]byte) {}, func() {})}
	b, buf := rec(applicationData, 1, make([]byte, 200)...), make([]byte, packetSize)
	if n := testing.AllocsPerRun(1000, func() {
		if ok, _ := admit(b, true, true); !ok || !p.push(b) {
			t.Fatal("refused")
		}
		_, _, _ = p.ReadFrom(buf)
	}); n != 0 {
		t.Errorf("%v allocations for a datagram", n)
	}
	for p.push(b) {
	}
	if n := testing.AllocsPerRun(1000, func() { p.push(b) }); n != 0 {
		t.Errorf("%v allocations for a refused datagram", n)
	}
}
