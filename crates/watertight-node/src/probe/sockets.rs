//! Sockets of the network namespace that the thread is in. They stay in it when the thread goes elsewhere.
//!
//! INVARIANT: every socket is non-blocking and closed in children.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{
    Ipv4PacketInfo, Ipv4RecvErr, Ipv6RecvErr, Ipv6RecvPacketInfo, Ipv6V6Only, Linger, RcvBuf,
    RcvBufForce, ReuseAddr, ReusePort,
};
use nix::sys::socket::{
    ControlMessage, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, getsockname,
    sendmsg, sendto, setsockopt, socket,
};
use watertight_core::sets::Protocol;

use super::icmp::Version;

/// Room for what arrives at a socket that many send to.
const ROOM: usize = 4 << 20;

/// Which version of IP an address is of.
pub(super) fn version(address: IpAddr) -> Version {
    match address {
        IpAddr::V4(_) => Version::V4,
        IpAddr::V6(_) => Version::V6,
    }
}

/// Any address of a version.
pub(super) fn unspecified(version: Version) -> IpAddr {
    match version {
        Version::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Version::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A socket of the kind by which a protocol is asked: a stream, datagrams, or packets made by hand.
pub(super) fn open(version: Version, protocol: Protocol) -> nix::Result<OwnedFd> {
    let (kind, protocol) = match (protocol, version) {
        (Protocol::Tcp, _) => (SockType::Stream, SockProtocol::Tcp),
        (Protocol::Udp, _) => (SockType::Datagram, SockProtocol::Udp),
        (Protocol::Sctp, _) => (SockType::Raw, SockProtocol::Sctp),
        (Protocol::Icmp, Version::V4) => (SockType::Raw, SockProtocol::Icmp),
        (Protocol::Icmp, Version::V6) => (SockType::Raw, SockProtocol::IcmpV6),
    };
    of_kind(version, kind, protocol)
}

/// A stream of SCTP, where the kernel has it.
pub(super) fn sctp_of_the_kernel(version: Version) -> nix::Result<OwnedFd> {
    of_kind(version, SockType::Stream, SockProtocol::Sctp)
}

fn of_kind(version: Version, kind: SockType, protocol: SockProtocol) -> nix::Result<OwnedFd> {
    use nix::sys::socket::AddressFamily;
    let family = match version {
        Version::V4 => AddressFamily::Inet,
        Version::V6 => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, kind, flags, protocol)?;
    if version == Version::V6 && kind != SockType::Raw {
        setsockopt(&fd, Ipv6V6Only, &true)?;
    }
    Ok(fd)
}

/// Binds to an address and a port that others may be bound to as well.
pub(super) fn bind_shared(fd: &OwnedFd, address: SocketAddr) -> nix::Result<()> {
    setsockopt(fd, ReuseAddr, &true)?;
    bind(fd, address)
}

/// Lets sockets of this process share a port although one of them listens.
pub(super) fn share_port(fd: &OwnedFd) -> nix::Result<()> {
    setsockopt(fd, ReusePort, &true)
}

/// Binds to an address and a port; port 0 is one that is free.
pub(super) fn bind(fd: &OwnedFd, address: SocketAddr) -> nix::Result<()> {
    nix::sys::socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(address))
}

/// Begins to connect. That it is in progress is no error.
pub(super) fn connect(fd: &OwnedFd, to: SocketAddr) -> nix::Result<()> {
    match nix::sys::socket::connect(fd.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Queues errors of ICMP with their sender, see [`super::errors`].
pub(super) fn queue_errors(fd: &OwnedFd, version: Version) -> nix::Result<()> {
    match version {
        Version::V4 => setsockopt(fd, Ipv4RecvErr, &true),
        Version::V6 => setsockopt(fd, Ipv6RecvErr, &true),
    }
}

/// Lets each datagram say which of our addresses it came to.
pub(super) fn tell_destination(fd: &OwnedFd, version: Version) -> nix::Result<()> {
    match version {
        Version::V4 => setsockopt(fd, Ipv4PacketInfo, &true),
        Version::V6 => setsockopt(fd, Ipv6RecvPacketInfo, &true),
    }
}

/// Ends connections with a reset, which leaves nothing behind at either end.
pub(super) fn reset_on_close(fd: &OwnedFd) -> nix::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(fd, Linger, &linger)
}

/// Makes room for bursts, as far as the kernel lets us.
pub(super) fn make_room(fd: &impl AsFd) {
    if setsockopt(fd, RcvBufForce, &ROOM).is_err() {
        // The limit of the system then decides.
        let _ = setsockopt(fd, RcvBuf, &ROOM);
    }
}

/// The address and the port that a socket is bound to.
pub(super) fn local(fd: &OwnedFd) -> Option<SocketAddr> {
    address(&getsockname::<SockaddrStorage>(fd.as_raw_fd()).ok()?)
}

/// As the standard library writes it.
pub(super) fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddr::new(v6.ip().into(), v6.port()))
}

/// Sends a datagram.
pub(super) fn send(fd: &OwnedFd, bytes: &[u8], to: SocketAddr) -> nix::Result<()> {
    let to = SockaddrStorage::from(to);
    sendto(fd.as_raw_fd(), bytes, &to, MsgFlags::MSG_DONTWAIT).map(drop)
}

/// Sends a datagram from one of several addresses of ours.
pub(super) fn send_from(
    fd: RawFd,
    bytes: &[u8],
    from: Option<IpAddr>,
    to: SocketAddr,
) -> nix::Result<()> {
    let bytes = [IoSlice::new(bytes)];
    let to = SockaddrStorage::from(to);
    let flags = MsgFlags::MSG_DONTWAIT;
    match from {
        Some(IpAddr::V4(address)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.octets()),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            sendmsg(
                fd,
                &bytes,
                &[ControlMessage::Ipv4PacketInfo(&info)],
                flags,
                Some(&to),
            )
        }
        Some(IpAddr::V6(address)) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: address.octets(),
                },
                ipi6_ifindex: 0,
            };
            sendmsg(
                fd,
                &bytes,
                &[ControlMessage::Ipv6PacketInfo(&info)],
                flags,
                Some(&to),
            )
        }
        None => sendmsg(fd, &bytes, &[], flags, Some(&to)),
    }
    .map(drop)
}
