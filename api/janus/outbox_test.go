package janus

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/waittest"
)

// box is an outbox that writes down what it delivers.
func box() (*outbox, func() string) {
	var got []string
	b := &outbox{deliver: func(event Event) { got = append(got, string(event.Bytes())) }}
	return b, func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		text := strings.Join(got, " ")
		got = nil
		return text
	}
}

// TestOutboxOrder has handles reserve, send and release in some orders.
func TestOutboxOrder(t *testing.T) {
	for _, c := range []struct{ name, steps, want string }{
		{"no place", "a1 b1 a2", "a1 b1 a2"},
		{"place in time", "+a a1 -a b1", "a1 b1"},
		{"others wait", "+a b1 b2 a1 -a", "a1 b1 b2"},
		{"what came before does not", "b0 +a b1 a1 a2 -a b2", "b0 a1 a2 b1 b2"},
		{"nothing came of it", "+a b1 -a", "b1"},
		{"two places, filled the other way round", "+a +b c1 b1 -b a1 -a", "a1 b1 c1"},
		{"two places of one handle", "+a b1 +a b2 a1 -a a2 -a", "a1 b1 a2 b2"},
		{"its own second event comes after its first", "b1 +a a1 b2 -a a2", "b1 a1 b2 a2"},
		{"still kept", "+a b1 a1", "a1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, got := box()
			handles := map[byte]*Handle{'a': {}, 'b': {}, 'c': {}}
			places := map[byte][]*place{}
			for _, step := range strings.Fields(c.steps) {
				switch who := step[len(step)-1]; step[0] {
				case '+':
					places[who] = append(places[who], b.reserve(handles[who]))
				case '-':
					places[who][0].Release()
					places[who][0].Release()
					places[who] = places[who][1:]
				default:
					b.put(handles[step[0]], Event{Head: []byte(step)})
				}
			}
			if text := got(); text != c.want {
				t.Errorf("%q became %q, want %q", c.steps, text, c.want)
			}
			for _, list := range places {
				for _, p := range list {
					p.Release()
				}
			}
			if len(b.list) > 0 {
				t.Errorf("%d are left", len(b.list))
			}
		})
	}
}

// TestOutboxDoesNotWaitForever has places that nobody releases.
func TestOutboxDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, got := box()
		first, second := &Handle{}, &Handle{}
		b.reserve(first)
		waittest.Pass(placeHold / 2)
		late := b.reserve(first)
		b.put(second, Event{Head: []byte("x")})
		waittest.Pass(placeHold - time.Millisecond)
		if text := got(); text != "" {
			t.Errorf("got %q while a place is kept", text)
		}
		waittest.Pass(2 * time.Millisecond)
		if text := got(); text != "x" {
			t.Errorf("got %q after the places have lapsed", text)
		}
		late.Release()

		b.reserve(first)
		for i := range maxHeld {
			b.put(second, Event{Head: fmt.Append(nil, i)})
		}
		if n := len(strings.Fields(got())); n != maxHeld {
			t.Errorf("%d events delivered, want %d", n, maxHeld)
		}
	})
}
