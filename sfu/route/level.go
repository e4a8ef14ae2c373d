package route

// LevelMeter averages the audio levels of a stream (RFC 6464).
type LevelMeter struct {
	Window int // packets with a level in one mean, 0 = off

	count, sum int
}

// Hear takes the level of one packet, if it has any. At the end of a window it
// returns the mean in -dBov: 0 is the loudest, 127 silence.
func (m *LevelMeter) Hear(x *Extensions) (mean float64, ok bool) {
	if m.Window <= 0 || !x.HasAudioLevel {
		return 0, false
	}
	m.count++
	m.sum += int(x.AudioLevel & 0x7f)
	if m.count < m.Window {
		return 0, false
	}
	mean = float64(m.sum) / float64(m.count)
	m.count, m.sum = 0, 0
	return mean, true
}
