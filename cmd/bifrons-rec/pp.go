package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bifrons/rtp/mjr"
)

// ppOptions are those of janus-pp-rec.
type ppOptions struct {
	help, version, extensions    bool
	json, extended               bool // print JSON and nothing else
	header, parse                bool
	metadata                     string
	ignoreFirst, payloadType     int
	audioLevel, orientation      int // ids of header extensions, 0 = those of the header
	level                        int
	timestamps, noColors         bool
	format                       string
	faststart                    bool
	skew                         int // ms, 0 = off
	silence                      int // packets, 0 = off
	restamp, restampPackets      int // factor times 1000, 0 = off; length of the average
	restampMin                   int // ms
	ignoreRTP                    bool
	source, target, targetFormat string
}

func (o *ppOptions) table() []option {
	const many = 1 << 30
	return []option{
		{'h', "help", "", "", "show help options", flag(&o.help)},
		{'V', "version", "", "", "print the version", flag(&o.version)},
		{'F', "file-extensions", "", "", "only print the supported target file extensions per codec", flag(&o.extensions)},
		{'j', "json", "", "", "only print the JSON header", flag(&o.json)},
		{'H', "header", "", "", "only parse the .mjr header", flag(&o.header)},
		{'p', "parse", "", "", "only parse and re-order packets", flag(&o.parse)},
		{'e', "extended-json", "", "", "only print an extended JSON report", flag(&o.extended)},
		{'m', "metadata", "TEXT", "JANUS_PPREC_METADATA", "comment in the target file (default: the JSON header)", text(&o.metadata)},
		{'i', "ignore-first", "N", "JANUS_PPREC_IGNOREFIRST", "leave out so many packets at the start", number(&o.ignoreFirst, 0, many)},
		{'P', "payload-type", "PT", "", "take RTP packets of this payload type alone", number(&o.payloadType, -1, 127)},
		{'a', "audiolevel-ext", "ID", "JANUS_PPREC_AUDIOLEVELEXT", "id of the audio level extension", number(&o.audioLevel, -1, 255)},
		{'v', "videoorient-ext", "ID", "JANUS_PPREC_VIDEOORIENTEXT", "id of the video orientation extension", number(&o.orientation, -1, 255)},
		{'d', "debug-level", "0-7", "JANUS_PPREC_DEBUG", "how much to log (default 4)", number(&o.level, 0, 7)},
		{'D', "debug-timestamps", "", "", "time in front of log lines", flag(&o.timestamps)},
		{'o', "disable-colors", "", "", "no colors in the log", flag(&o.noColors)},
		{'f', "format", "EXT", "JANUS_PPREC_FORMAT", "format of the target file, whatever its extension", text(&o.format)},
		{'t', "faststart", "", "", "mp4 only: index at the head of the file", flag(&o.faststart)},
		{'S', "audioskew", "MS", "JANUS_PPREC_AUDIOSKEW", "from how much on audio skew is compensated, 0 = never", number(&o.skew, 0, many)},
		{'C', "silence-distance", "N", "JANUS_PPREC_SILENCE_DISTANCE", "distance of packets that counts as RTP silence suppression, 0 = off", number(&o.silence, 0, many)},
		{'r', "restamp", "N", "JANUS_PPREC_RESTAMP", "correct timestamps of packets later than N/1000 of the average latency, 0 = off", number(&o.restamp, 0, many)},
		{'c', "restamp-packets", "N", "JANUS_PPREC_RESTAMP_PACKETS", "packets of that average (default 10)", number(&o.restampPackets, 1, 1<<16)},
		{'n', "restamp-min-th", "MS", "JANUS_PPREC_RESTAMP_MIN_TH", "latency from which on that is done (default 500)", number(&o.restampMin, 0, many)},
		{'I', "ignore-rtp-ts", "", "", "take the time of arrival for that of the packets", flag(&o.ignoreRTP)},
	}
}

func (o *ppOptions) infoOnly() bool { return o.json || o.extended || o.header || o.parse }

// silent reports whether nothing but JSON may be printed.
func (o *ppOptions) silent() bool { return o.json || o.extended }

func (o *ppOptions) sort() mjr.SortConfig {
	return mjr.SortConfig{IgnoreFirst: o.ignoreFirst, OnlyPayload: o.payloadType >= 0,
		PayloadType: uint8(max(o.payloadType, 0)), IgnoreRTPTime: o.ignoreRTP}
}

// postProcess is janus-pp-rec.
func (p *program) postProcess(as string, args []string) int {
	o := ppOptions{payloadType: -1, level: levelInfo, restampPackets: 10, restampMin: 500}
	rest, err := parseOptions(o.table(), args, p.getenv)
	if err == nil && len(rest) > 2 {
		err = fmt.Errorf("unexpected argument %q", rest[2])
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "%s: %v\nTry --help.\n", as, err)
		return 1
	}
	log := p.logger()
	log.level, log.timestamps, log.colors = o.level, o.timestamps, p.terminal && !o.noColors
	if o.silent() {
		log = &logger{w: p.stderr, level: levelError}
	} else {
		p.banner(p.stdout)
	}
	switch {
	case o.version:
		return 0
	case o.extensions:
		printExtensions(p.stdout)
		return 0
	case o.help || len(rest) == 0 || len(rest) == 1 && !o.infoOnly():
		fmt.Fprintf(p.stdout, "Usage: %s [options] source.mjr [destination.[opus|ogg|mka|wav|webm|mkv|mp4|srt]]\n", as)
		printOptions(p.stdout, o.table())
		fmt.Fprintln(p.stdout)
		printExtensions(p.stdout)
		if o.help {
			return 0
		}
		return 1
	}
	o.source = rest[0]
	if len(rest) == 2 && !o.infoOnly() {
		o.target = rest[1]
	}
	log.info("Logging level: %d\n\nSource file: %s", o.level, o.source)
	if !o.infoOnly() {
		log.info("Target file: %s\n", o.target)
		if o.targetFormat = strings.ToLower(o.format); o.format == "" {
			o.targetFormat = strings.ToLower(strings.TrimPrefix(filepath.Ext(o.target), "."))
		}
		switch {
		case o.targetFormat == "":
			log.err("%s: no extension, so no format: name one in the file's name or with -f", o.target)
			return 1
		case o.faststart && o.targetFormat != "mp4":
			log.err("%s: faststart is for mp4 only, leave out -t", o.target)
			return 1
		}
	}
	w := &work{ppOptions: &o, log: log, out: p.stdout, maxGap: maxGap}
	if err := w.open(); err != nil {
		log.err("%s", explain(o.source, err))
		return 1
	}
	defer w.file.Close()
	if err := w.run(); err != nil {
		log.err("%v", err)
		return 1
	}
	return 0
}

// work is one recording that is worked on.
type work struct {
	*ppOptions
	log    *logger
	out    io.Writer // for the requested output
	file   *os.File
	size   int64 // bytes, 0 if not known
	reader *mjr.Reader
	header *mjr.Header
	empty  bool  // nothing was recorded
	maxGap int64 // seconds of silence that stand for a gap at most
}

// open opens the recording and reads its header.
func (w *work) open() (err error) {
	if w.file, err = os.Open(w.source); err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err
		}
		return fmt.Errorf("cannot open the recording: %w", err)
	}
	w.size = size(w.file)
	w.log.info("File is %d bytes", w.size)
	w.reader = mjr.NewReader(w.file)
	w.header, err = w.reader.Header()
	if err == mjr.ErrEmpty {
		w.empty, w.header = true, &mjr.Header{}
		return nil
	}
	if err != nil {
		w.file.Close()
	}
	return err
}

// run carries out the options.
func (w *work) run() error {
	switch {
	case w.json:
		if w.reader.JSON() == nil && !w.empty {
			return fmt.Errorf("%s: its layout is too old to have a JSON header, try -e", w.source)
		}
		if !w.empty {
			fmt.Fprintf(w.out, "%s\n", w.reader.JSON())
		}
		return nil
	case w.extended:
		return w.report()
	}
	if w.empty {
		w.log.warn("%s: nothing was recorded, there is nothing to do", w.source)
		return nil
	}
	w.printHeader()
	switch {
	case w.ppOptions.header:
		return nil
	case w.parse:
		s, err := w.scan()
		if err != nil {
			return err
		}
		w.printScan(s)
		w.log.info("Parsing and reordering completed, bye!")
		return nil
	}
	return w.convert()
}

func (w *work) printHeader() {
	h := w.header
	kind := map[byte]string{mjr.Audio: "an audio", mjr.Video: "a video", mjr.Data: "a data channel"}[h.Type]
	if w.reader.JSON() == nil {
		w.log.warn("Old .mjr header format")
		w.log.info("This is %s recording, assuming %s", kind, h.Codec)
		return
	}
	w.log.info("This is %s recording:\n  -- Codec:   %s", kind, h.Codec)
	if h.Fmtp != "" {
		w.log.info("  -- Fmtp:    %s", h.Fmtp)
	}
	if h.Description != "" {
		w.log.info("  -- Description: %s", h.Description)
	}
	for _, id := range slices.Sorted(maps.Keys(h.Extensions)) {
		w.log.info("  -- Extension %d: %s", id, h.Extensions[id])
	}
	w.log.info("  -- Created: %d\n  -- Written: %d", h.Created, h.First)
	if h.RED != 0 {
		w.log.info("  -- RED:     %d", h.RED)
	}
	if h.Encrypted {
		w.log.info("  -- Recording is end-to-end encrypted")
	}
}
