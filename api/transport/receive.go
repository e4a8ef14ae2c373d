package transport

import (
	"context"
	"errors"
	"io"
	"time"

	"bifrons/api/budget"
)

// Times that a client gets.
const (
	HeaderTimeout = 10 * time.Second // for the header of a request
	BodyTimeout   = 30 * time.Second // for the rest of it, or a message over a WebSocket
)

// BodyBytes is the memory for all requests that are being received.
const BodyBytes = 32 << 20

const (
	// freeBytes of each request are not counted: everyday ones are received even
	// while others have filled the budget.
	freeBytes = 16 << 10

	// bodyWait is how long a request waits for the budget.
	bodyWait = 2 * time.Second
)

// ErrBusy means that too much is being received at the same time.
var ErrBusy = errors.New("transport: too much is being received")

// Receive reads a request to its end, within a budget for all of them. size is
// the number of bytes to expect, 0 if nobody knows. Once the body is of no more
// use, release has to be called, which is never nil.
func Receive(ctx context.Context, r io.Reader, size int64, b *budget.Budget) (body []byte, release func(), err error) {
	counted := int64(0)
	release = func() {
		b.Give(counted)
		counted = 0
	}
	body = make([]byte, 0, min(max(size+1, 512), freeBytes))
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF:
			return body, release, nil
		case err != nil:
			return nil, release, err
		case len(body) < cap(body):
			continue
		}
		more := int64(cap(body)) // it doubles
		if more >= freeBytes {
			if !b.Wait(ctx, more, bodyWait) {
				return nil, release, ErrBusy
			}
			counted += more
		}
		body = append(make([]byte, 0, 2*more), body...)
	}
}
