package recording

import "bifrons/sfu"

// Wave is a file of samples that is to be recorded, in the format WAV.
type Wave struct {
	Path     string
	Suffix   string // behind the name until the file is whole, "" = the usual one
	Rate     int    // Hz
	Channels int
	Ended    func() // called when the file is whole; may be nil
}

// Start begins to record samples of 16 bits, little endian and interleaved, that are given to
// the recording as messages. It waits for the file system. The error is for clients, and the
// log and event handlers are told of it.
func (x Wave) Start(who Owner) (*sfu.Recording, error) {
	path, err := place(x.Path, "")
	if err != nil {
		return nil, who.told(x.Path, err)
	}
	file, err := who.record(sfu.RecordConfig{
		Path: path, Suffix: x.Suffix, Format: sfu.WAVFormat(x.Rate, x.Channels),
		Tracks: make([]sfu.RecordTrack, 1), Ended: x.Ended,
	})
	return file, who.told(path, err)
}
