//! Listeners of SCTP. Where the kernel has it, the kernel answers; elsewhere a raw socket does, by hand.
//!
//! INVARIANT: a raw socket answers for every port of its namespace, also that nobody listens there: the
//! kernel, seeing the socket, thinks that somebody takes care of the protocol.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::Backlog;
use watertight_core::sets::Protocol;

use super::super::icmp::Version;
use super::super::{sctp, sockets, wire};
use super::{Listener, datagrams};

/// Packets to answer before other sockets have their turn.
const TURN: usize = 128;

/// A raw socket, and who listens at which port of its namespace.
#[derive(Debug)]
pub(super) struct Packets {
    fd: OwnedFd,
    version: Version,
    ports: BTreeMap<u16, Vec<Name>>,
}

/// Who listens at an address, or at all of them.
#[derive(Debug)]
struct Name {
    address: Option<IpAddr>,
    name: Arc<str>,
}

/// A listening socket of a kernel that has SCTP.
pub(super) fn open_in_kernel(listener: &Listener, version: Version) -> nix::Result<OwnedFd> {
    let fd = sockets::sctp_of_the_kernel(version)?;
    let address = listener.address.unwrap_or(sockets::unspecified(version));
    sockets::bind_shared(&fd, SocketAddr::new(address, listener.port))?;
    nix::sys::socket::listen(&fd, Backlog::MAXALLOWABLE)?;
    Ok(fd)
}

impl Packets {
    pub(super) fn open(version: Version) -> nix::Result<Self> {
        let fd = sockets::open(version, Protocol::Sctp)?;
        sockets::tell_destination(&fd, version)?;
        sockets::make_room(&fd);
        Ok(Self {
            fd,
            version,
            ports: BTreeMap::new(),
        })
    }

    pub(super) fn add(&mut self, listener: &Listener) {
        let listeners = self.ports.entry(listener.port).or_default();
        listeners.push(Name {
            address: listener.address,
            name: Arc::clone(&listener.name),
        });
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Answers what has come.
    pub(super) fn answer(&self) {
        let mut buffer = [0; 2048];
        for _ in 0..TURN {
            let received = match datagrams::receive(&self.fd, &mut buffer) {
                Ok(Some(received)) => received,
                Ok(None) => continue,
                Err(_) => return,
            };
            let packet = match self.version {
                Version::V4 => {
                    let first = received.bytes.first().copied().unwrap_or_default();
                    received.bytes.get(usize::from(first & 0xf) * 4..)
                }
                Version::V6 => Some(received.bytes),
            };
            let Some(asked) = packet.and_then(sctp::read) else {
                continue;
            };
            if !matches!(asked.chunk, sctp::Chunk::Init { .. }) {
                continue;
            }
            let answer = match self.name(asked.destination, received.to) {
                Some(name) => sctp::init_ack(&asked, &wire::introduce(name, received.to)),
                None => sctp::abort(&asked),
            };
            let to = SocketAddr::new(received.from.ip(), 0);
            // What cannot be sent is asked for again.
            let _ = sockets::send_from(self.fd.as_raw_fd(), &answer, received.to, to);
        }
    }

    /// Who listens at a port of an address.
    fn name(&self, port: u16, address: Option<IpAddr>) -> Option<&str> {
        let mut names = self.ports.get(&port)?.iter();
        let found = names.find(|name| name.address.is_none() || name.address == address)?;
        Some(&found.name)
    }
}
