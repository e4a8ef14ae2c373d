package ua

import "strings"

// A request for a key frame by INFO (RFC 5168).
const (
	pictureType = "application/media_control+xml"
	pictureBody = `<?xml version="1.0" encoding="utf-8"?>` + "\r\n" +
		"<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n"
)

// WantsPicture reports whether an INFO asks for a key frame.
func (x *Content) WantsPicture() bool {
	kind, _, _ := strings.Cut(x.Type, ";")
	return strings.EqualFold(strings.TrimSpace(kind), pictureType) && strings.Contains(x.Body, "picture_fast_update")
}

// RequestPicture asks the other side for a key frame by INFO, one at a time, and never again once it has refused. Where a
// request waits for its response, or none can be sent, it does nothing.
func (c *Call) RequestPicture() {
	c.a.e.do("a request for a key frame", func() {
		if c.state != Established || c.noPicture {
			return
		}
		c.noPicture = true // until the response
		c.d.send("INFO", func(m *message) { m.content(pictureType, pictureBody) }, func(m *message) {
			if m.code >= 200 {
				c.noPicture = m.code >= 300
				c.gone(m)
			}
		})
	})
}
