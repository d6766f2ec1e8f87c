//! Listeners of UDP: a probe is answered with its tag, from the address that it came to.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use watertight_core::sets::Protocol;

use super::super::icmp::Version;
use super::super::wire::{self, Datagram};
use super::super::{Names, sockets};
use super::{DNS, Listener};

/// Datagrams to answer before other sockets have their turn.
const TURN: usize = 128;

/// A socket that is bound to a port.
#[derive(Debug)]
pub(super) struct Datagrams {
    fd: OwnedFd,
    name: Arc<str>,
    port: u16,
}

/// A datagram: what it says, whence it came, and to which of our addresses.
pub(super) struct Received<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) from: SocketAddr,
    pub(super) to: Option<IpAddr>,
}

impl Datagrams {
    pub(super) fn open(listener: &Listener, version: Version) -> nix::Result<Self> {
        let fd = sockets::open(version, Protocol::Udp)?;
        sockets::tell_destination(&fd, version)?;
        sockets::make_room(&fd);
        let address = listener.address.unwrap_or(sockets::unspecified(version));
        sockets::bind_shared(&fd, SocketAddr::new(address, listener.port))?;
        Ok(Self {
            fd,
            name: Arc::clone(&listener.name),
            port: listener.port,
        })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Answers what has come.
    pub(super) fn answer(&self, names: &Names) {
        let mut buffer = [0; 2048];
        for _ in 0..TURN {
            let received = match receive(&self.fd, &mut buffer) {
                Ok(Some(received)) => received,
                Ok(None) => continue,
                Err(_) => return,
            };
            let introduction = wire::introduce(&self.name, received.to);
            let answer = match wire::read(received.bytes) {
                Datagram::Probe(tag) => wire::answer(tag, &introduction),
                Datagram::Answer(..) => continue,
                Datagram::Other => {
                    let query = Some(received.bytes).filter(|_| self.port == DNS);
                    match query.and_then(|query| names.answer(query)) {
                        Some(answer) => answer,
                        // For people with other tools.
                        None => wire::greeting(&self.name, received.to),
                    }
                }
            };
            // What cannot be sent is asked for again.
            let _ = sockets::send_from(self.fd.as_raw_fd(), &answer, received.to, received.from);
        }
    }
}

/// Receives a datagram without waiting; none if its sender is not known.
pub(super) fn receive<'a>(fd: &OwnedFd, buffer: &'a mut [u8]) -> nix::Result<Option<Received<'a>>> {
    let mut control = [0; 128];
    let (length, from, to) = {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let to = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
            }
            _ => None,
        });
        let from = message.address.as_ref().and_then(sockets::address);
        (message.bytes, from, to)
    };
    let bytes = buffer.get(..length).unwrap_or_default();
    Ok(from.map(|from| Received { bytes, from, to }))
}
