package recording

import "bifrons/api/kit"

// Wanted are the recordings of a participant who says himself whether there are any. A
// lock of the plugin's guards the fields.
type Wanted struct {
	Set
	On   bool   // he is to be recorded
	Base string // prefix of the names of the files, "" = a generated one
}

// Read applies the settings of a request. begin begins to record what is to be recorded and is
// not yet.
func (w *Wanted) Read(body kit.Args, begin func()) {
	if name, ok := body.Text("filename"); ok {
		w.Base = name
	}
	if on, ok := body.Flag("record"); ok {
		w.SetOn(on, begin)
	}
}

// SetOn begins to record, or ends that.
func (w *Wanted) SetOn(on bool, begin func()) {
	if w.On = on; on {
		begin()
	} else {
		w.StopAll(nil)
	}
}
