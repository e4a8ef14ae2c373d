package plain

// PreloadSteps is how often Preload is called for a packet.
const PreloadSteps = 3

// Preload reads ahead, in steps, the memory that HandleRTP needs for a packet of a track; see
// route.Preloader.
func (s *Source) Preload(step, track int) uint64 {
	if step == 0 {
		return uint64(s.reporter)
	}
	if track < 0 || track >= len(s.tracks) {
		return 0
	}
	t := s.tracks[track]
	if step == 1 {
		return uint64(t.Kind) + uint64(t.lanes[0].key) + uint64(t.last)
	}
	return t.out.Preload()
}
