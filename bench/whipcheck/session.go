package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"time"
)

// each calls f with the clients that are there, the player first: it has nothing without
// the publisher.
func (x *suite) each(f func(name string, c *client)) {
	for _, c := range []*client{&x.player, &x.publisher} {
		if c.peer != nil {
			f(map[bool]string{true: "WHIP", false: "WHEP"}[c == &x.publisher], c)
		}
	}
}

// extensions checks the optional features of players.
func (x *suite) extensions() {
	if x.player.peer == nil {
		return
	}
	events, _ := x.player.made.links("urn:ietf:params:whep:ext:core:server-sent-events")
	if len(events) == 0 {
		x.skip("whep-ext", "WHEP: there are events", "no link")
	} else {
		r := x.do("POST", events[0], `["no-such-event"]`, asJSON)
		x.must("whep-ext", "WHEP: an event that there is not is refused", r.is(400, 4), r)
		r = x.do("POST", events[0], `["active","inactive"]`, asJSON)
		if x.must("whep-ext", "WHEP: one can subscribe to events", r.is(201) && r.location() != "", r) {
			x.must("whep-ext", "WHEP: they come", x.reads(r.location()), "")
			r = x.do("DELETE", r.location(), "")
			x.must("whep-ext", "WHEP: one can unsubscribe", r.is(2), r)
		}
	}
	layer, _ := x.player.made.links("urn:ietf:params:whep:ext:core:layer")
	if len(layer) == 0 {
		x.skip("whep-ext", "WHEP: layers can be chosen", "no link")
		return
	}
	r := x.do("POST", layer[0], `{}`, asJSON)
	x.must("whep-ext", "WHEP: the choice can be left to the server", r.is(2), r)
	r = x.do("POST", layer[0], `nonsense`, asJSON)
	x.must("whep-ext", "WHEP: nonsense is refused", r.is(4), r)
}

// reads reports whether a stream of events has any.
func (x *suite) reads(at string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", at, nil)
	if err != nil {
		return false
	}
	if x.token != "" {
		req.Header.Set("Authorization", "Bearer "+x.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return false
	}
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if strings.HasPrefix(s.Text(), "event:") {
			return true
		}
	}
	return false
}

// restarts checks PATCH: candidates, and restarts of ICE.
func (x *suite) restarts() { x.each(x.patches) }

func (x *suite) patches(name string, c *client) {
	at, tag := c.at(), c.made.Get("ETag")
	pre := x.do("OPTIONS", at, "", noToken, "Origin: https://example.org", "Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: if-match")
	x.must("Fetch", name+": pages may PATCH and DELETE", pre.is(2) && pre.has("Access-Control-Allow-Methods", "PATCH") && pre.has("Access-Control-Allow-Methods", "DELETE"), pre.Header)
	x.must("Fetch", name+": with If-Match", pre.has("Access-Control-Allow-Headers", "if-match"), pre.Get("Access-Control-Allow-Headers"))
	r := x.do("PATCH", at, fragment(c.offer), asFragment, "If-Match: "+tag)
	if r.is(405, 501) {
		x.skip("4.3.1", name+": candidates can be sent later", "PATCH is not supported")
		return
	}
	if x.must("4.3.1", name+": candidates can be sent later", r.is(204), r) {
		x.must("4.3.1", name+": no tag comes with that", r.Get("ETag") == "" || r.Get("ETag") == tag, r.Header)
	}
	r = x.do("PATCH", at, fragment(c.offer), asFragment)
	x.should("4.3.1", name+": clients without If-Match are borne with", r.is(204), r)
	strange := "a=ice-ufrag:" + value(c.offer, "ice-ufrag") + "\r\na=ice-pwd:" + value(c.offer, "ice-pwd") + "\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" +
		"a=candidate:9 1 pigeon 1 example.invalid 9 typ host\r\na=end-of-candidates\r\n"
	r = x.do("PATCH", at, strange, asFragment, "If-Match: "+tag)
	x.must("4.3.1", name+": strange candidates do no harm", r.is(204), r)
	r = x.do("PATCH", at, fragment(c.offer), "Content-Type: text/plain", "If-Match: "+tag)
	x.must("4.3.1", name+": another type is refused", r.is(415, 4), r)
	r = x.do("PATCH", at, "this is no fragment", asFragment, "If-Match: "+tag)
	x.must("4.3.1", name+": garbage is refused", r.is(4), r)
	r = x.do("PATCH", at, fragment(c.offer), asFragment, `If-Match: "another"`)
	x.must("4.3.1", name+": a tag of another session is refused", r.is(412), r)
	if x.token != "" {
		r = x.do("PATCH", at, fragment(c.offer), asFragment, "If-Match: "+tag, noToken)
		x.must("4.5", name+": PATCH needs the token", r.is(401, 403), r)
	}
	x.restart(name, c)
}

// restart restarts ICE.
func (x *suite) restart(name string, c *client) {
	offer, err := c.peer.offer(true)
	if err != nil {
		x.must("4.3.3", name+": the peer restarts", false, err)
		return
	}
	r := x.do("PATCH", c.at(), fragment(offer), asFragment, "If-Match: *")
	if r.is(422, 405, 501) {
		x.skip("4.3.3", name+": ICE can be restarted", "the server does not")
		return
	}
	if !x.must("4.3.3", name+": ICE can be restarted", r.is(200), r) {
		return
	}
	x.must("4.3.3", name+": a fragment answers that", strings.HasPrefix(r.Get("Content-Type"), "application/trickle-ice-sdpfrag"), r.Get("Content-Type"))
	tag := r.Get("ETag")
	x.must("4.3.3", name+": the tag is another one", tag != "" && tag != c.made.Get("ETag"), tag)
	ufrag := value(r.text, "ice-ufrag")
	x.must("4.3.3", name+": so are the credentials", ufrag != "" && ufrag != value(c.answer, "ice-ufrag"), r.text)
	if !x.must("4.3.3", name+": the peer takes them", c.accept(merged(c.answer, r.text)) == nil, r.text) {
		return
	}
	old := x.do("PATCH", c.at(), fragment(offer), asFragment, "If-Match: "+c.made.Get("ETag"))
	x.must("4.3.1", name+": the old tag is refused", old.is(412), old)
	if x.player.peer != nil {
		x.must("4.3.3", name+": media goes on", x.player.more(), r)
	}
}

// ends checks the end of resources.
func (x *suite) ends() {
	x.each(func(name string, c *client) {
		at := c.at()
		if x.token != "" {
			r := x.do("DELETE", at, "", noToken)
			x.must("4.5", name+": DELETE needs the token", r.is(401, 403), r)
		}
		other := x.do("DELETE", at[:len(at)-1]+"_", "")
		x.must("5", name+": another resource's name is nobody's", other.is(4), other)
		r := x.do("DELETE", at, "", `If-Match: "whatever"`)
		x.must("4.2", name+": DELETE ends it, whatever the tag", r.is(2), r)
		r = x.do("DELETE", at, "")
		x.must("4.2", name+": again, that is no failure of the server", r.err == nil && r.status < 500, r)
		r = x.do("PATCH", at, fragment(c.offer), asFragment)
		x.must("4.2", name+": it is gone", r.is(404, 410, 4), r)
		x.must("4.2", name+": the connection ends", c.ends(), c.ConnectionState())
	})
	x.leaves()
}

// leaves closes a peer without a word over HTTP.
func (x *suite) leaves() {
	p, err := newPeer(true)
	if err != nil {
		return
	}
	defer p.close()
	offer, err := p.offer(false)
	if err != nil {
		return
	}
	r := x.do("POST", x.whip, offer, asSDP)
	if !r.is(201) || p.accept(r.text) != nil || !p.connects() {
		x.must("4.2", "WHIP: another client can publish afterwards", false, r)
		return
	}
	x.must("4.2", "WHIP: another client can publish afterwards", true, r)
	p.close()
	gone := until(40*time.Second, func() bool {
		s := x.do("PATCH", r.location(), fragment(offer), asFragment)
		return s.is(404, 410, 405)
	})
	x.should("4.2", "WHIP: a resource ends with its connection", gone, "")
	x.drop(r)
}
