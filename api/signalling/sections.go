package signalling

import (
	"slices"

	"bifrons/sdp"
	"bifrons/sfu/media"
)

// sections describes for the engine the sections that both sides agree
// on. A section that is only offered so far is there, but carries nothing.
// e.mu is held.
func (c *Connection) sections(local, remote *sdp.Description, o *Options) []media.Section {
	list := make([]media.Section, 0, len(local.Sections))
	for i := range local.Sections {
		n, ok := sdp.Negotiate(local, remote, i)
		s := media.Section{Index: i, MID: local.Sections[i].MID, Kind: kindOf(local.Sections[i].Kind)}
		own := c.source(i)
		s.SSRC = own.SSRC
		if !ok || n.Kind != sdp.Audio && n.Kind != sdp.Video {
			list = append(list, s)
			continue
		}
		s.Receive = n.Direction.Receives()
		s.Send = n.Direction.Sends()
		s.Encrypted = c.encrypts
		for k := range n.Codecs {
			addCodec(&s, &n.Codecs[k])
		}
		if s.Kind == media.Video {
			s.RTXSSRC = own.RTXSSRC
		}
		for _, e := range n.Extensions {
			setExtension(&s.Ext, e)
		}
		if s.Receive {
			addEncodings(&s, remote, i, o)
		}
		list = append(list, s)
	}
	return list
}

func kindOf(k sdp.Kind) media.Kind {
	switch k {
	case sdp.Audio:
		return media.Audio
	case sdp.Video:
		return media.Video
	}
	return media.Data
}

func addCodec(s *media.Section, c *sdp.Codec) {
	s.Codecs = append(s.Codecs, media.Codec{
		Name: media.ParseCodecName(c.Name), PayloadType: c.PT, RTX: c.RTX, ClockRate: uint32(c.Clock),
	})
	s.NACK = s.NACK || c.HasFeedback(sdp.FeedbackNACK)
	s.PLI = s.PLI || c.HasFeedback(sdp.FeedbackPLI)
	s.FIR = s.FIR || c.HasFeedback(sdp.FeedbackFIR)
	s.REMB = s.REMB || c.HasFeedback(sdp.FeedbackREMB)
	s.TransportCC = s.TransportCC || c.HasFeedback(sdp.FeedbackTransportCC)
}

func setExtension(ids *media.ExtensionIDs, e sdp.Extension) {
	switch e.URI {
	case sdp.URIMID:
		ids.MID = e.ID
	case sdp.URIRID:
		ids.RID = e.ID
	case sdp.URIRepairedRID:
		ids.RepairedRID = e.ID
	case sdp.URIAudioLevel:
		ids.AudioLevel = e.ID
	case sdp.URIVideoOrientation:
		ids.VideoOrientation = e.ID
	case sdp.URIAbsSendTime:
		ids.AbsSendTime = e.ID
	case sdp.URITransportCC:
		ids.TransportSequence = e.ID
	case sdp.URIPlayoutDelay:
		ids.PlayoutDelay = e.ID
	case sdp.URIDependencyDescriptor:
		ids.DependencyDescriptor = e.ID
	case sdp.URIAbsCaptureTime:
		ids.AbsCaptureTime = e.ID
	case sdp.URIVideoLayers:
		ids.VideoLayers = e.ID
	}
}

// addEncodings adds the encodings that the client sends in a section, lowest first.
func addEncodings(s *media.Section, remote *sdp.Description, i int, o *Options) {
	if sim, ok := remote.Simulcast(i, o.RIDOrder); ok {
		s.Simulcast = true
		for _, rid := range sim.RIDs {
			s.Encodings = append(s.Encodings, media.Encoding{RID: rid})
		}
		for _, src := range sim.Sources {
			s.Encodings = append(s.Encodings, media.Encoding{SSRC: src.SSRC, RTXSSRC: src.RTX})
		}
		s.Encodings = s.Encodings[:min(len(s.Encodings), media.MaxEncodings)]
		return
	}
	var e media.Encoding
	if src := remote.Sections[i].Sources(); len(src) > 0 {
		e.SSRC, e.RTXSSRC = src[0].SSRC, src[0].RTX
	}
	s.Encodings = []media.Encoding{e}
	s.SVC = slices.Contains(o.Scalable, i)
}
