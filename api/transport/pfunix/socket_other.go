//go:build !unix

package pfunix

import (
	"errors"
	"net"
	"os"
)

// Activated returns nothing: there is no systemd here.
func Activated() (api, admin *os.File) { return nil, nil }

func socketType(*os.File) (Type, error) { return 0, errors.ErrUnsupported }

func sendTo(sock *net.UnixConn, path string, msg []byte) error {
	_, err := sock.WriteToUnix(msg, &net.UnixAddr{Name: path, Net: "unixgram"})
	return err
}

func wouldBlock(error) bool { return false }
