package plugintest

import (
	"strings"

	"bifrons/api/json"
	"bifrons/api/plugin"
)

// Monkey has clients do what the lines of a text say, for fuzz tests. A line's first byte says whose turn it is, the second one what
// comes with the request, which is the rest: o an offer, a an answer, u and A the same as an update; h hangs the peer connection up before
// it, d detaches instead.
type Monkey struct {
	Core    *Core
	Clients []*Client
	Offer   func() *plugin.JSEP
	Other   func(x *Client, what byte, line string) *plugin.JSEP // what further letters mean; nil = nothing
	Body    func(i int, body string) (changed string, ok bool)   // of client i, false = it is left out; nil = as it is
	After   func(i int)                                          // a request of client i; nil = nothing
}

// Do does it.
func (m *Monkey) Do(text string) {
	gone := make(map[int]bool)
	for _, line := range strings.SplitN(text, "\n", 20) {
		if len(line) < 2 {
			continue
		}
		i := int(line[0]) % len(m.Clients)
		x := m.Clients[i]
		if gone[i] {
			continue
		}
		var j *plugin.JSEP
		switch line[1] {
		case 'd':
			x.Detach()
			gone[i] = true
			continue
		case 'h':
			x.Hangup()
		case 'o', 'u':
			j = m.Offer()
			j.Update = line[1] == 'u'
		case 'a', 'A':
			if j = x.Answer(); j != nil {
				j.Update = line[1] == 'A'
			}
		default:
			if m.Other != nil {
				j = m.Other(x, line[1], line)
			}
		}
		body, ok := line[2:], true
		if m.Body != nil {
			body, ok = m.Body(i, body)
		}
		if ok && isObject(body) {
			x.Message("t", body, j)
		}
		m.Core.Settle()
		if m.After != nil {
			m.After(i)
		}
		x.Query()
	}
}

func isObject(text string) bool {
	d, err := json.Parse([]byte(text))
	if err != nil {
		return false
	}
	defer d.Release()
	return json.IsObject(d.Root())
}
