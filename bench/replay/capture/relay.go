package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"bifrons/rtp"
)

// relay passes datagrams between a client and a server on loopback. Of the
// client's media it loses some and holds others back.
type relay struct {
	client, server *net.UDPConn
	running        sync.WaitGroup
	mu             sync.Mutex
	from           netip.AddrPort
}

const (
	lossRate = 0.05
	lateRate = 0.05
	lateBy   = 30 * time.Millisecond
)

// newRelay makes a relay to the server of an answer, and returns the answer with
// the relay's address.
func newRelay(answer string) (*relay, string, error) {
	port := regexp.MustCompile(`(a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1) (\d+)`)
	m := port.FindStringSubmatch(answer)
	if m == nil {
		return nil, "", errors.New("the answer has no candidate on loopback")
	}
	to, _ := strconv.Atoi(m[2])
	server, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to})
	if err != nil {
		return nil, "", err
	}
	client, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		_ = server.Close()
		return nil, "", err
	}
	r := &relay{client: client, server: server}
	r.running.Go(r.up)
	r.running.Go(r.down)
	own := strconv.Itoa(client.LocalAddr().(*net.UDPAddr).Port)
	var lines []string
	for line := range strings.SplitSeq(answer, "\r\n") {
		if strings.HasPrefix(line, "a=candidate:") && !port.MatchString(line) {
			continue // another way
		}
		lines = append(lines, port.ReplaceAllString(line, "$1 "+own))
	}
	return r, strings.Join(lines, "\r\n"), nil
}

func (r *relay) up() {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 2048)
	for {
		n, from, err := r.client.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.from = from
		r.mu.Unlock()
		switch x := random.Float64(); {
		case rtp.Classify(b[:n]) != rtp.ClassRTP:
			_, _ = r.server.Write(b[:n])
		case x < lossRate:
		case x < lossRate+lateRate:
			late := append([]byte(nil), b[:n]...)
			time.AfterFunc(lateBy, func() { _, _ = r.server.Write(late) })
		default:
			_, _ = r.server.Write(b[:n])
		}
	}
}

func (r *relay) down() {
	b := make([]byte, 2048)
	for {
		n, err := r.server.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		r.mu.Lock()
		to := r.from
		r.mu.Unlock()
		if err == nil && to.IsValid() {
			_, _ = r.client.WriteToUDPAddrPort(b[:n], to)
		}
	}
}

func (r *relay) close() {
	_, _ = r.client.Close(), r.server.Close()
	r.running.Wait()
}
