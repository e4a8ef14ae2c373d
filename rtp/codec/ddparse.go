package codec

// ddLate is within how many frame numbers before a structure's own frame a
// descriptor counts as late, and so must not take the structure's place.
const ddLate = 256

// Parse reads the dependency descriptor ext (AV1 RTP specification, A.8.2)
// into d. A template structure in it takes the place of the one in s, unless
// it came late; s stays as it was on an error. It returns ErrShort,
// ErrSyntax or ErrNoStructure, and then only Start, End, TemplateID and
// FrameNumber of d mean something, after ErrShort perhaps not even they.
//
//	start(1) end(1) template_id(6) frame_number(16)            always
//	structure? active? dtis? fdiffs? chains?  each (1)         if longer than 3
//	[structure] [active] [frame dtis] [frame fdiffs] [frame chains]
func (s *DDStructure) Parse(ext []byte, d *DD) error {
	*d = DD{}
	if len(ext) < 3 {
		return ErrShort
	}
	d.Start, d.End, d.TemplateID = ext[0]&0x80 != 0, ext[0]&0x40 != 0, ext[0]&0x3f
	d.FrameNumber = uint16(ext[1])<<8 | uint16(ext[2])
	if len(ext) == 3 {
		if !s.valid {
			return ErrNoStructure
		}
		d.Active = s.active
		return s.frame(nil, d)
	}
	r := bitReader{data: ext, pos: 24}
	flags := r.bits(5)
	hasStructure, hasActive := flags&16 != 0, flags&8 != 0
	d.CustomDTIs, d.CustomFdiffs, d.CustomChains = flags&4 != 0, flags&2 != 0, flags&1 != 0
	if hasStructure {
		return s.parseNew(&r, hasActive, d)
	}
	if !s.valid {
		return ErrNoStructure
	}
	d.Active = s.active
	if hasActive {
		d.readActive(&r, s.targets)
	}
	if err := s.frame(&r, d); err != nil {
		return err
	}
	if hasActive {
		s.setActive(d)
	}
	return nil
}

// parseNew reads the rest of a descriptor that brings a structure.
func (s *DDStructure) parseNew(r *bitReader, hasActive bool, d *DD) error {
	var n DDStructure
	if err := n.parse(r); err != nil {
		return err
	}
	n.valid, n.from, n.activeAt = true, d.FrameNumber, d.FrameNumber
	n.active = uint32(1)<<n.targets - 1
	d.Active = n.active
	if hasActive {
		d.readActive(r, n.targets)
		n.active = d.Active
	}
	if err := n.frame(r, d); err != nil {
		return err
	}
	d.HasStructure = true
	if late := s.from - d.FrameNumber; !s.valid || late == 0 || late >= ddLate {
		*s = n
	}
	return nil
}

func (d *DD) readActive(r *bitReader, targets uint8) {
	d.HasActive, d.activeBit, d.targets = true, uint16(r.pos), targets
	d.Active = r.bits(int(targets))
}

// setActive adopts d's bitmask unless a later frame had one.
func (s *DDStructure) setActive(d *DD) {
	if late := s.activeAt - d.FrameNumber; late == 0 || late >= ddLate {
		s.active, s.activeAt = d.Active, d.FrameNumber
	}
}

// frame is frame_dependency_definition; a nil r stands for a descriptor
// without extended fields.
func (s *DDStructure) frame(r *bitReader, d *DD) error {
	index := (d.TemplateID - s.offset) & (MaxTemplates - 1)
	if index >= s.templateCount {
		return ErrNoStructure
	}
	t := &s.template[index]
	d.Spatial, d.Temporal, d.deps = t.spatial, t.temporal, t.deps
	d.targets, d.chains = s.targets, s.chains
	d.Width, d.Height = s.Resolution(int(t.spatial))
	if r == nil {
		return nil
	}
	if d.CustomDTIs {
		d.deps.readDTIs(r, s.targets)
	}
	if d.CustomFdiffs {
		d.deps.fdiffCount = 0
		for size := r.bits(2); size != 0; size = r.bits(2) {
			d.deps.addFdiff(uint16(r.bits(4*int(size))) + 1)
		}
	}
	if d.CustomChains {
		for c := range d.deps.chains[:s.chains] {
			d.deps.chains[c] = uint8(r.bits(8))
		}
	}
	if r.over {
		return ErrShort
	}
	return nil
}

func (d *dependencies) readDTIs(r *bitReader, targets uint8) {
	d.dtiHi, d.dtiLo = 0, 0
	for t := range int(targets) {
		v := r.bits(2)
		d.dtiHi |= v >> 1 << t
		d.dtiLo |= v & 1 << t
	}
}

// parse is template_dependency_structure.
func (s *DDStructure) parse(r *bitReader) error {
	s.offset = uint8(r.bits(6))
	s.targets = uint8(r.bits(5)) + 1
	if err := s.parseLayers(r); err != nil {
		return err
	}
	templates := s.template[:s.templateCount]
	for i := range templates {
		templates[i].deps.readDTIs(r, s.targets)
	}
	for i := range templates {
		for r.flag() {
			templates[i].deps.addFdiff(uint16(r.bits(4)) + 1)
		}
	}
	s.parseChains(r)
	if s.resolutions = r.flag(); s.resolutions {
		for i := range int(s.maxSpatial) + 1 {
			s.width[i] = uint16(min(r.bits(16)+1, 0xffff))
			s.height[i] = uint16(min(r.bits(16)+1, 0xffff))
		}
	}
	if r.over {
		return ErrShort
	}
	s.findLayers()
	return nil
}

// parseLayers is template_layers.
func (s *DDStructure) parseLayers(r *bitReader) error {
	var spatial, temporal uint8
	for next := uint32(0); next != 3; {
		if int(s.templateCount) == MaxTemplates || spatial >= MaxDDSpatial || temporal > MaxTemporal {
			return ErrSyntax
		}
		t := &s.template[s.templateCount]
		t.spatial, t.temporal = spatial, temporal
		s.templateCount++
		s.maxTemporal = max(s.maxTemporal, temporal)
		s.maxSpatial = spatial
		switch next = r.bits(2); next {
		case 1:
			temporal++
		case 2:
			temporal = 0
			spatial++
		}
	}
	return nil
}

// parseChains is template_chains.
func (s *DDStructure) parseChains(r *bitReader) {
	s.chains = uint8(r.ns(uint32(s.targets) + 1))
	if s.chains == 0 {
		return
	}
	for t := range s.protectedBy[:s.targets] {
		s.protectedBy[t] = uint8(r.ns(uint32(s.chains)))
	}
	for i := range s.template[:s.templateCount] {
		for c := range int(s.chains) {
			s.template[i].deps.chains[c] = uint8(r.bits(4))
		}
	}
}

// findLayers derives each decode target's layers from the templates of the
// frames that belong to it.
func (s *DDStructure) findLayers() {
	for t := range s.layer[:s.targets] {
		l := targetLayer{-1, -1}
		for i := range s.template[:s.templateCount] {
			tp := &s.template[i]
			if (tp.deps.dtiHi|tp.deps.dtiLo)>>t&1 != 0 {
				l.spatial = max(l.spatial, int8(tp.spatial))
				l.temporal = max(l.temporal, int8(tp.temporal))
			}
		}
		s.layer[t] = l
	}
}
