//go:build linux && !netio_portable

package netio

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// control is room for the control messages of one datagram, aligned as the
// kernel wants it. Received are a packet info of each family (32 and 40 bytes),
// the drop count (24), a segment size (24) and a time (32), sent are a packet info
// and a segment size.
type control [19]uint64

func (b *control) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(b)), unsafe.Sizeof(*b))
}

// header opens a control message at offset off and returns its payload.
func (b *control) header(off int, level, kind int32, size int) []byte {
	p := b.bytes()[off : off+unix.CmsgSpace(size)]
	h := (*unix.Cmsghdr)(unsafe.Pointer(&p[0]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return p[unix.CmsgLen(0):][:size]
}

// putSource adds the source address. A socket of family AF_INET6 takes IPv4
// sources in mapped form. It returns the new length of the control messages.
func (c *Conn) putSource(b *control, off int, local netip.Addr) int {
	if c.inet6 {
		p := b.header(off, unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		a := local.As16()
		copy(p, a[:])
		index := uint32(0)
		if local.Zone() != "" {
			index = c.zones.index(local.Zone())
		}
		binary.NativeEndian.PutUint32(p[16:], index)
		return off + unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	p := b.header(off, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
	a := local.Unmap().As4()
	clear(p)
	copy(p[4:8], a[:])
	return off + unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}

// putSegment adds the segment size.
func putSegment(b *control, off, size int) int {
	p := b.header(off, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(p, uint16(size))
	return off + unix.CmsgSpace(2)
}

// arrival is the kernel's information about a received message.
type arrival struct {
	local    netip.Addr
	segment  int    // bytes, 0 = it is one datagram
	drops    uint32 // running count, if hasDrops
	hasDrops bool
	refused  bool  // ICMP says that a datagram could not be delivered
	stamp    int64 // ns since 1970, 0 = none
}

// parseControl reads the control messages in the first n bytes.
func (c *Conn) parseControl(b *control, n int) (a arrival) {
	p := b.bytes()
	p = p[:min(n, len(p))]
	for len(p) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&p[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(p) {
			break
		}
		data := p[unix.CmsgLen(0):size]
		switch {
		case h.Level == unix.SOL_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			a.local = netip.AddrFrom4([4]byte(data[8:12]))
		case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			addr := netip.AddrFrom16([16]byte(data[:16])).Unmap()
			a.local = c.withZone(addr, binary.NativeEndian.Uint32(data[16:]))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			a.drops, a.hasDrops = binary.NativeEndian.Uint32(data), true
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			a.stamp = (*unix.Timespec)(unsafe.Pointer(&data[0])).Nano()
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			a.segment = max(0, int(int32(binary.NativeEndian.Uint32(data))))
		case h.Level == unix.SOL_IP && h.Type == unix.IP_RECVERR || h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_RECVERR:
			a.refused = isRefusal(data)
		}
		p = p[min(unix.CmsgSpace(size-unix.CmsgLen(0)), len(p)):]
	}
	return a
}

// isRefusal reports whether a struct sock_extended_err (ip(7)) is about a datagram that
// could not be delivered, and not about its size.
func isRefusal(b []byte) bool {
	const icmp, icmp6 = 2, 3 // SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
	return len(b) >= 16 && (b[4] == icmp || b[4] == icmp6) && unix.Errno(binary.NativeEndian.Uint32(b)) != unix.EMSGSIZE
}

// The raw form of the system calls leaves the scheduler out of it: neither call
// blocks, and telling the scheduler of each wakes its monitor thread every time
// the loop runs after a pause. The price is that stopping the world waits for
// one call, which batchSize bounds.

func sendmmsg(fd uintptr, hdrs []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&hdrs[0])),
		uintptr(len(hdrs)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

func recvmmsg(fd uintptr, hdrs []mmsghdr, flags uintptr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&hdrs[0])),
		uintptr(len(hdrs)), unix.MSG_DONTWAIT|flags, 0, 0)
	return int(n), errno
}

// swap16 turns a port in network order as it lies in memory into a number,
// and back.
func swap16(v uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], v)
	return binary.BigEndian.Uint16(b[:])
}

func nativeUint32(b [4]byte) uint32 { return binary.NativeEndian.Uint32(b[:]) }

func nativeBytes(v uint32) (b [4]byte) {
	binary.NativeEndian.PutUint32(b[:], v)
	return b
}
