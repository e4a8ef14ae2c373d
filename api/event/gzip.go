package event

import (
	"bytes"
	"compress/gzip"
)

// Gzip compresses b (RFC 1952) at a level from 0 to 9.
func Gzip(b []byte, level int) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		return nil, err
	}
	_, _ = z.Write(b)
	err = z.Close()
	return out.Bytes(), err
}
