package textroom

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"bifrons/api/plugin/plugintest"
)

// TestOrder: what many say at the same time, everybody hears in the same order, and a
// request is answered behind what it has brought about.
func TestOrder(t *testing.T) {
	hs := newService(t, "room-1: { history = 1000 }")
	const many, messages = 8, 30
	var clients []*client
	for i := range many {
		g := hs.client()
		g.say(say("join", fmt.Sprintf("'room':1,'username':'%d'", i)))
		clients = append(clients, g)
	}
	for _, g := range clients {
		g.heard()
	}
	var all sync.WaitGroup
	for i, g := range clients {
		all.Go(func() {
			for n := range messages {
				name := "message"
				if n%7 == 6 {
					name = "announcement"
				}
				g.Data(dataLabel, "", false, []byte(quoted(fmt.Sprintf("{'textroom':'%s','transaction':'%d-%d','room':1,'text':'%[2]d-%d'}", name, i, n))))
			}
		})
	}
	all.Wait()
	late := hs.client()
	var first []string
	for i, g := range append(clients, late) {
		text := g.heard()
		if g == late {
			text = g.say(say("join", "'room':1,'username':'late'"))
		}
		var order []string
		for line := range strings.SplitSeq(text, "\n") {
			_, said, ok := strings.Cut(line, "'text':'")
			if said, _, _ = strings.Cut(said, "'"); ok {
				order = append(order, said)
			} else if _, tx, ok := strings.Cut(line, "'transaction':'"); ok && g != late {
				if tx, _, _ = strings.Cut(tx, "'"); !strings.HasPrefix(tx, fmt.Sprint(i, "-")) || !strings.Contains(strings.Join(order, " ")+" ", tx+" ") {
					t.Errorf("%d is answered to %s before it hears it", i, tx)
				}
			}
		}
		if i == 0 {
			first = order
			if len(first) != many*messages {
				t.Fatalf("%d messages", len(first))
			}
		} else if fmt.Sprint(order) != fmt.Sprint(first) {
			t.Errorf("another order:\n%v\n%v", order, first)
		}
	}
}

// TestChaos: clients come, join, talk, kick and are kicked, hang up and are detached,
// rooms come and go, all at the same time. In the end nobody is left anywhere.
func TestChaos(t *testing.T) {
	hs := newService(t, "# empty\n")
	back := newReceiver(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	var all sync.WaitGroup
	for w := range 8 {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 3))
		all.Go(func() {
			for range 12 {
				chaos(hs, rnd, fmt.Sprint("u", w), back.url)
			}
		})
	}
	all.Wait()
	hs.core.Settle()
	hs.plugin.tasks.Wait()
	g := hs.client()
	for _, r := range hs.plugin.rooms.Sorted() {
		r.Lock()
		if len(r.members)+len(r.names)+len(r.everybody) != 0 {
			t.Errorf("room %s has ghosts: %v", r.id, r.names)
		}
		r.Unlock()
		g.ask("{'request':'destroy','permanent':true,'room':" + r.id + "}")
	}
	if n := hs.plugin.stored.held.Load(); n != 0 {
		t.Errorf("%d bytes are remembered", n)
	}
	if text := hs.file(); text != "# empty\n" {
		t.Errorf("the file:\n%s", text)
	}
	hs.core.Replace(New(""))
}

// chaos is the life of one client.
func chaos(hs *service, rnd *rand.Rand, name, url string) {
	c := hs.core.Attach(plugintest.Options{})
	do := func(text string) {
		body := quoted(strings.ReplaceAll(strings.ReplaceAll(text, "R", fmt.Sprint(1+rnd.IntN(3))), "NAME", name))
		if rnd.IntN(3) > 0 {
			c.Data(dataLabel, "", false, []byte(body))
		} else {
			c.Message("t", strings.Replace(body, "textroom", "request", 1), nil)
		}
	}
	c.Message("t", `{"request":"setup"}`, nil)
	c.Settle()
	if a := c.Answer(); a != nil {
		c.Message("t", `{"request":"ack"}`, a)
	}
	requests := []string{
		say("create", "'room':R,'history':5,'post':'"+url+"/x'"),
		say("create", "'room':R,'permanent':true"),
		say("join", "'room':R,'username':'NAME'"),
		say("join", "'room':R,'username':'NAME'"),
		say("join", "'room':R,'username':'NAME'"),
		say("message", "'room':R,'text':'x'"),
		say("message", "'room':R,'text':'x','tos':['u1','u2','u3']"),
		say("announcement", "'room':R,'text':'x'"),
		say("leave", "'room':R"),
		say("kick", "'room':R,'username':'u1'"),
		say("edit", "'room':R,'new_description':'NAME','permanent':true"),
		say("allowed", "'room':R,'action':'add','allowed':['a']"),
		say("list", ""), say("listparticipants", "'room':R"),
	}
	for range 20 + rnd.IntN(20) {
		do(requests[rnd.IntN(len(requests))])
		if rnd.IntN(40) == 0 {
			do(say("destroy", "'room':R,'permanent':true"))
		}
	}
	var late sync.WaitGroup
	late.Go(func() { // the channel's messages come from elsewhere
		for range 5 {
			c.Data(dataLabel, "", false, []byte(quoted(say("join", "'room':1,'username':'"+name+"'"))))
		}
	})
	if rnd.IntN(2) == 0 {
		c.Hangup()
	}
	c.Detach()
	late.Wait()
	c.Data(dataLabel, "", false, []byte(quoted(say("join", "'room':2,'username':'"+name+"'"))))
}
