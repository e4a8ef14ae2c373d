package sdp

import (
	"strings"
	"testing"
)

func TestCrypto(t *testing.T) {
	const key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj" // of RFC 4568, 6.1
	for value, want := range map[string]string{
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key:                             "1 AES_CM_128_HMAC_SHA1_80 inline:" + key,
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20":                   "1 AES_CM_128_HMAC_SHA1_80 inline:" + key,
		" 999999999  F8_128_HMAC_SHA1_80\tINLINE:" + key + "|1048576 WSH=64":  "999999999 F8_128_HMAC_SHA1_80 inline:" + key,
		"2 AEAD_AES_256_GCM inline:" + key + "== KDR=0 -new=5":                "2 AEAD_AES_256_GCM inline:" + key + "==",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20|1:4":               "an MKI",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|1:4":                    "an MKI",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20|1:4;inline:" + key: "several keys",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|soon":                   "lifetime",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|1|1":                    "not as it should be",
		"1 AES_CM_128_HMAC_SHA1_80 inline:":                                   "not as it should be",
		"1 AES_CM_128_HMAC_SHA1_80 mikey:" + key:                              "key method",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " UNENCRYPTED_SRTP":       "UNENCRYPTED_SRTP",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " KDR=1":                  "KDR=1",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " NEW":                    "NEW",
		"1 AES_CM_128_HMAC_SHA1_80":                                           "missing",
		"0 AES_CM_128_HMAC_SHA1_80 inline:" + key:                             "tag",
		"1000000000 AES_CM_128_HMAC_SHA1_80 inline:" + key:                    "tag",
		"-1 AES_CM_128_HMAC_SHA1_80 inline:" + key:                            "tag",
		"": "missing",
	} {
		c, err := ParseCrypto(value)
		switch {
		case err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(want, "inline:")):
			t.Errorf("%q: %v, want %q", value, err, want)
		case err == nil && c.String() != want:
			t.Errorf("%q: %q, want %q", value, c, want)
		}
	}
}

func FuzzCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4 WSH=64")
	f.Add("12 X inline:y -z")
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseCrypto(value)
		if err != nil {
			if len(err.Error()) > 300 {
				t.Errorf("a long error: %v", err)
			}
			return
		}
		if again, err := ParseCrypto(c.String()); err != nil || again != c {
			t.Errorf("%q is read as %+v, which is printed as %q and read as %+v (%v)", value, c, c.String(), again, err)
		}
	})
}
