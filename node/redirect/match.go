package redirect

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

var (
	loopback4 = netip.MustParsePrefix("127.0.0.1/32")
	loopback6 = netip.MustParsePrefix("::1/128")
)

// reg is the register that every match uses.
const reg = 1

func is(data ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: data} }

func native32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func big16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

// protocol matches the protocol above IP.
func protocol(n byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg}, is(n)}
}

func tcp() []expr.Any { return protocol(unix.IPPROTO_TCP) }
func udp() []expr.Any { return protocol(unix.IPPROTO_UDP) }

// dport matches the destination port of TCP or UDP.
func dport(p Ports) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: reg, FromData: big16(p.First), ToData: big16(p.Last)},
	}
}

// first matches the first packet of a TCP connection: of the flags FIN, SYN, RST and ACK it has SYN alone.
func first() []expr.Any {
	const fin, syn, rst, ack = 0x01, 0x02, 0x04, 0x10
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 1, Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0}},
		is(syn),
	}
}

// daddr matches the destination address.
func daddr(p netip.Prefix) []expr.Any {
	family, offset := byte(unix.NFPROTO_IPV4), uint32(16)
	if p.Addr().Is6() {
		family, offset = unix.NFPROTO_IPV6, 24
	}
	addr := p.Addr().AsSlice()
	length := uint32(len(addr))
	mask := make([]byte, length)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg}, is(family),
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: length, Mask: mask, Xor: make([]byte, length)},
		is(addr...),
	}
}

// local matches what goes to an address of the Pod, which need not be known.
func local() []expr.Any {
	return []expr.Any{&expr.Fib{Register: reg, ResultADDRTYPE: true, FlagDADDR: true}, is(native32(unix.RTN_LOCAL)...)}
}

// gid matches the group of the sending process, as the Pod's user namespace numbers it.
func gid(id uint32) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeySKGID, Register: reg}, is(native32(id)...)}
}

// cgroup matches sockets that were opened in a cgroup of version 2, or in one below it. The kernel adds the depth of its
// caller's cgroup namespace to the level; see namespace.OnHost.
func cgroup(id uint64, level uint32) []expr.Any {
	return []expr.Any{
		&expr.Socket{Key: expr.SocketKeyCgroupv2, Level: level, Register: reg},
		is(binary.NativeEndian.AppendUint64(nil, id)...),
	}
}

// redirect sends what matched to a port of the Pod.
func redirect(port uint16) []expr.Any {
	return []expr.Any{&expr.Immediate{Register: reg, Data: big16(port)}, &expr.Redir{RegisterProtoMin: reg}}
}

func leave() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}} }
