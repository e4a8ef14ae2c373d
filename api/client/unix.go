package client

import (
	"context"
	"net"
	"slices"
)

type unixSocket struct {
	net.Conn
	packet []byte
}

// Unix connects to a socket that keeps the bounds of messages (SOCK_SEQPACKET).
func Unix(ctx context.Context, path string) (Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, err
	}
	return &unixSocket{conn, make([]byte, most)}, nil
}

func (u *unixSocket) Send(ctx context.Context, session, handle uint64, m Object) error {
	text, err := encode(session, handle, m)
	if err != nil {
		return err
	}
	return u.SendText(ctx, text)
}

func (u *unixSocket) SendText(ctx context.Context, text []byte) error {
	late, _ := ctx.Deadline() // none is the zero time, for SetWriteDeadline, too
	if err := u.SetWriteDeadline(late); err != nil {
		return err
	}
	_, err := u.Write(text)
	return err
}

func (u *unixSocket) Receive() ([]byte, error) {
	n, err := u.Read(u.packet)
	return slices.Clone(u.packet[:n]), err
}

func (u *unixSocket) Close(bool) error { return u.Conn.Close() }
