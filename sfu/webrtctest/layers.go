package webrtctest

import (
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// layerBase distinguishes the layers' packets by their numbers.
const layerBase = 1 << 32

// addLayers sends video in several encodings, the first one the best.
func (p *Peer) addLayers() {
	p.t.Helper()
	var sender *webrtc.RTPSender
	for i, rid := range p.Options.RIDs {
		s := &Source{Track: p.NewTrack(webrtc.MimeTypeVP8, "video", rid), Size: 100 * (len(p.Options.RIDs) - i)}
		s.Base = uint64(len(p.Options.RIDs)-1-i) * layerBase
		s.Seq, s.Timestamp, s.Picture = uint16(65500+i*111), uint32(i)*1e9, uint16(i*1000)
		p.Layers = append(p.Layers, s)
		if sender == nil {
			var err error
			sender, err = p.PC.AddTrack(s.Track)
			p.Must(err)
		} else {
			p.Must(sender.AddEncoding(s.Track))
		}
	}
	for i, rid := range p.Options.RIDs {
		p.follow(p.Layers[i], func() ([]rtcp.Packet, interceptor.Attributes, error) {
			return sender.ReadSimulcastRTCP(rid)
		})
	}
}

// nameLayers puts mid and rid into the layers' packets, which pion leaves to
// the application.
func (p *Peer) nameLayers() {
	for _, tr := range p.PC.GetTransceivers() {
		if tr.Kind() != webrtc.RTPCodecTypeVideo || tr.Sender() == nil {
			continue
		}
		for _, x := range tr.Sender().GetParameters().HeaderExtensions {
			for i, l := range p.Layers {
				if len(l.Extensions) == 2 {
					continue // named before
				}
				switch x.URI {
				case sdp.SDESMidURI:
					l.Extensions = append(l.Extensions, Extension{uint8(x.ID), tr.Mid()})
				case sdp.SDESRTPStreamIDURI:
					l.Extensions = append(l.Extensions, Extension{uint8(x.ID), p.Options.RIDs[i]})
				}
			}
		}
	}
}
