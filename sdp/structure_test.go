package sdp

import (
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// structure turns a description's text into the comparable form of the golden
// files. It reads the text on its own, not with Parse, so that it can judge what
// Marshal prints. Keys that start with "~" are soft in the golden files.
func structure(text string) map[string]any {
	type media struct {
		f     []string
		attrs [][2]string
		has   []bool
		c, b  []any
	}
	var sections []*media
	session := map[string]string{}
	out := map[string]any{"bundle": []any{}}
	for line := range strings.FieldsFuncSeq(text, isLineEnd) {
		value := line[2:]
		switch line[0] {
		case 'm':
			sections = append(sections, &media{f: strings.Fields(value)})
			continue
		case 's':
			out["~name"] = value
			continue
		case 'o':
			out["~origin-user"] = strings.Fields(value)[0]
			continue
		}
		key, v, has := strings.Cut(value, ":")
		if len(sections) > 0 {
			m := sections[len(sections)-1]
			switch line[0] {
			case 'a':
				m.attrs, m.has = append(m.attrs, [2]string{key, v}), append(m.has, has)
			case 'c':
				m.c = append(m.c, maskIP(value))
			case 'b':
				m.b = append(m.b, value)
			}
			continue
		}
		if line[0] != 'a' {
			continue
		}
		if _, dup := session[key]; !dup {
			session[key] = v
		}
		if f := strings.Fields(v); key == "group" && f[0] == "BUNDLE" {
			out["bundle"] = anys(f[1:])
		}
	}
	if v, ok := session["msid-semantic"]; ok {
		out["~msid-semantic"] = strings.Join(strings.Fields(v), " ")
	}
	if _, ok := session["ice-lite"]; ok {
		out["ice-lite"] = true
	}
	if _, ok := session["extmap-allow-mixed"]; ok {
		out["~extmap-allow-mixed"] = true
	}
	list := []any{}
	for _, m := range sections {
		s := sectionStructure(m.f, m.attrs, m.has, session)
		s["~c"] = m.c
		if m.b != nil {
			s["bandwidth"] = m.b
		}
		list = append(list, s)
	}
	out["media"] = list
	return out
}

var ip4 = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)

func maskIP(s string) string { return ip4.ReplaceAllString(s, "<ip>") }

func anys(list []string) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

func sortedSet(m map[string]bool) []any {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return anys(keys)
}

// structureKnown are the attributes that have a place of their own or none.
var structureKnown = strings.Fields(`rtpmap fmtp rtcp-fb extmap ssrc ssrc-group rid candidate crypto mid rtcp-mux
	rtcp-rsize setup ice-options ice-ufrag ice-pwd fingerprint msid simulcast sctp-port sctpmap max-message-size
	end-of-candidates rtcp label sendrecv sendonly recvonly inactive`)

func sectionStructure(f []string, attrs [][2]string, has []bool, session map[string]string) map[string]any {
	first := map[string]string{}
	for _, a := range attrs {
		if _, dup := first[a[0]]; !dup {
			first[a[0]] = a[1]
		}
	}
	effective := func(key string) (string, bool) {
		if v, ok := first[key]; ok {
			return v, true
		}
		v, ok := session[key]
		return v, ok
	}
	port := "nonzero"
	if f[1] == "0" {
		port = "zero"
	}
	s := map[string]any{"kind": f[0], "port": port, "proto": f[2], "fmts": anys(f[3:])}
	direction := "(none)"
	for _, a := range attrs {
		if slices.Contains(directionNames[:], a[0]) {
			direction = a[0]
			break
		}
	}
	if f[0] == "application" {
		s["~dir"] = direction
	} else {
		s["dir"] = direction
	}
	for _, key := range []string{"mid", "sctp-port", "sctpmap", "max-message-size", "label"} {
		if v, ok := first[key]; ok {
			s[key] = v
		}
	}
	for _, key := range []string{"rtcp-mux", "rtcp-rsize"} {
		if _, ok := first[key]; ok {
			s[key] = true
		}
	}
	for _, key := range []string{"setup", "ice-options"} {
		if v, ok := effective(key); ok {
			s[key] = v
		}
	}
	_, s["ice-ufrag"] = effective("ice-ufrag")
	_, s["ice-pwd"] = effective("ice-pwd")
	if v, ok := effective("fingerprint"); ok {
		s["fingerprint"] = strings.ToLower(strings.Fields(v)[0])
	}
	for _, key := range []string{"msid", "simulcast"} {
		if v, ok := first[key]; ok {
			s[key] = strings.Join(strings.Fields(v), " ")
		}
	}
	_, s["~end-of-candidates"] = effective("end-of-candidates")
	structureLists(s, attrs, has)
	return s
}

func structureLists(s map[string]any, attrs [][2]string, has []bool) {
	codecs, extmap := map[string]any{}, map[string]any{}
	codec := func(pt string) map[string]any {
		if codecs[pt] == nil {
			codecs[pt] = map[string]any{}
		}
		return codecs[pt].(map[string]any)
	}
	ssrcs, ssrcAttrs, kinds := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var groups, rids, other []string
	for i, a := range attrs {
		head, rest, _ := strings.Cut(a[1], " ")
		switch a[0] {
		case "rtpmap":
			codec(head)["rtpmap"] = rest
		case "fmtp":
			params := map[string]any{}
			for p := range strings.SplitSeq(rest, ";") {
				k, v, ok := strings.Cut(strings.TrimSpace(p), "=")
				if !ok {
					k, v = "", k
				}
				params[k] = v
			}
			codec(head)["fmtp"] = params
		case "rtcp-fb":
			list, _ := codec(head)["rtcp-fb"].([]any)
			list = append(list, rest)
			sort.Slice(list, func(i, j int) bool { return list[i].(string) < list[j].(string) })
			codec(head)["rtcp-fb"] = list
		case "extmap":
			extmap[rest] = head
		case "ssrc":
			ssrcs[head], ssrcAttrs[rest] = true, true
		case "ssrc-group":
			f := strings.Fields(a[1])
			groups = append(groups, f[0]+" x"+strconv.Itoa(len(f)-1))
		case "rid":
			rids = append(rids, a[1])
		case "candidate":
			f := strings.Fields(a[1])
			kinds[strings.ToLower(f[2])+" "+f[7]] = true
		default:
			if !slices.Contains(structureKnown, a[0]) {
				if has[i] {
					other = append(other, a[0]+":"+maskIP(a[1]))
				} else {
					other = append(other, a[0])
				}
			}
		}
	}
	if len(codecs) > 0 {
		s["codecs"] = codecs
	}
	if len(extmap) > 0 {
		s["extmap"] = extmap
	}
	if rids != nil {
		s["rids"] = anys(rids)
	}
	if s["has-candidates"] = len(kinds) > 0; len(kinds) > 0 {
		s["~candidate-kinds"] = sortedSet(kinds)
	}
	if len(ssrcs) > 0 {
		s["~ssrc"] = map[string]any{"count": float64(len(ssrcs)), "attrs": sortedSet(ssrcAttrs)}
	}
	if groups != nil {
		s["~ssrc-groups"] = anys(groups)
	}
	if other != nil {
		sort.Strings(other)
		s["~other"] = anys(other)
	}
}
