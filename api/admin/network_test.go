package admin

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/pion/stun/v3"

	"bifrons/api/janus"
)

// stunServer answers binding requests as answer makes it; nil stays silent.
func stunServer(t *testing.T, answer func(request *stun.Message, from *net.UDPAddr) *stun.Message) (port string) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFromUDP(buf)
			if err != nil {
				return
			}
			request := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
			if request.Decode() != nil {
				continue
			}
			if m := answer(request, from); m != nil {
				_, _ = c.WriteToUDP([]byte("not for you"), from)
				_, _ = c.WriteToUDP(m.Raw, from)
			}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port)
}

func build(t *testing.T, request *stun.Message, with ...stun.Setter) *stun.Message {
	t.Helper()
	return stun.MustBuild(append([]stun.Setter{stun.NewTransactionIDSetter(request.TransactionID)}, with...)...)
}

func TestSTUN(t *testing.T) {
	r := newRig(t, nil)
	ask := func(port, more string) object {
		t.Helper()
		got := r.ask(`"janus":"test_stun","address":"127.0.0.1","port":` + port + more)
		if e, ok := got["elapsed"].(float64); got["janus"] == "success" && (!ok || e <= 0) {
			t.Errorf("elapsed %v", got["elapsed"])
		}
		delete(got, "elapsed")
		return got
	}
	seen := 0
	port := stunServer(t, func(m *stun.Message, from *net.UDPAddr) *stun.Message {
		if seen++; seen == 1 {
			return nil // lost
		}
		return build(t, m, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 7), Port: from.Port})
	})
	local, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	free := local.LocalAddr().(*net.UDPAddr).Port
	local.Close()
	r.check("a lost request", ask(port, fmt.Sprintf(`,"localport":%d`, free)),
		fmt.Sprintf(`{"janus":"success","public_ip":"203.0.113.7","public_port":%d}`, free))

	port = stunServer(t, func(m *stun.Message, from *net.UDPAddr) *stun.Message {
		return build(t, m, stun.BindingSuccess, &stun.MappedAddress{IP: net.IPv4(203, 0, 113, 8), Port: 9})
	})
	r.check("an old server", ask(port, ""), `{"janus":"success","public_ip":"203.0.113.8","public_port":9}`)

	port = stunServer(t, func(m *stun.Message, _ *net.UDPAddr) *stun.Message { return build(t, m, stun.BindingSuccess) })
	r.check("no address", ask(port, ""), failure(490, "Could not resolve public address"))

	port = stunServer(t, func(m *stun.Message, _ *net.UDPAddr) *stun.Message {
		return build(t, m, stun.BindingError, stun.CodeBadRequest)
	})
	r.check("an error", ask(port, ""), failure(490, "Could not resolve public address"))

	r.check("nobody there", ask(strconv.Itoa(free), ""), failure(490, "STUN request failed"))
	r.check("port in use", ask(port, `,"localport":`+port), failure(490, "STUN request failed"))
}

// TestCloseEndsRequests closes the Admin while a request waits for an answer.
func TestCloseEndsRequests(t *testing.T) {
	r := newRig(t, nil)
	asked := make(chan struct{}, 100)
	port := stunServer(t, func(*stun.Message, *net.UDPAddr) *stun.Message {
		asked <- struct{}{}
		return nil
	})
	answers := make(chan []byte, 1)
	r.core.Handle(r, janus.Request{Admin: true, Body: []byte(
		`{"janus":"test_stun","transaction":"t","admin_secret":"` + secret + `","address":"127.0.0.1","port":` + port + `}`)},
		func(msg []byte) { answers <- msg })
	<-asked
	r.admin.Close()
	select {
	case msg := <-answers:
		r.check("after Close", r.decode(msg), failure(490, "STUN request failed"))
	default:
		t.Error("Close did not wait for the answer")
	}
	r.check("too late", r.ask(`"janus":"resolve_address","address":"127.0.0.1"`), failure(490, "Could not resolve address"))
}

func TestResolveAddress(t *testing.T) {
	r := newRig(t, nil)
	for address, want := range map[string]string{"localhost": "127.0.0.1", "192.0.2.5": "192.0.2.5", "2001:DB8::1": "2001:db8::1"} {
		got := r.ask(`"janus":"resolve_address","address":"` + address + `"`)
		if _, ok := got["elapsed"].(float64); !ok {
			t.Errorf("%v", got)
		}
		delete(got, "elapsed")
		r.check(address, got, `{"ip":"`+want+`","janus":"success"}`)
	}
}

func TestLoops(t *testing.T) {
	r := newRig(t, func(c *janus.Config) { c.EventLoops = 2 })
	session, handle := r.session()
	r.offer(session, handle)
	got := r.ask(`"janus":"loops_info"`)
	loops, _ := got["loops"].([]any)
	sum := 0.0
	for i, l := range loops {
		o := l.(object)
		if o["id"] != float64(i) {
			t.Errorf("loop %d is %v", i, o)
		}
		sum += o["handles"].(float64)
	}
	if len(loops) != 2 || sum != 1 {
		t.Errorf("%v", got)
	}
}
