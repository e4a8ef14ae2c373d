package sdp

import (
	"fmt"
	"strconv"
	"strings"
)

// Crypto is an a=crypto line with one key (RFC 4568, 9.1).
type Crypto struct {
	Tag   int    // 1 to 999999999
	Suite string // "AES_CM_128_HMAC_SHA1_80"
	Key   string // base64 of master key and salt
}

// String is the value of the attribute.
func (c Crypto) String() string {
	return strconv.Itoa(c.Tag) + " " + c.Suite + " inline:" + c.Key
}

// ParseCrypto reads the value of an a=crypto attribute (RFC 4568, 9.2). The lifetime of
// the key is not kept, nor is advice to the receiver. It is an error if the line
// asks for something unsupported: several keys, an MKI, and session parameters that change how
// packets are protected (RFC 4568, 6.3).
func ParseCrypto(value string) (c Crypto, err error) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return c, fmt.Errorf("tag, suite and key are missing")
	}
	tag, err := strconv.ParseUint(f[0], 10, 31)
	if err != nil || tag == 0 || len(f[0]) > 9 {
		return c, fmt.Errorf("the tag %.20q is no number of 1 to 9 digits", f[0])
	}
	for _, p := range f[3:] {
		if err := checkSessionParameter(p); err != nil {
			return c, err
		}
	}
	key, err := parseKeyParameter(f[2])
	if err != nil {
		return c, err
	}
	return Crypto{int(tag), f[1], key}, nil
}

// checkSessionParameter reports whether a session parameter can be ignored.
func checkSessionParameter(p string) error {
	name, value, _ := strings.Cut(p, "=")
	switch strings.ToUpper(name) {
	case "WSH": // a hint for the replay window
		return nil
	case "KDR":
		if value == "0" {
			return nil
		}
	}
	if strings.HasPrefix(name, "-") {
		return nil // who does not know it may ignore it
	}
	return fmt.Errorf("the session parameter %.40q is not supported", p)
}

// parseKeyParameter reads "inline:KEY|2^31|1:4", of which the last two may be left out.
func parseKeyParameter(text string) (key string, err error) {
	method, info, _ := strings.Cut(text, ":")
	if !strings.EqualFold(method, "inline") {
		return "", fmt.Errorf("the key method %.20q is not supported", method)
	}
	if strings.Contains(info, ";") {
		return "", fmt.Errorf("several keys are not supported")
	}
	parts := strings.Split(info, "|")
	for _, p := range parts[1:] {
		if strings.Contains(p, ":") {
			return "", fmt.Errorf("an MKI is not supported")
		}
		if _, err := strconv.ParseUint(strings.TrimPrefix(p, "2^"), 10, 64); err != nil {
			return "", fmt.Errorf("the lifetime %.20q is no number", p)
		}
	}
	if len(parts) > 2 || parts[0] == "" {
		return "", fmt.Errorf("the key is not as it should be")
	}
	return parts[0], nil
}
