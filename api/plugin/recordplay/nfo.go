package recordplay

import (
	"errors"
	"strconv"
	"strings"

	"bifrons/api/config"
)

// Media of a recording, which each have a file.
const (
	audio = iota
	video
	data
	numMedia
)

// mediaNames are the names of media in .nfo files, requests and file names.
var mediaNames = [numMedia]string{"audio", "video", "data"}

// info is the content of a .nfo file about a recording.
type info struct {
	id      int64 // above 0
	name    string
	private bool
	date    string           // local time
	files   [numMedia]string // without extension, from the folder; "" = there is none
}

const (
	nfoExtension = ".nfo"
	mjrExtension = ".mjr"
	// maxNFO is how long a .nfo file may be, in bytes.
	maxNFO = 64 << 10
	// dateLayout is that of the date in a .nfo file.
	dateLayout = "2006-01-02 15:04:05"
)

// parseNFO reads a .nfo file: of a file of the older form of configuration the first
// category, whose name is the id.
func parseNFO(b []byte) (n info, err error) {
	if len(b) > maxNFO {
		return n, errors.New("it is too long")
	}
	f, err := config.Parse("nfo", b, nil)
	if err != nil {
		return n, err
	}
	for g := range f.Entries() {
		return readNFO(g)
	}
	return n, errors.New("there is no recording in it")
}

func readNFO(g *config.Group) (n info, err error) {
	if n.id, err = strconv.ParseInt(strings.TrimSpace(g.Name), 10, 64); err != nil || n.id <= 0 {
		return n, errors.New("its category is not the number of a recording")
	}
	text := func(name string) string { return strings.ToValidUTF8(g.String(name), "\ufffd") }
	n.name, n.date = text("name"), text("date")
	if n.name == "" || n.date == "" {
		return n, errors.New("name or date is missing")
	}
	n.private = true // a file without that is from times when nothing was private, or made by hand
	if word := text("private"); word != "" {
		n.private = isTrue(word)
	}
	for i := range n.files {
		n.files[i] = strings.TrimSuffix(text(mediaNames[i]), mjrExtension)
	}
	if n.files[audio] == "" && n.files[video] == "" {
		return n, errors.New("there is neither audio nor video")
	}
	return n, nil
}

// isTrue reports whether a word of a configuration file means yes.
func isTrue(word string) bool {
	switch strings.ToLower(word) {
	case "true", "yes", "1":
		return true
	}
	return false
}

// appendNFO appends the .nfo file.
func appendNFO(dst []byte, n *info) []byte {
	line := func(name, value string) {
		dst = append(dst, name+" = "...)
		dst = append(dst, strings.ReplaceAll(value, ";", `\;`)...)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, '[')
	dst = strconv.AppendInt(dst, n.id, 10)
	dst = append(dst, "]\r\n"...)
	line("name", n.name)
	line("private", strconv.FormatBool(n.private))
	line("date", n.date)
	for i, file := range n.files {
		if file != "" {
			line(mediaNames[i], file+mjrExtension)
		}
	}
	return dst
}

// oneLine makes a text that a .nfo file can have: without line breaks and the like, or
// blanks at its ends.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd")))
}
