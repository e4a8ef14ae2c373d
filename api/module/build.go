package module

import "runtime/debug"

// Version is the release of bifrons, or the one that comes next.
const Version = "0.1.0"

// commit and built are given to the linker by the Makefile (-X), as the go command may be
// told to leave them out (-buildvcs=false) and finds no repository in a container.
var commit, built string

// Build returns the commit that the binary was built from and the commit's time, as far as
// they are known: "not-a-git-repo", as Janus has it, and "unknown" otherwise.
func Build() (revision, when string) {
	revision, when = "not-a-git-repo", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				revision = s.Value
			case "vcs.time":
				when = s.Value
			}
		}
	}
	if commit != "" {
		revision = commit
	}
	if built != "" {
		when = built
	}
	return revision, when
}
