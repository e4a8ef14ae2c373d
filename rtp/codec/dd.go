package codec

// Bounds of a dependency descriptor (AV1 RTP specification, section A.8.2:
// the widths of its fields, and AV1's own bounds for layers).
const (
	MaxTemplates     = 64
	MaxDecodeTargets = 32
	MaxChains        = 32
	MaxDDSpatial     = 4 // spatial layers
	// MaxFdiffs is how many frame differences of a frame are kept.
	MaxFdiffs = 8
)

// DTI is the role of a frame for a decode target (AV1 RTP specification, table A.1).
type DTI uint8

// The decode target indications.
const (
	NotPresent DTI = iota
	Discardable
	Switch
	Required
)

// dependencies are the values that a template holds and a frame may override.
type dependencies struct {
	dtiHi, dtiLo uint32 // one bit a decode target: the two bits of its DTI
	fdiffCount   uint8
	fdiffs       [MaxFdiffs]uint16
	chains       [MaxChains]uint8
}

func (d *dependencies) addFdiff(v uint16) {
	if int(d.fdiffCount) < MaxFdiffs {
		d.fdiffs[d.fdiffCount] = v
	}
	if d.fdiffCount < 255 {
		d.fdiffCount++
	}
}

type template struct {
	spatial, temporal uint8
	deps              dependencies
}

// DDStructure is the template structure of one encoded stream, which the
// stream's key frames carry and the descriptors of later packets point into.
// The zero value knows none yet. It takes about 5 KB and refers to nothing.
type DDStructure struct {
	valid         bool
	from          uint16 // frame number of the frame that brought it
	activeAt      uint16 // frame number that active was last sent with
	active        uint32
	offset        uint8 // template_id_offset
	templateCount uint8
	targets       uint8
	chains        uint8
	maxSpatial    uint8
	maxTemporal   uint8
	resolutions   bool
	width, height [MaxDDSpatial]uint16
	protectedBy   [MaxDecodeTargets]uint8
	layer         [MaxDecodeTargets]targetLayer
	template      [MaxTemplates]template
}

type targetLayer struct{ spatial, temporal int8 }

// Valid says whether a structure was received.
func (s *DDStructure) Valid() bool { return s.valid }

// Targets returns the number of decode targets.
func (s *DDStructure) Targets() int { return int(s.targets) }

// Chains returns the number of chains.
func (s *DDStructure) Chains() int { return int(s.chains) }

// Layers returns how many spatial and temporal layers the templates have.
func (s *DDStructure) Layers() (spatials, temporals int) {
	if !s.valid {
		return 0, 0
	}
	return int(s.maxSpatial) + 1, int(s.maxTemporal) + 1
}

// Active returns the decode targets that the source produces, bit n for
// target n, as last signalled.
func (s *DDStructure) Active() uint32 { return s.active }

// TargetLayer returns the highest layers of the frames of a decode target,
// -1 and -1 when there is no such target or no frame belongs to it.
func (s *DDStructure) TargetLayer(target int) (spatial, temporal int8) {
	if target < 0 || target >= int(s.targets) {
		return -1, -1
	}
	return s.layer[target].spatial, s.layer[target].temporal
}

// Target returns the decode target of exactly these layers, -1 if none.
func (s *DDStructure) Target(spatial, temporal int8) int {
	for t := range s.layer[:s.targets] {
		if s.layer[t] == (targetLayer{spatial, temporal}) {
			return t
		}
	}
	return -1
}

// ProtectedBy returns the chain that protects a decode target, -1 if none.
func (s *DDStructure) ProtectedBy(target int) int {
	if target < 0 || target >= int(s.targets) || s.protectedBy[target] >= s.chains {
		return -1
	}
	return int(s.protectedBy[target])
}

// Resolution returns the picture size of a spatial layer in pixels, capped at
// 65535; 0 and 0 when the structure does not say.
func (s *DDStructure) Resolution(spatial int) (width, height uint16) {
	if !s.resolutions || spatial < 0 || spatial > int(s.maxSpatial) {
		return 0, 0
	}
	return s.width[spatial], s.height[spatial]
}

// DD is the dependency descriptor of one packet.
type DD struct {
	Start, End  bool // first, last packet of the frame
	TemplateID  uint8
	FrameNumber uint16

	// Which optional parts the descriptor carries.
	HasStructure, HasActive                bool
	CustomDTIs, CustomFdiffs, CustomChains bool

	Spatial, Temporal uint8
	// Active is the source's decode targets as of this packet.
	Active        uint32
	Width, Height uint16 // of the frame's spatial layer, 0 = unknown

	activeBit uint16 // where the active bitmask lies in the descriptor
	targets   uint8
	chains    uint8
	deps      dependencies
}

// DTI returns the role of the frame for a decode target.
func (d *DD) DTI(target int) DTI {
	if target < 0 || target >= int(d.targets) {
		return NotPresent
	}
	return DTI(d.deps.dtiHi>>target&1<<1 | d.deps.dtiLo>>target&1)
}

// Present returns the decode targets that the frame belongs to, bit n for
// target n.
func (d *DD) Present() uint32 { return d.deps.dtiHi | d.deps.dtiLo }

// Switchable returns the decode targets that a receiver can take from this
// frame on, once it can decode the frame.
func (d *DD) Switchable() uint32 { return d.deps.dtiHi &^ d.deps.dtiLo }

// Discardable returns the decode targets to which no frame refers to this one.
func (d *DD) Discardable() uint32 { return d.deps.dtiLo &^ d.deps.dtiHi }

// Fdiffs returns how many frames this one refers to and the first MaxFdiffs of
// the differences of their frame numbers to this one's. The slice is d's.
func (d *DD) Fdiffs() (count int, diffs []uint16) {
	return int(d.deps.fdiffCount), d.deps.fdiffs[:min(d.deps.fdiffCount, MaxFdiffs)]
}

// ChainDiff returns the difference of the frame number of the previous frame
// of a chain to this one's, 0 when the chain starts here or does not exist.
func (d *DD) ChainDiff(chain int) uint8 {
	if chain < 0 || chain >= int(d.chains) {
		return 0
	}
	return d.deps.chains[chain]
}

// PutFrameNumber writes a frame number into the descriptor ext, the caller's
// own copy of one that parsed.
func (d *DD) PutFrameNumber(ext []byte, n uint16) {
	if len(ext) >= 3 {
		ext[1], ext[2] = byte(n>>8), byte(n)
	}
}

// PutActive writes the bitmask of active decode targets into ext, the caller's
// own copy of the bytes that d was parsed from, and reports whether ext has that field.
func (d *DD) PutActive(ext []byte, active uint32) bool {
	end := int(d.activeBit) + int(d.targets)
	if !d.HasActive || end > len(ext)*8 {
		return false
	}
	for t := range int(d.targets) {
		at := end - 1 - t
		bit := byte(0x80) >> (at & 7)
		ext[at>>3] &^= bit
		if active>>t&1 != 0 {
			ext[at>>3] |= bit
		}
	}
	return true
}

// DDState is the state of Inspect for one encoded stream with descriptors.
type DDState struct {
	Structure DDStructure
	Frame     DD // of the packet that Inspect saw last
}

// apply overrides info by the descriptor in s.Frame.
func (s *DDState) apply(kind Kind, info *Info) {
	d := &s.Frame
	info.FrameStart, info.FrameEnd = d.Start, d.End
	info.HasSpatial, info.HasTemporal = true, true
	info.Spatial, info.Temporal = int8(d.Spatial), int8(d.Temporal)
	if d.HasStructure {
		spatials, temporals := s.Structure.Layers()
		info.Spatials, info.Temporals = int8(spatials), int8(temporals)
		if d.Width != 0 {
			info.Width, info.Height = d.Width, d.Height
		}
	}
	info.Discardable = d.Present() != 0 && d.Present() == d.Discardable()
	info.SwitchUp = false
	s.applySwitch(info)
	// Where the payload shows key frames it decides: H.264 and H.265 receivers
	// need the parameter sets too.
	if kind == KindAV1 || kind == KindOther {
		info.Keyframe = d.Start && d.HasStructure && d.deps.fdiffCount == 0
	}
	if info.Keyframe {
		info.keyframe()
	}
}

// applySwitch finds the highest temporal layer of the frame's spatial layer
// whose decode target has a switch indication.
func (s *DDState) applySwitch(info *Info) {
	d := &s.Frame
	if !d.Start {
		return
	}
	up := info.Temporal
	for t, mask := 0, d.Switchable()&d.Active; mask != 0; t, mask = t+1, mask>>1 {
		l := s.Structure.layer[t]
		if mask&1 != 0 && l.spatial == info.Spatial && l.temporal > up {
			up = l.temporal
		}
	}
	// The frame itself may need its own layer.
	if up > info.Temporal {
		info.SwitchUp, info.UpFrom, info.UpTo = true, info.Temporal, up
	}
}
