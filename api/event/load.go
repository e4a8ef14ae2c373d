package event

import (
	"strings"

	"bifrons/api/config"
)

// Load reads the section general of an event handler's file in a folder into
// dst, a struct that has Settings embedded. Without a file nothing is changed.
// s is those Settings.
func Load(folder, pkg string, dst any, s *Settings) []config.Problem {
	f, problems := config.LoadFile(folder, pkg)
	if g := f.Category("general"); g != nil {
		problems = append(problems, config.Decode(g, dst)...)
	}
	if _, unknown := ParseMask(s.Events); len(unknown) > 0 {
		problems = append(problems, config.Problem{
			File: f.Name, Section: "general", Key: "events", Value: strings.Join(unknown, ","), Warning: true,
			Accepted: "all, none, or some of sessions, handles, jsep, webrtc, media, plugins, transports, core, external",
		})
	}
	return problems
}
