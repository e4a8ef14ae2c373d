package main

import (
	"strings"

	"github.com/pion/sdp/v3"
)

// endpoints checks the answers that need no session.
func (x *suite) endpoints() {
	for _, e := range []struct{ name, at, ref string }{{"WHIP", x.whip, "RFC 9725"}, {"WHEP", x.whep, "whep"}} {
		pre := x.do("OPTIONS", e.at, "", noToken, "Origin: https://example.org", "Access-Control-Request-Method: POST",
			"Access-Control-Request-Headers: authorization,content-type")
		x.must("4.2 "+e.ref, e.name+": a pre-flight needs no token", pre.is(2), pre)
		x.must("Fetch", e.name+": pages of other origins may connect", pre.Get("Access-Control-Allow-Origin") != "", pre.Header)
		x.must("Fetch", e.name+": they may POST", pre.has("Access-Control-Allow-Methods", "POST"), pre.Get("Access-Control-Allow-Methods"))
		x.must("Fetch", e.name+": with type and token", pre.has("Access-Control-Allow-Headers", "content-type") && pre.has("Access-Control-Allow-Headers", "authorization"),
			pre.Get("Access-Control-Allow-Headers"))
		o := x.do("OPTIONS", e.at, "")
		x.must("4.2 "+e.ref, e.name+": OPTIONS is answered", o.is(2), o)
		x.should("4.2 "+e.ref, e.name+": OPTIONS says what POST takes", o.has("Accept-Post", "application/sdp"), o.Header)
		get := x.do("GET", e.at, "")
		x.should("4.2 "+e.ref, e.name+": GET is no error", get.is(2), get)
		head := x.do("HEAD", e.at, "")
		x.must("4.2 "+e.ref, e.name+": HEAD does not fail", head.err == nil && head.status < 500, head)
		if e.name == "WHEP" {
			x.should("whep", "WHEP: HEAD tells players that this is one", head.is(200) && strings.HasPrefix(head.Get("Content-Type"), "application/sdp"), head.Header)
		}
	}
}

// refused checks requests that have to be refused.
func (x *suite) refused() {
	for _, e := range []struct{ name, at string }{{"WHIP", x.whip}, {"WHEP", x.whep}} {
		put := x.do("PUT", e.at, "x", asSDP)
		x.must("HTTP", e.name+": PUT is refused", put.is(4), put)
		x.refusals(e.name, e.at)
		if x.token != "" {
			x.tokens(e.name, e.at)
		}
	}
}

// refusals checks bodies that are no offer.
func (x *suite) refusals(name, at string) {
	offer := x.madeUp(name == "WHIP")
	for _, c := range []struct {
		what, text string
		fields     []string
		want       []int
	}{
		{"another type", offer, []string{"Content-Type: text/plain"}, []int{415, 4}},
		{"no body", "", []string{asSDP}, []int{4}},
		{"garbage", "this is no offer", []string{asSDP}, []int{4}},
		{"half an offer", offer[:strings.Index(offer, "\nm=video")+1], []string{asSDP}, []int{4}},
		{"no transport", without(offer, "a=ice-", "a=fingerprint", "a=setup"), []string{asSDP}, []int{4}},
		{"the other direction", strings.NewReplacer("a=sendonly", "a=recvonly", "a=recvonly", "a=sendonly").Replace(offer), []string{asSDP}, []int{4}},
	} {
		r := x.do("POST", at, c.text, c.fields...)
		x.must("4.2", name+": POST of "+c.what+" is refused", r.is(c.want...), r)
		x.drop(r)
	}
	twice := offer + secondVideo(offer)
	r := x.do("POST", at, strings.Replace(twice, "BUNDLE 0 1", "BUNDLE 0 1 2", 1), asSDP)
	x.must("4.4", name+": a second video section does no harm", r.err == nil && r.status < 500, r)
	x.drop(r)
	far := x.do("POST", at+"-that-nobody-has-made", offer, asSDP)
	x.should("4.2", name+": another endpoint is not found", far.is(404, 401, 403, 4), far)
	x.drop(far)
}

// drop ends the resource of a POST that should not have made one, or that is of no use.
func (x *suite) drop(r reply) {
	if r.is(2, 406) && r.location() != "" {
		x.do("DELETE", r.location(), "")
	}
}

// secondVideo is another video section, like the last one.
func secondVideo(offer string) string {
	at := strings.LastIndex(offer, "\nm=video")
	if at < 0 {
		return ""
	}
	return strings.ReplaceAll(without(offer[at+1:], "a=candidate", "a=end-of-candidates", "a=ssrc", "a=msid"), "a=mid:1", "a=mid:2")
}

// tokens checks that one is needed.
func (x *suite) tokens(name, at string) {
	offer := x.madeUp(name == "WHIP")
	r := x.do("POST", at, offer, asSDP, noToken)
	x.must("4.5", name+": without a token POST is unauthorized", r.is(401), r)
	x.must("RFC 6750", name+": it says that a bearer token is needed", strings.HasPrefix(strings.ToLower(r.Get("WWW-Authenticate")), "bearer"), r.Header)
	x.should("Fetch", name+": pages can read that", r.Get("Access-Control-Allow-Origin") != "", r.Header)
	r = x.do("POST", at, offer, asSDP, "Authorization: Bearer "+x.token+"x")
	x.must("4.5", name+": another token is refused", r.is(401, 403), r)
}

// madeUp is an offer of a peer that will not come.
func (x *suite) madeUp(publishes bool) string {
	p, err := newPeer(publishes)
	if err != nil {
		return ""
	}
	defer p.close()
	offer, err := p.offer(false)
	if err != nil {
		return ""
	}
	return offer
}

// publishing publishes and stays.
func (x *suite) publishing() {
	if x.idle != "" {
		r := x.do("POST", x.idle, x.madeUp(false), asSDP)
		x.must("whep", "WHEP: nobody publishes: that is told", r.is(4), r)
		x.should("whep", "WHEP: and when to try again", r.Get("Retry-After") != "", r.Header)
		x.drop(r)
	}
	x.publisher = x.open("WHIP", x.whip, true)
}

// watching watches the published media.
func (x *suite) watching() {
	x.player = x.open("WHEP", x.whep, false)
	if x.player.peer == nil {
		return
	}
	x.must("whep", "WHEP: sound and pictures arrive", x.player.more(), x.player.video.Load())
}

// open makes a resource and checks everything in the response.
func (x *suite) open(name, at string, publishes bool) (c client) {
	p, err := newPeer(publishes)
	if err != nil {
		x.must("", name+": a peer", false, err)
		return c
	}
	defer func() {
		if c.peer == nil {
			p.close()
		}
	}()
	offer, err := p.offer(false)
	if err != nil {
		x.must("", name+": an offer", false, err)
		return c
	}
	r := x.do("POST", at, offer, asSDP+"; charset=utf-8", "Origin: https://example.org")
	if !x.must("4.2", name+": the type of an offer may have parameters", r.is(201), r) {
		x.drop(r)
		r = x.do("POST", at, offer, asSDP, "Origin: https://example.org")
	}
	if !x.must("4.2", name+": an offer is answered with 201", r.is(201), r) {
		return c
	}
	x.must("4.2", name+": the answer has its type", strings.HasPrefix(r.Get("Content-Type"), "application/sdp"), r.Get("Content-Type"))
	x.must("4.2", name+": it says where the resource is", r.location() != "", r.Header)
	x.should("5", name+": nobody can guess that", unguessable(r.location()), r.location())
	tag := r.Get("ETag")
	x.must("4.3.1", name+": there is a strong entity tag", len(tag) > 2 && tag[0] == '"' && strings.HasSuffix(tag, `"`), tag)
	x.should("4.3.1", name+": PATCH takes fragments", r.has("Accept-Patch", "application/trickle-ice-sdpfrag"), r.Header)
	x.must("Fetch", name+": pages may read where it is", r.has("Access-Control-Expose-Headers", "Location"), r.Get("Access-Control-Expose-Headers"))
	x.should("Fetch", name+": and the tag and the links", r.has("Access-Control-Expose-Headers", "ETag") && r.has("Access-Control-Expose-Headers", "Link"),
		r.Get("Access-Control-Expose-Headers"))
	if _, ice := r.links("ice-server"); len(ice) > 0 {
		x.must("4.6", name+": ICE servers have URLs", strings.HasPrefix(ice[0], "<stun") || strings.HasPrefix(ice[0], "<turn"), ice[0])
	} else {
		x.skip("4.6", name+": ICE servers have URLs", "none are told")
	}
	x.describe(name, offer, r.text, publishes)
	if err := p.accept(r.text); !x.must("4.4", name+": a peer takes the answer", err == nil, err) {
		return c
	}
	if !x.must("4.4", name+": the connection comes up", p.connects(), p.ConnectionState()) {
		return c
	}
	return client{p, offer, r, r.text}
}

// unguessable reports whether the last part of a path could be a random number of 96 bits.
func unguessable(at string) bool {
	return len(at[strings.LastIndexByte(at, '/')+1:]) >= 16
}

// describe looks at an answer.
func (x *suite) describe(name, offer, answer string, publishes bool) {
	var o, a sdp.SessionDescription
	if err := a.UnmarshalString(answer); !x.must("4.4", name+": the answer can be read", err == nil, err) || o.UnmarshalString(offer) != nil {
		return
	}
	if !x.must("RFC 3264", name+": it has as many sections", len(a.MediaDescriptions) == len(o.MediaDescriptions), len(a.MediaDescriptions)) {
		return
	}
	kinds, mids, directions, mux, setup := true, true, true, true, true
	want := "sendonly"
	if publishes {
		want = "recvonly"
	}
	for i, m := range a.MediaDescriptions {
		kinds = kinds && m.MediaName.Media == o.MediaDescriptions[i].MediaName.Media
		if m.MediaName.Port.Value == 0 {
			continue
		}
		mid, _ := m.Attribute("mid")
		offered, _ := o.MediaDescriptions[i].Attribute("mid")
		mids = mids && mid == offered
		_, is := m.Attribute(want)
		directions = directions && is
		_, muxed := m.Attribute("rtcp-mux")
		mux = mux && muxed
		role, _ := m.Attribute("setup")
		if role == "" {
			role, _ = a.Attribute("setup")
		}
		setup = setup && (role == "active" || role == "passive")
	}
	x.must("RFC 3264", name+": of the same kinds", kinds, answer)
	x.must("RFC 8843", name+": with the same mids", mids, answer)
	x.must("4.4", name+": media goes one way", directions, answer)
	x.must("4.4.1", name+": RTCP shares the transport", mux, answer)
	x.must("RFC 8842", name+": the DTLS role is chosen", setup, answer)
	group, _ := a.Attribute("group")
	x.must("4.4.1", name+": all is bundled", strings.HasPrefix(group, "BUNDLE "), group)
	x.must("RFC 8839", name+": it has ICE credentials", value(answer, "ice-ufrag") != "" && value(answer, "ice-pwd") != "", answer)
	x.must("RFC 8122", name+": it has a fingerprint", value(answer, "fingerprint") != "", answer)
	x.must("4.3", name+": it has all candidates", value(answer, "candidate") != "", answer)
}

// odd tries offers that some clients send.
func (x *suite) odd() {
	for _, c := range []struct {
		what string
		edit func(string) string
		want []int
	}{
		{"the active role", func(s string) string { return strings.ReplaceAll(s, "a=setup:actpass", "a=setup:active") }, []int{201}},
		{"lines that nobody knows", func(s string) string { return strings.Replace(s, "t=0 0\r\n", "t=0 0\r\na=x-nobody:knows\r\n", 1) }, []int{201}},
		{"no candidates", func(s string) string { return without(s, "a=candidate", "a=end-of-candidates") }, []int{201}},
		{"both directions", func(s string) string { return strings.ReplaceAll(s, "a=sendonly", "a=sendrecv") }, []int{201}},
		{"video alone", func(s string) string { return alone(s, "video") }, []int{201}},
		{"simulcast", simulcast, []int{201}},
	} {
		r := x.do("POST", x.whip, c.edit(x.madeUp(true)), asSDP)
		x.must("4.4", "WHIP: an offer with "+c.what+" is taken", r.is(c.want...), r)
		switch {
		case c.what == "the active role":
			x.must("RFC 8842", "WHIP: the answer to it is passive", value(r.text, "setup") == "passive", value(r.text, "setup"))
		case c.what == "simulcast" && strings.Contains(r.text, "a=simulcast:"):
			x.must("RFC 8853", "WHIP: simulcast is received", strings.Contains(r.text, "a=simulcast:recv"), r.text)
		case c.what == "simulcast":
			x.skip("RFC 8853", "WHIP: simulcast is received", "the server takes none")
		}
		x.drop(r)
	}
}

// alone is an offer of one kind of media only.
func alone(offer, kind string) string {
	head, _, _ := strings.Cut(offer, "\nm=")
	at := strings.Index(offer, "\nm="+kind)
	section, _, _ := strings.Cut(offer[at+1:], "\nm=")
	mid := value(section, "mid")
	return without(head+"\n", "a=group") + "a=group:BUNDLE " + mid + "\r\n" + section
}

// simulcast makes the video of an offer one in three encodings.
func simulcast(offer string) string {
	lines := "a=rid:h send\r\na=rid:m send\r\na=rid:l send\r\na=simulcast:send h;m;l\r\n"
	for i, uri := range []string{"urn:ietf:params:rtp-hdrext:sdes:mid", "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"} {
		if !strings.Contains(offer, uri) {
			lines = "a=extmap:" + string(rune('8'+i)) + " " + uri + "\r\n" + lines
		}
	}
	at := strings.Index(offer, "\nm=video") + 1
	return offer[:at] + without(offer[at:], "a=ssrc") + lines
}
