// Command replay plays a capture of RTP through the engine, with virtual time, and
// describes its content and the output for receivers.
//
//	go run ./bench/replay call.pcap             # with call.json beside it, as in testdata/replay
//	go run ./bench/replay -codec 96=H264 call.pcapng
//	go run ./bench/replay -sdp offer.sdp call.pcap
//
// SRTP needs the sender's master key: -srtp PROFILE:KEY. -write makes a
// description of the options.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bifrons/bench/internal/replay"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "replay:", err)
		}
		os.Exit(1)
	}
}

// errUnsound means that the engine did something wrong.
var errUnsound = errors.New("what receivers get is not sound")

func run(args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.StringVar(&o.codecs, "codec", "", "payload types of the sender, such as 96=VP8,111=opus")
	flags.StringVar(&o.sdp, "sdp", "", "session description of the sender, `FILE`")
	flags.StringVar(&o.ridOrder, "rids", "hml", "order of the rids in the session description: hml or lmh")
	flags.BoolVar(&o.svc, "svc", false, "video of the session description is scalable in one stream")
	flags.StringVar(&o.srtp, "srtp", "", "`PROFILE:KEY` of the sender, such as AES128_CM_SHA1_80:base64 of key and salt")
	flags.StringVar(&o.from, "from", "", "`ADDRESS:PORT` of the sender; by itself the first that sends what is known")
	write := flags.String("write", "", "write the description to `FILE`")
	packets := flags.Bool("v", false, "show every packet that receivers get")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: replay [options] CAPTURE.pcap|CAPTURE.pcapng")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return flag.ErrHelp
	}
	d, list, err := o.load(flags.Arg(0))
	if err != nil {
		return err
	}
	if *write != "" {
		if err := os.WriteFile(*write, d.Text(), 0o644); err != nil {
			return err
		}
	}
	r, err := replay.Play(d, list)
	if err != nil {
		return err
	}
	if *packets {
		if _, err := out.Write(r.Golden()); err != nil {
			return err
		}
	}
	if err := r.Summary(out); err != nil {
		return err
	}
	if problems := r.Check(); len(problems) > 0 {
		fmt.Fprintln(out, strings.Join(problems, "\n"))
		return errUnsound
	}
	return nil
}

// options describe the content of a capture without a description.
type options struct {
	codecs, sdp, ridOrder, srtp, from string
	svc                               bool
}

// load reads a description, or a capture for which the options make one.
func (o *options) load(path string) (*replay.Description, []replay.Datagram, error) {
	beside := strings.TrimSuffix(path, filepath.Ext(path)) + ".json"
	if _, err := os.Stat(beside); err == nil && *o == (options{ridOrder: o.ridOrder}) {
		d, err := replay.Load(beside)
		if err != nil {
			return nil, nil, err
		}
		list, err := d.Open()
		return d, list, err
	}
	list, err := replay.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	d := &replay.Description{Capture: filepath.Base(path), From: o.from}
	if o.srtp != "" {
		profile, key, _ := strings.Cut(o.srtp, ":")
		d.SRTP = &replay.SRTP{Profile: profile, Key: key}
	}
	switch {
	case o.sdp != "":
		text, err := os.ReadFile(o.sdp)
		if err != nil {
			return nil, nil, err
		}
		if d.Sections, err = replay.Describe(string(text), o.ridOrder, o.svc, list); err != nil {
			return nil, nil, err
		}
	case o.codecs != "":
		if d.Sections, err = parseCodecs(o.codecs); err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, fmt.Errorf("%s has no description: name its payload types with -codec, or give -sdp.\n%s", path, replay.Overview(list))
	}
	d, err = replay.Parse(d.Text()) // checks it
	return d, list, err
}

// parseCodecs makes one section of each kind of codec.
func parseCodecs(text string) ([]replay.Section, error) {
	byKind := map[string]*replay.Section{}
	var kinds []string
	for part := range strings.SplitSeq(text, ",") {
		number, name, ok := strings.Cut(part, "=")
		pt, err := strconv.ParseUint(number, 10, 7)
		if !ok || err != nil {
			return nil, fmt.Errorf("-codec: %q is not of the form 96=VP8", part)
		}
		kind, clock := "audio", uint32(8000)
		switch strings.ToLower(name) {
		case "vp8", "vp9", "h264", "h265", "av1":
			kind, clock = "video", 90000
		case "opus", "red", "multiopus":
			clock = 48000
		}
		if byKind[kind] == nil {
			byKind[kind] = &replay.Section{Kind: kind}
			kinds = append(kinds, kind)
		}
		s := byKind[kind]
		s.Codecs = append(s.Codecs, replay.Codec{Name: name, Payload: uint8(pt), Clock: clock})
	}
	var list []replay.Section
	for _, k := range kinds {
		list = append(list, *byKind[k])
	}
	return list, nil
}
