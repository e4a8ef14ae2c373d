package recordplay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bifrons/api/kit"
	"bifrons/api/plugin/recordplay/reader"
	"bifrons/api/schema"
	"bifrons/rtp/mjr"
)

// maxRecordings is how many recordings are known.
const maxRecordings = 32768

// recording is one that there is, or that is being made. But for finished, which the
// plugin's lock guards, it is fixed once it is in the index.
type recording struct {
	info
	codecs   [numMedia]string // "" = not known
	red      bool             // audio is in RED
	finished bool             // it can be listed and played
}

// scan reads the folder: recordings that are new in it are added, those whose .nfo file is
// gone are forgotten. Those that are known stay as they are. It waits for the disk.
func (p *Plugin) scan() error {
	p.scanning.Lock()
	defer p.scanning.Unlock()
	before := p.finished()
	entries, err := os.ReadDir(p.folder)
	if err != nil {
		return err
	}
	known := make(map[int64]bool) // of before, and whether it is there still
	for _, r := range before {
		known[r.id] = false
	}
	log := p.Gateway.Logger()
	for _, entry := range entries {
		name := entry.Name()
		if !strings.EqualFold(filepath.Ext(name), nfoExtension) {
			continue
		}
		n, err := p.readNFO(name)
		if err != nil {
			log.Warn("recording left out", "file", name, "error", err)
			continue
		}
		if _, is := known[n.id]; is {
			known[n.id] = true
			continue
		}
		r := &recording{info: n, finished: true}
		for i := range r.files {
			p.look(r, i)
		}
		if err := p.add(r); err != nil && err.Code != errExists { // it may have been made meanwhile
			log.Warn("recording left out", "file", name, "error", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range before {
		if !known[r.id] {
			p.remove(r)
		}
	}
	return nil
}

// readNFO reads a .nfo file of the folder.
func (p *Plugin) readNFO(name string) (n info, err error) {
	f, err := kit.OpenIn(p.folder, name)
	if err != nil {
		return n, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxNFO+1))
	if err != nil {
		return n, err
	}
	return parseNFO(b)
}

// look reads the codec from a file of a recording.
func (p *Plugin) look(r *recording, medium int) {
	if r.files[medium] == "" {
		return
	}
	h, err := p.header(r.files[medium])
	switch {
	case errors.Is(err, mjr.ErrEmpty):
	case err != nil:
		p.Gateway.Logger().Warn("recording with a file that cannot be read", "id", r.id, "file", r.files[medium], "error", err)
	default:
		r.codecs[medium] = h.Codec
		r.red = r.red || medium == audio && h.RED != 0
	}
}

// header reads the header of a file.
func (p *Plugin) header(file string) (*mjr.Header, error) {
	f, err := kit.OpenIn(p.folder, file+mjrExtension)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return reader.Header(f)
}

// finished are the recordings that can be listed and played, by their ids.
func (p *Plugin) finished() []*recording {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*recording, 0, len(p.recordings))
	for _, r := range p.recordings {
		if r.finished {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *recording) int { return int(min(max(a.id-b.id, -1), 1)) })
	return list
}

// find is a finished recording, nil if there is none.
func (p *Plugin) find(id int64) *recording {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.recordings[id]; r != nil && r.finished {
		return r
	}
	return nil
}

// add adds a recording, unless there is one with its id.
func (p *Plugin) add(r *recording) *schema.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.insert(r)
}

func (p *Plugin) insert(r *recording) *schema.Error {
	switch {
	case p.recordings[r.id] != nil:
		return kit.Errorf(errExists, "Recording %d already exists", r.id)
	case len(p.recordings) >= maxRecordings:
		return kit.Errorf(errUnknown, "Too many recordings")
	}
	p.recordings[r.id] = r
	for _, file := range r.files {
		if key := fileKey(file); file != "" && p.used[key] == 0 {
			p.used[key] = r.id
		}
	}
	return nil
}

// reserve adds a recording that is to be made: with a random id if it has none, and files
// that no other one has. base is what their names begin with, "" = the usual; media are
// those that it has.
func (p *Plugin) reserve(r *recording, base string, media [numMedia]bool) *schema.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for fresh := r.id == 0; fresh; fresh = p.recordings[r.id] != nil {
		r.id, _ = strconv.ParseInt(new(schema.IDs).New(), 10, 64)
	}
	if base == "" {
		base = fmt.Sprint("rec-", r.id)
	}
	for i := range r.files {
		if !media[i] {
			continue
		}
		r.files[i] = base + "-" + mediaNames[i]
		if id := p.used[fileKey(r.files[i])]; id != 0 && p.recordings[r.id] == nil {
			return kit.Errorf(errExists, "Recording %d has a file of that name", id)
		}
	}
	return p.insert(r)
}

// fileKey is the same for all names of one file.
func fileKey(file string) string { return strings.ToLower(path.Clean(file)) }

// remove forgets a recording, with the lock held.
func (p *Plugin) remove(r *recording) {
	if p.recordings[r.id] != r {
		return
	}
	delete(p.recordings, r.id)
	for _, file := range r.files {
		if key := fileKey(file); p.used[key] == r.id {
			delete(p.used, key)
		}
	}
}
