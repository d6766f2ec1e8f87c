//! The sockets from which datagrams are asked: one for all questions of a namespace, a protocol and a version
//! of IP, because a datagram's tag tells its question.
//!
//! INVARIANT: no socket for UDP is bound to a port that is asked for, unless a question says so. Connection
//! tracking would take the probes of both directions for one conversation, and its rules let replies pass.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use rustc_hash::FxHashMap;
use watertight_core::sets::Protocol;

use super::icmp::Version;
use super::sockets;

/// What questions that share a socket have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The number of the namespace.
    pub(super) namespace: u64,
    /// Any but TCP.
    pub(super) protocol: Protocol,
    /// Of the address that is asked.
    pub(super) version: Version,
    /// The address to ask from.
    pub(super) from: Option<IpAddr>,
    /// The port to ask from, for UDP; and then whom.
    pub(super) pinned: Option<(u16, SocketAddr)>,
}

/// A socket, with the number of questions that wait for it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) key: Key,
    pub(super) fd: OwnedFd,
    waiting: usize,
}

/// All of them, by a number that `epoll` gives back.
#[derive(Debug, Default)]
pub(super) struct Sources {
    slots: Vec<Option<Source>>,
    free: Vec<usize>,
    numbers: FxHashMap<Key, usize>,
}

impl Sources {
    /// One that is open, for one more question.
    pub(super) fn join(&mut self, key: &Key) -> Option<usize> {
        let number = *self.numbers.get(key)?;
        self.slots.get_mut(number)?.as_mut()?.waiting += 1;
        Some(number)
    }

    /// A new one, for its first question. Its number is given to `register` before it is kept.
    pub(super) fn open(
        &mut self,
        key: Key,
        asked: &BTreeSet<u16>,
        register: impl FnOnce(&OwnedFd, usize) -> nix::Result<()>,
    ) -> nix::Result<usize> {
        let fd = socket(&key, asked)?;
        let number = self.free.last().copied().unwrap_or(self.slots.len());
        register(&fd, number)?;
        let source = Some(Source {
            key,
            fd,
            waiting: 1,
        });
        match self.slots.get_mut(number) {
            Some(slot) => {
                self.free.pop();
                *slot = source;
            }
            None => self.slots.push(source),
        }
        self.numbers.insert(key, number);
        Ok(number)
    }

    /// The one with a number.
    pub(super) fn get(&self, number: usize) -> Option<&Source> {
        self.slots.get(number)?.as_ref()
    }

    /// A question waits no longer. The last one closes the socket.
    pub(super) fn leave(&mut self, number: usize) {
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        let Some(source) = slot else {
            return;
        };
        source.waiting -= 1;
        if source.waiting == 0 {
            self.numbers.remove(&source.key);
            *slot = None;
            self.free.push(number);
        }
    }
}

fn socket(key: &Key, asked: &BTreeSet<u16>) -> nix::Result<OwnedFd> {
    let from = key.from.unwrap_or(sockets::unspecified(key.version));
    if key.protocol != Protocol::Udp || key.pinned.is_some() {
        let fd = open(key)?;
        match key.pinned {
            Some((port, to)) => {
                sockets::bind_shared(&fd, SocketAddr::new(from, port))?;
                // It then takes no datagram from a listener at the same port.
                sockets::connect(&fd, to)?;
            }
            None if key.from.is_some() => sockets::bind(&fd, SocketAddr::new(from, 0))?,
            None => {}
        }
        return Ok(fd);
    }
    // Ports that do not fit are held while another is sought, so that the kernel offers others.
    let mut unfit = Vec::new();
    while unfit.len() < 256 {
        let fd = open(key)?;
        sockets::bind(&fd, SocketAddr::new(from, 0))?;
        match sockets::local(&fd) {
            Some(local) if !asked.contains(&local.port()) => return Ok(fd),
            _ => unfit.push(fd),
        }
    }
    Err(Errno::EADDRNOTAVAIL)
}

fn open(key: &Key) -> nix::Result<OwnedFd> {
    let fd = sockets::open(key.version, key.protocol)?;
    sockets::queue_errors(&fd, key.version)?;
    sockets::make_room(&fd);
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            namespace: 1,
            protocol: Protocol::Udp,
            version: Version::V4,
            from: Some([127, 0, 0, 1].into()),
            pinned: None,
        }
    }

    /// Else both directions of a question are one connection, and the second one a reply.
    #[test]
    fn no_question_is_asked_from_a_port_that_is_asked_for() {
        let asked: BTreeSet<u16> = (0..=u16::MAX).filter(|port| port % 4 != 1).collect();
        for _ in 0..50 {
            let fd = socket(&key(), &asked).unwrap();
            assert_eq!(sockets::local(&fd).unwrap().port() % 4, 1);
        }
        let all = (0..=u16::MAX).collect();
        assert_eq!(socket(&key(), &all).unwrap_err(), Errno::EADDRNOTAVAIL);
    }

    #[test]
    fn a_socket_is_shared_until_nobody_waits_any_more() {
        let asked = BTreeSet::new();
        let mut sources = Sources::default();
        assert_eq!(sources.join(&key()), None);
        let number = sources.open(key(), &asked, |_, _| Ok(())).unwrap();
        assert_eq!(sources.join(&key()), Some(number));
        sources.leave(number);
        assert!(sources.get(number).is_some());
        sources.leave(number);
        assert!(sources.get(number).is_none());
        assert_eq!(sources.join(&key()), None);
        // The number is given again; one that could not be waited for is not kept.
        let refused = sources.open(key(), &asked, |_, _| Err(Errno::ENOMEM));
        assert_eq!(refused, Err(Errno::ENOMEM));
        assert_eq!(sources.open(key(), &asked, |_, _| Ok(())), Ok(number));
    }
}
