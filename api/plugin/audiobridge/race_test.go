package audiobridge

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"bifrons/api/plugin/plugintest"
)

// TestChaos: clients come, join, negotiate, move, kick and are kicked, hang up and are
// detached, rooms come and go, all at the same time. In the end nobody is left anywhere.
func TestChaos(t *testing.T) {
	b := newBridge(t, `general: { local_ip = "127.0.0.1", rtp_forward_own_ports = true, rtp_forward_max = 4 }`)
	rnd := rand.New(rand.NewPCG(1, 2))
	var all sync.WaitGroup
	for range 8 {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 3))
		all.Go(func() {
			for range 10 {
				chaos(b, rnd)
			}
		})
	}
	all.Wait()
	b.Settle()
	b.plugin.tasks.Wait()
	for _, r := range b.plugin.rooms.Sorted() {
		r.Lock()
		if len(r.participants)+len(r.members) != 0 {
			t.Errorf("room %s has ghosts: %v", r.id, r.participants)
		}
		r.Unlock()
		b.Admin(`{"request":"destroy","room":` + r.id + `}`)
	}
	if s := b.Engine().Mixing(); s.Parties > 0 {
		t.Logf("parties that are still on their way: %d", s.Parties)
	}
}

// chaos is the life of one client.
func chaos(b *bridge, rnd *rand.Rand) {
	c := b.Attach(plugintest.Options{Deaf: rnd.IntN(2) == 0})
	offer := audioOffer(b.t, "useinbandfec=1")
	requests := []string{
		"{'request':'create','room':R,'allow_rtp_participants':true,'audiolevel_event':true}", "{'request':'create','room':R,'spatial_audio':true,'sampling_rate':48000}",
		"{'request':'join','room':R,'id':I,'display':'x'}", "{'request':'join','room':R,'id':I,'muted':true}", "{'request':'join','room':R}",
		"{'request':'join','room':R,'generate_offer':true}", "{'request':'join','room':R,'rtp':{}}", "{'request':'join','room':R,'rtp':{'ip':'127.0.0.1','port':9},'codec':'pcma'}",
		"{'request':'changeroom','room':R,'id':I}", "{'request':'changeroom','room':R}", "{'request':'configure','muted':true}", "{'request':'configure','volume':5,'quality':1}",
		"{'request':'leave'}", "{'request':'hangup'}", "{'request':'mute','room':R,'id':I}", "{'request':'unmute','room':R,'id':I}", "{'request':'mute_room','room':R}",
		"{'request':'suspend','room':R,'id':I,'pause_events':true}", "{'request':'resume','room':R,'id':I}", "{'request':'kick','room':R,'id':I}", "{'request':'kick_all','room':R}",
		"{'request':'listparticipants','room':R}", "{'request':'list'}", "{'request':'rtp_forward','room':R,'host':'127.0.0.1','port':9}", "{'request':'listforwarders','room':R}",
		"{'request':'resetdecoder'}", "{'request':'allowed','room':R,'action':'enable'}", "{'request':'allowed','room':R,'action':'disable'}",
	}
	for range 20 + rnd.IntN(20) {
		text := requests[rnd.IntN(len(requests))]
		text = strings.NewReplacer("R", fmt.Sprint(1+rnd.IntN(3)), "I", fmt.Sprint(1+rnd.IntN(6)), "'", `"`).Replace(text)
		j := offer
		if rnd.IntN(3) > 0 || !strings.Contains(text, "configure") && !strings.Contains(text, "join") {
			j = nil
		}
		c.Message("t", text, j)
		switch rnd.IntN(20) {
		case 0:
			c.Establish()
		case 1:
			c.Hangup()
		case 2:
			c.Query()
		case 3:
			if a := c.Answer(); a != nil {
				c.Message("t", `{"request":"configure"}`, a)
			}
		case 4:
			c.Message("t", fmt.Sprintf(`{"request":"destroy","room":%d}`, 1+rnd.IntN(3)), nil)
		}
	}
	c.Detach()
}
