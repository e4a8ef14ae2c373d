package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"bifrons/cmd/bifrons-rec/pcap"
	"bifrons/rtp"
	"bifrons/rtp/mjr"
)

// Lengths of RTP packets, in bytes.
const (
	minRTP = rtp.FixedHeaderLen
	maxRTP = 1500
)

// output is a file that is written. It is there only once something is written to it
// without an error.
type output struct {
	*bufio.Writer
	file *os.File
}

// create makes a file, which must not be an input.
func create(path string, sources ...*os.File) (*output, error) {
	if info, err := os.Stat(path); err == nil {
		for _, s := range sources {
			if i, err := s.Stat(); err == nil && os.SameFile(i, info) {
				return nil, fmt.Errorf("%s is the source itself, name another file", path)
			}
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("cannot create the file: %w", err)
	}
	return &output{bufio.NewWriterSize(f, 256<<10), f}, nil
}

// Close writes the rest and returns the first error of all.
func (o *output) Close() error { return errors.Join(o.Flush(), o.file.Close()) }

// size is the length of a file in bytes, 0 if unknown.
func size(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// tellFile says how large a file has become.
func tellFile(log *logger, path string) {
	if info, err := os.Stat(path); err == nil {
		log.info("%s is %d bytes", path, info.Size())
	}
}

// toPCAP is mjr2pcap.
func (p *program) toPCAP(as string, args []string) int {
	log := p.logger()
	p.banner(p.stdout)
	if len(args) != 2 {
		fmt.Fprintf(p.stdout, "Usage: %s source.mjr destination.pcap\n", as)
		return 1
	}
	source, target := args[0], args[1]
	log.info("%s --> %s", source, target)
	in, err := os.Open(source)
	if err != nil {
		log.err("cannot open the recording: %v", err)
		return 1
	}
	defer in.Close()
	total := size(in)
	log.info("File is %d bytes", total)
	r := mjr.NewReader(in)
	h, err := r.Header()
	switch {
	case err == mjr.ErrEmpty:
		log.warn("%s: nothing was recorded", source)
	case err != nil:
		log.err("%s", explain(source, err))
		return 1
	case h.Type == mjr.Data:
		log.err("%s: a recording of a data channel has no packets for a capture; bifrons-rec pp converts it to .srt", source)
		return 1
	}
	out, err := create(target, in)
	if err != nil {
		log.err("%v", err)
		return 1
	}
	n, err := copyToPCAP(log, r, out, total)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		log.err("%s: %v", target, err)
		return 1
	}
	log.info("Saved %d packets", n)
	tellFile(log, target)
	log.info("Bye!")
	return 0
}

// copyToPCAP writes all packets. An error is one of the output; those of the input end
// it with a warning.
func copyToPCAP(log *logger, r *mjr.Reader, out io.Writer, total int64) (n int, err error) {
	h, _ := r.Header()
	began := time.Now().UnixMicro() // for files that do not say
	if h != nil && r.HasArrival() {
		began = h.First
	}
	buf := pcap.AppendHeader(nil)
	for {
		if _, err := out.Write(buf); err != nil {
			return n, err
		}
		f, err := r.Next()
		if err != nil {
			if err != io.EOF && err != mjr.ErrEmpty {
				log.warn("%s", explain("the recording", err))
			}
			return n, nil
		}
		log.progress(r.Offset(), total)
		buf = buf[:0]
		if len(f.Data) < minRTP || len(f.Data) > maxRTP {
			log.verbose("byte %d: %d bytes are no packet of RTP, skipped", f.Offset, len(f.Data))
			continue
		}
		buf = pcap.AppendUDP(buf, began+int64(f.ArrivalMS)*1000, f.Data)
		n++
	}
}

// pcapOptions are those of pcap2mjr.
type pcapOptions struct {
	codec    string
	ssrc     uint32
	warnings bool
	help     bool
}

func (o *pcapOptions) table() []option {
	return []option{
		{'h', "help", "", "", "show help options", flag(&o.help)},
		{'c', "codec", "CODEC", "", "codec of the packets (e.g. opus, vp8)", text(&o.codec)},
		{'s', "ssrc", "SSRC", "", "SSRC of the packets to save, 0 = that of the first", func(s string) error {
			n, err := strconv.ParseUint(s, 10, 32)
			if err != nil {
				return fmt.Errorf("%q is no SSRC, which is a number of 32 bits", s)
			}
			o.ssrc = uint32(n)
			return nil
		}},
		{'w', "warnings", "", "", "show warnings for skipped packets", flag(&o.warnings)},
	}
}

// fromPCAP is pcap2mjr.
func (p *program) fromPCAP(as string, args []string) int {
	log := p.logger()
	p.banner(p.stdout)
	var o pcapOptions
	rest, err := parseOptions(o.table(), args, p.getenv)
	if err != nil {
		log.err("%v", err)
	}
	if err != nil || o.help || len(rest) != 2 || o.codec == "" {
		fmt.Fprintf(p.stdout, "Usage: %s -c CODEC [options] source.pcap destination.mjr\n", as)
		printOptions(p.stdout, o.table())
		if err == nil && o.help {
			return 0
		}
		return 1
	}
	o.codec = strings.ToLower(o.codec)
	kind := mjr.TypeOf(o.codec)
	switch {
	case kind == mjr.Data:
		log.err("data channels are not supported by this tool")
		return 1
	case kind == 0 || strings.HasPrefix(o.codec, "l16"):
		log.err("unsupported codec %q: it is one of vp8, vp9, h264, av1, h265, opus, multiopus, g711, pcmu, pcma, g722", o.codec)
		return 1
	}
	source, target := rest[0], rest[1]
	log.info("[%s/%d] %s --> %s", o.codec, o.ssrc, source, target)
	if o.ssrc == 0 {
		log.warn("No SSRC provided, will try to autodetect an RTP stream")
	}
	in, err := os.Open(source)
	if err != nil {
		log.err("cannot open the capture: %v", err)
		return 1
	}
	defer in.Close()
	r, err := pcap.NewReader(in)
	if err != nil {
		log.err("%s: %v", source, err)
		return 1
	}
	x := extractor{options: o, log: log, in: r, total: size(in), header: mjr.Header{Type: kind, Codec: o.codec}}
	if !x.begin(source) {
		return 1
	}
	out, err := create(target, in)
	if err != nil {
		log.err("%v", err)
		return 1
	}
	x.out = out
	err = x.run(source)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		log.err("%s: %v", target, err)
		return 1
	}
	log.info("Saved %d out of %d packets", x.saved, x.seen)
	tellFile(log, target)
	log.info("Bye!")
	return 0
}

// extractor takes a stream out of a capture.
type extractor struct {
	options pcapOptions
	log     *logger
	in      *pcap.Reader
	total   int64
	out     io.Writer
	header  mjr.Header

	packet      pcap.Packet // the next, if err is nil
	err         error
	start       int64 // when the first packet was captured
	seen, saved int
	buf         []byte
}

// begin reads the first packet, and reports whether captures of its kind can be read.
func (x *extractor) begin(source string) bool {
	if x.packet, x.err = x.in.Next(); x.err != nil {
		return true
	}
	x.start = x.packet.Micros
	if !pcap.Known(x.packet.Link) {
		x.log.err("%s: unsupported link type %d: it has to be Ethernet (1) or Linux cooked (113, 276)", source, x.packet.Link)
		return false
	}
	return true
}

// run writes the recording. An error is one of the output; those of the input end it with
// a warning.
func (x *extractor) run(source string) error {
	if _, err := x.out.Write(mjr.AppendMagic(nil)); err != nil {
		return err
	}
	for ; x.err == nil; x.packet, x.err = x.in.Next() {
		x.seen++
		x.log.progress(x.packet.Offset, x.total)
		if why := x.take(); why != "" {
			if x.options.warnings {
				x.log.warn("packet %d at byte %d: %s, skipped", x.seen, x.packet.Offset, why)
			}
			continue
		}
		if _, err := x.out.Write(x.buf); err != nil {
			return err
		}
	}
	if x.err != io.EOF {
		x.log.warn("%s: %v; everything before is saved", source, x.err)
	}
	return nil
}

// take lays out a packet in buf, or says why it is left out.
func (x *extractor) take() string {
	if x.packet.Cut {
		return "captured in part only"
	}
	b, ok := x.packet.UDP()
	if !ok {
		return "no UDP datagram"
	}
	if len(b) < minRTP || b[0]>>6 != 2 || b[1]&0x7f >= 64 && b[1]&0x7f < 96 {
		return "no RTP"
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	if x.options.ssrc == 0 && x.saved == 0 && ssrc != 0 {
		x.log.info("Autodetected SSRC %d", ssrc)
		x.options.ssrc = ssrc
	}
	if ssrc != x.options.ssrc {
		return fmt.Sprintf("SSRC %d", ssrc)
	}
	x.buf = x.buf[:0]
	if x.saved == 0 {
		x.header.Created, x.header.First = x.packet.Micros, x.packet.Micros
		x.buf = mjr.AppendHeader(x.buf, &x.header)
	}
	x.saved++
	ms := max(x.packet.Micros-x.start, 0) / 1000
	x.buf = mjr.AppendFrame(x.buf, uint32(ms), b)
	return ""
}

// explain puts an error of a recording in words that name the file.
func explain(name string, err error) string {
	var e *mjr.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("%s: %v", name, strings.TrimPrefix(err.Error(), "mjr: "))
	}
	text := fmt.Sprintf("%s: byte %d: %v", name, e.Offset, e.Err)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	switch {
	case errors.Is(err, mjr.ErrTruncated):
		text += "; everything before is used"
	case errors.Is(err, mjr.ErrDamaged):
		text += "; the rest is used"
	case errors.Is(err, mjr.ErrFormat):
		text += "; recordings of Janus begin with MJR or MEETECHO"
	}
	return text
}
