//! Answers probes, in all namespaces, from one thread.
//!
//! Each listener says its party's name, and the address at which it was reached, so that the prober knows
//! where a translated address has led.

mod datagrams;
mod packets;
mod streams;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use watertight_core::sets::Protocol;

use super::icmp::Version;
use super::{Error, Names, in_thread, sockets};
use crate::sys::{Namespace, limits};
use packets::Packets;
use streams::{Conversation, Streams};

/// The port at which queries for names are answered.
pub const DNS: u16 = 53;

/// What `epoll` gives back for the wish to end.
const END: u64 = u64::MAX;

/// One port at which a party listens, on both versions of IP.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The party's name, which is its answer.
    pub name: Arc<str>,
    /// Where the socket is opened.
    pub namespace: Arc<Namespace>,
    /// TCP, UDP or SCTP. The kernel answers echo requests of ICMP by itself.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// The address; otherwise every one in the namespace.
    pub address: Option<IpAddr>,
}

/// Listeners that answer until this is dropped.
#[derive(Debug)]
pub struct Listeners {
    end: EventFd,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Listeners {
    fn drop(&mut self) {
        // A wish cannot fail: the counter is far from its end.
        let _ = self.end.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Listens at all of them, or fails if one of them cannot be.
///
/// # Errors
///
/// If a port is taken, or a namespace cannot be entered.
pub fn listen(listeners: Vec<Listener>) -> Result<Listeners, Error> {
    listen_with_names(listeners, Names::default())
}

/// [`listen`], answering queries at port 53 from a table of names.
///
/// # Errors
///
/// As of [`listen`].
pub fn listen_with_names(listeners: Vec<Listener>, names: Names) -> Result<Listeners, Error> {
    let end = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|error| Error::new("make an event descriptor", error))?;
    // The thread that answers enters no namespace: it would keep the last one alive, and not everybody may
    // come back to where he began.
    let mut server = in_thread(|| Server::open(&listeners, names, &end))??;
    let thread = std::thread::Builder::new()
        .name("listeners".into())
        .spawn(move || server.serve())
        .map_err(|error| Error::new("start a thread", error))?;
    Ok(Listeners {
        end,
        thread: Some(thread),
    })
}

/// A socket that answers.
enum Endpoint {
    Streams(Streams),
    Datagrams(datagrams::Datagrams),
    Packets(Packets),
    /// The kernel answers by itself.
    Kernel {
        _fd: OwnedFd,
    },
    Conversation(Conversation),
}

struct Server {
    epoll: Epoll,
    endpoints: Vec<Option<Endpoint>>,
    free: Vec<usize>,
    names: Names,
}

impl Server {
    fn open(listeners: &[Listener], names: Names, end: &EventFd) -> Result<Self, Error> {
        limits::open_files()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|error| Error::new("wait for many sockets at once", error))?;
        epoll
            .add(end, EpollEvent::new(EpollFlags::EPOLLIN, END))
            .map_err(|error| Error::new("wait for the end", error))?;
        let mut server = Self {
            epoll,
            endpoints: Vec::new(),
            free: Vec::new(),
            names,
        };
        server.open_all(listeners)?;
        Ok(server)
    }

    fn open_all(&mut self, listeners: &[Listener]) -> Result<(), Error> {
        // Raw sockets see every packet of their protocol: one for each namespace and version.
        let mut raw: BTreeMap<(u64, Version), Packets> = BTreeMap::new();
        let mut place = None;
        for listener in listeners {
            let inode = listener.namespace.inode()?;
            if place != Some(inode) {
                listener.namespace.enter()?;
                place = Some(inode);
            }
            for version in versions(listener.address) {
                let packets = raw.remove(&(inode, version));
                let kept = self.open_one(listener, version, packets).map_err(|error| {
                    let Listener {
                        name,
                        port,
                        protocol,
                        ..
                    } = listener;
                    Error::new(
                        format!("listen at `{name}` {port}/{}", protocol.word()),
                        error,
                    )
                })?;
                if let Some(packets) = kept {
                    raw.insert((inode, version), packets);
                }
            }
        }
        for packets in raw.into_values() {
            self.keep(Endpoint::Packets(packets))
                .map_err(|error| Error::new("wait for packets of SCTP", error))?;
        }
        Ok(())
    }

    /// Opens one; or adds it to the raw socket of its namespace, which comes back.
    fn open_one(
        &mut self,
        listener: &Listener,
        version: Version,
        packets: Option<Packets>,
    ) -> nix::Result<Option<Packets>> {
        let endpoint = match listener.protocol {
            Protocol::Tcp => Streams::open(listener, version).map(Endpoint::Streams),
            Protocol::Udp => datagrams::Datagrams::open(listener, version).map(Endpoint::Datagrams),
            Protocol::Sctp if packets.is_some() => Err(Errno::EPROTONOSUPPORT),
            Protocol::Sctp => {
                packets::open_in_kernel(listener, version).map(|fd| Endpoint::Kernel { _fd: fd })
            }
            Protocol::Icmp => Err(Errno::EINVAL),
        };
        match endpoint {
            Ok(endpoint) => self.keep(endpoint)?,
            Err(Errno::EPROTONOSUPPORT | Errno::ESOCKTNOSUPPORT)
                if listener.protocol == Protocol::Sctp =>
            {
                let mut packets = match packets {
                    Some(packets) => packets,
                    None => Packets::open(version)?,
                };
                packets.add(listener);
                return Ok(Some(packets));
            }
            // A namespace may have no IPv6 at all.
            Err(Errno::EAFNOSUPPORT) if listener.address.is_none() && version == Version::V6 => {}
            Err(error) => return Err(error),
        }
        Ok(packets)
    }

    fn keep(&mut self, endpoint: Endpoint) -> nix::Result<()> {
        let number = self.free.last().copied().unwrap_or(self.endpoints.len());
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
        match &endpoint {
            Endpoint::Streams(streams) => self.epoll.add(streams.as_fd(), event)?,
            Endpoint::Datagrams(datagrams) => self.epoll.add(datagrams.as_fd(), event)?,
            Endpoint::Packets(packets) => self.epoll.add(packets.as_fd(), event)?,
            Endpoint::Conversation(conversation) => self.epoll.add(conversation.as_fd(), event)?,
            Endpoint::Kernel { .. } => {}
        }
        match self.endpoints.get_mut(number) {
            Some(slot) => {
                self.free.pop();
                *slot = Some(endpoint);
            }
            None => self.endpoints.push(Some(endpoint)),
        }
        Ok(())
    }

    fn serve(&mut self) {
        let mut events = vec![EpollEvent::empty(); 512];
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            for event in events.iter().take(ready) {
                if event.data() == END {
                    return;
                }
                if let Ok(number) = usize::try_from(event.data()) {
                    self.answer(number);
                }
            }
        }
    }

    /// Answers what has come to one socket.
    fn answer(&mut self, number: usize) {
        let Some(slot) = self.endpoints.get_mut(number) else {
            return;
        };
        let mut begun = Vec::new();
        let is_over = match slot {
            Some(Endpoint::Streams(streams)) => {
                streams.answer(&mut begun);
                false
            }
            Some(Endpoint::Datagrams(datagrams)) => {
                datagrams.answer(&self.names);
                false
            }
            Some(Endpoint::Packets(packets)) => {
                packets.answer();
                false
            }
            Some(Endpoint::Conversation(conversation)) => conversation.answer(&self.names),
            Some(Endpoint::Kernel { .. }) | None => false,
        };
        if is_over {
            *slot = None;
            self.free.push(number);
        }
        for conversation in begun {
            // One for which there is no room is closed, and asked again.
            let _ = self.keep(Endpoint::Conversation(conversation));
        }
    }
}

/// The versions of IP at which to listen.
fn versions(address: Option<IpAddr>) -> Vec<Version> {
    match address {
        Some(address) => vec![sockets::version(address)],
        None => vec![Version::V4, Version::V6],
    }
}
