package janus

import (
	"strings"
	"testing"

	"bifrons/api/budget"
)

// Requests that wait for a handle have a bound in bytes, all together. Large
// ones leave room for those that calls need.
func TestRequestsAreBounded(t *testing.T) {
	b := budget.New(1 << 20)
	p, cl, ids := attachScript(t, Config{Requests: b})
	cl.message(ids, object{"do": "block"})
	<-p.entered
	large := object{"do": "x", "text": strings.Repeat("x", 100<<10)}
	n := 0
	for ; n < 20; n++ {
		if r := cl.message(ids, large); r["janus"] == "error" {
			wantError(t, r, ErrUnknown, "The server is busy, try again later")
			break
		}
	}
	if n < 5 || n > 9 {
		t.Errorf("%d large requests were queued", n)
	}
	if r := cl.message(ids, object{"do": "x"}); r["janus"] != "ack" {
		t.Errorf("a small request got %v", r)
	}
	close(p.block)
	for range n + 2 {
		cl.event()
	}
	cl.core.Close()
	if n := b.Used(); n != 0 {
		t.Errorf("%d bytes are left over", n)
	}
}
