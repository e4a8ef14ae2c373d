package audiobridge

import (
	"encoding/binary"
	"sync/atomic"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// tape is the recording of the mix of a room. The room's mu guards everything but the atomics.
type tape struct {
	file   *sfu.Recording // nil while it is not recorded, or the file is being made
	turn   int            // changes with each begin and end
	coming bool           // the file is being made
	people atomic.Bool    // somebody is in the room: without, nothing is recorded
}

// plan reserves a recording: its file, and the work to do without the
// lock. mu is held.
func (r *room) plan() (open func() error) {
	t := &r.tape
	t.turn++
	t.coming = true
	turn, p := t.turn, r.plugin
	path := recording.Path(r.recordDir, r.recordFile)
	if path == "" {
		path = recording.Path(r.recordDir, recording.Base("janus-audioroom", r.id)+".wav")
	}
	x := recording.Wave{Path: path, Rate: r.rate, Channels: 1, Ended: func() {
		p.Events.Notify(p.Nobody(), func(w *json.Writer) {
			w.Str("event", "recordingdone")
			p.ids.Write(w, "room", r.id)
			w.Str("record_file", path)
		})
	}}
	if r.spatial {
		x.Channels = 2
	}
	if p.general.Suffix != "" {
		x.Suffix = "." + p.general.Suffix
	}
	return func() error {
		file, err := x.Start(recording.Owner{Events: &p.Events, Host: p.Nobody()})
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case t.turn != turn: // it has ended meanwhile
			if err == nil {
				file.Close()
			}
			return nil
		case err != nil:
			t.coming, r.record = false, false
			return err
		}
		t.coming, t.file = false, file
		r.listenIn()
		return nil
	}
}

// roll follows who comes and goes: the recording of the mix begins with the first. mu is
// held.
func (r *room) roll() {
	r.tape.people.Store(len(r.members) > 0)
	if !r.record || r.tape.file != nil || r.tape.coming || len(r.members) == 0 {
		return
	}
	open := r.plan()
	r.plugin.tasks.Go(func() { _ = open() }) // the log is told
}

// listenIn gives the mix to the recording, if there are both. room.mu is held.
func (r *room) listenIn() {
	file := r.tape.file
	if r.conf == nil {
		return
	}
	if file == nil {
		r.conf.Record(nil)
		return
	}
	people := &r.tape.people
	var samples []byte // for one frame
	r.conf.Record(func(_ sfu.Time, pcm []int16) {
		if !people.Load() {
			return
		}
		samples = samples[:0]
		for _, x := range pcm {
			samples = binary.LittleEndian.AppendUint16(samples, uint16(x))
		}
		file.Message(0, true, samples)
	})
}

// stopRecording ends the recording of the mix. mu is held.
func (r *room) stopRecording() {
	t := &r.tape
	t.turn++
	t.coming = false
	if t.file == nil {
		return
	}
	file := t.file
	t.file = nil
	r.listenIn()
	file.Close()
}

// enableRecording begins to record the mix, or ends that.
func (p *Plugin) enableRecording(q *kit.Request, w *json.Writer) *schema.Error {
	on := q.Body.Is("record")
	var open func() error
	if err := p.ofAny(q.Body, func(r *room) *schema.Error {
		switch {
		case on == r.record:
		case on:
			for name, to := range map[string]*string{"record_file": &r.recordFile, "record_dir": &r.recordDir} {
				if text, ok := q.Body.Text(name); ok {
					*to = text
				}
			}
			r.record = true
			open = r.plan()
		default:
			r.record = false
			r.stopRecording()
		}
		return nil
	}); err != nil {
		return err
	}
	if open != nil {
		if err := open(); err != nil {
			return errorf(errUnknown, "Recording failed (%v)", err)
		}
	}
	w.Str("audiobridge", "success")
	w.Bool("record", on)
	return nil
}
