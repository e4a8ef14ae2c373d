package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

const (
	watchedIdle  = 2000            // sessions
	watchedEvery = 2 * time.Second // the page asks
	watchedPairs = 4               // of times without and with the page
)

// watched measures the CPU time of the server without and with a page that asks for the
// overview and for a room, in turn: first while nobody sends, then while all do. What it
// shows has to agree with handle_info.
func watched(ctx context.Context, b *bench, s server.Spec, w *workload) (r report.Result, err error) {
	err = b.on(ctx, s, func(sc *setup) error {
		load := peer.NewLoad(sc.hub, w.media.media)
		defer load.Close()
		if err := w.publishers(sc, load); err != nil {
			return err
		}
		if err := w.receive(sc, load); err != nil {
			return err
		}
		page := &dashboard{url: sc.process.Admin}
		if _, err := page.ask(ctx, "set_session_timeout", "", map[string]any{"timeout": 0}); err != nil {
			return err
		}
		api := &dashboard{url: sc.process.HTTP}
		job := func() error {
			s, err := api.ask(sc.patient, "create", "", nil)
			if err == nil {
				_, err = api.ask(sc.patient, "attach", fmt.Sprintf("/%d", s.Data.ID), map[string]any{"plugin": "janus.plugin.echotest"})
			}
			return err
		}
		if err := parallel(dialers, slices.Repeat([]func() error{job}, watchedIdle)); err != nil {
			return err
		}
		if r, err = b.looked(ctx, sc, page, "at rest"); err != nil {
			return err
		}
		load.Start(ctx)
		if err := sleep(ctx, b.warmUp); err != nil {
			return err
		}
		if err := page.agrees(ctx, w); err != nil {
			return err
		}
		busy, err := b.looked(ctx, sc, page, "with media")
		r.Note += "; " + busy.Note
		r.CPU, r.Seconds, r.Idle, r.RSS = r.CPU+busy.CPU, r.Seconds+busy.Seconds, min(r.Idle, busy.Idle), busy.RSS
		r.N, r.SRTP = w.receivers()+watchedIdle, w.profile
		fmt.Fprintf(b.progress, "%-15s %-8s %s\n", w.name, s.Name, r.Note)
		return err
	})
	return r, err
}

// looked measures times without and with the page.
func (b *bench) looked(ctx context.Context, sc *setup, page *dashboard, what string) (r report.Result, err error) {
	var shares [2][]float64 // of one core
	for i := range 2 * watchedPairs {
		with := i % 2
		m, err := sc.meter()
		if err != nil {
			return r, err
		}
		for end := time.Now().Add(b.length()); time.Now().Before(end); {
			next := time.Now().Add(watchedEvery)
			if with == 1 {
				if err := page.poll(ctx); err != nil {
					return r, err
				}
			}
			if err := sleep(ctx, min(time.Until(next), time.Until(end))); err != nil {
				return r, err
			}
		}
		one, err := m.result()
		if err != nil {
			return r, err
		}
		shares[with] = append(shares[with], one.CPU/one.Seconds)
		r.CPU, r.Seconds, r.RSS = r.CPU+one.CPU, r.Seconds+one.Seconds, one.RSS
		if i == 0 || one.Idle < r.Idle {
			r.Idle = one.Idle
		}
	}
	without, with := median(shares[0]), median(shares[1])
	r.Note = fmt.Sprintf("%s: %.2f %% of a core without the page, %.2f %% with it: %.2f %% more", what, 100*without, 100*with, 100*(with-without))
	return r, nil
}

func median(list []float64) float64 {
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// dashboard asks as the page does.
type dashboard struct {
	url   string
	after uint64 // incidents that are known
}

type watchedRow struct {
	Session uint64 `json:"session_id"`
	Handle  uint64 `json:"handle_id"`
	In, Out uint64
	State   string
}

type watchedAnswer struct {
	Janus    string
	Error    json.RawMessage
	Data     struct{ ID uint64 }
	Overview struct {
		Sums struct {
			Sessions, Connections int
			Stages                map[string]int
			In, Out               uint64
		}
		Groups struct {
			Total int
			List  []struct {
				Plugin, Kind, Room string
				Connections        int
			}
		}
		LastIncident uint64 `json:"last_incident"`
	}
	Connections struct {
		Total int
		List  []watchedRow
	}
	Info struct {
		WebRTC struct {
			Media map[string]struct {
				Stats struct {
					In, Out struct {
						Bytes uint64 `json:"bytes_lastsec"`
					}
				}
			}
		}
	}
}

func (d *dashboard) ask(ctx context.Context, verb, about string, more map[string]any) (a watchedAnswer, err error) {
	body := map[string]any{"janus": verb, "transaction": "x", "admin_secret": server.AdminSecret}
	for k, v := range more {
		body[k] = v
	}
	text, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+about, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	if err = json.NewDecoder(res.Body).Decode(&a); err == nil && a.Janus != "success" {
		err = fmt.Errorf("%s: %s", verb, a.Error)
	}
	return a, err
}

// poll makes the requests that the page makes every two seconds while it shows a room.
func (d *dashboard) poll(ctx context.Context) error {
	a, err := d.ask(ctx, "overview", "", map[string]any{"rooms": 25, "connections": 25, "after": d.after})
	if err != nil {
		return err
	}
	d.after = a.Overview.LastIncident
	_, err = d.ask(ctx, "list_connections", "", map[string]any{"plugin": "janus.plugin.videoroom", "kind": "room", "room": "1", "limit": 100})
	return err
}

// agrees compares the overview with the load, and a room with handle_info.
func (d *dashboard) agrees(ctx context.Context, w *workload) error {
	a, err := d.ask(ctx, "overview", "", map[string]any{"rooms": 500})
	if err != nil {
		return err
	}
	peers := w.rooms * 2 * w.media.publishers
	if s := a.Overview.Sums; s.Sessions < watchedIdle || s.Connections != peers || s.Stages["up"] != peers || a.Overview.Groups.Total != w.rooms {
		return fmt.Errorf("the overview shows %+v and %d rooms", s, a.Overview.Groups.Total)
	}
	g := a.Overview.Groups.List[0]
	if a, err = d.ask(ctx, "list_connections", "", map[string]any{"plugin": g.Plugin, "kind": g.Kind, "room": g.Room}); err != nil {
		return err
	}
	if n := len(a.Connections.List); n != 2*w.media.publishers || n != g.Connections {
		return fmt.Errorf("%d connections in a room, which has %d", n, g.Connections)
	}
	for _, row := range a.Connections.List {
		a, err := d.ask(ctx, "handle_info", fmt.Sprintf("/%d/%d", row.Session, row.Handle), nil)
		if err != nil {
			return err
		}
		var in, out uint64
		for _, m := range a.Info.WebRTC.Media {
			in, out = in+8*m.Stats.In.Bytes, out+8*m.Stats.Out.Bytes
		}
		// It is another second, of a steady stream.
		if !near(in, row.In) || !near(out, row.Out) || row.State != "up" || in+out == 0 {
			return fmt.Errorf("%+v; handle_info: %d and %d bit/s", row, in, out)
		}
	}
	return nil
}

func near(a, b uint64) bool { return max(a, b)-min(a, b) <= max(a, b)/10 }
