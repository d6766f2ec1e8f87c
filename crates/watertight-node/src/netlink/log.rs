//! Packets that a rule logged (`log prefix ... group ...`): the proof of what dropped them.
//!
//! The kernel collects a few records before it wakes the listener, at most for a hundredth of a second.
//!
//! INVARIANT: a record that was lost is counted, so that nobody takes silence for proof.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::MsgFlags;

use super::message::{Attributes, Message};
use super::socket::{Error, Protocol, Socket, nfgenmsg};

/// Bytes of a packet that a record carries: the headers and a bit of what they carry.
const SNAP: u32 = 512;

/// Records in one datagram, and the room for them: a queued datagram costs its room, however full it is.
const RECORDS: u32 = 16;
const ROOM: u32 = 8 * 1024;

/// The longest that a record waits for others, in hundredths of a second.
const WAIT: u32 = 1;

/// The most datagrams that one [`Listener::read`] takes, so that its caller gets to other work.
const READ: usize = 256;

const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_ULOG as u16) << 8;
const PACKET: u16 = SUBSYSTEM;
const CONFIG: u16 = SUBSYSTEM | 1;

const CONFIG_COMMAND: u16 = 1;
const CONFIG_MODE: u16 = 2;
const CONFIG_ROOM: u16 = 3;
const CONFIG_WAIT: u16 = 4;
const CONFIG_RECORDS: u16 = 5;
const COMMAND_BIND: u8 = 1;
const COPY_PACKET: u8 = 2;

const HEADER: u16 = 1;
const ENTERS: u16 = 4;
const LEAVES: u16 = 5;
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;

/// A packet that a rule logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The prefix that the rule gave.
    pub prefix: Box<str>,
    /// The packet from its IP header on, its first 512 bytes.
    pub packet: Vec<u8>,
    /// The hook: prerouting 0, input 1, forward 2, output 3, postrouting 4.
    pub hook: u8,
    /// The index of the device through which it came; 0 is none.
    pub enters: u32,
    /// The index of the device through which it would leave; 0 is none.
    pub leaves: u32,
}

/// Listens to one group of the network namespace of the thread that opened it. Ready to read by `poll`.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    overruns: u64,
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Listener {
    /// Begins to listen. A group has one listener in a network namespace.
    pub fn open(group: u16) -> Result<Self, Error> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let mut mode = SNAP.to_be_bytes().to_vec();
        mode.extend([COPY_PACKET, 0]);
        let bind = Message::new(CONFIG, 0)
            .bytes(&nfgenmsg(0, group))
            .u8(CONFIG_COMMAND, COMMAND_BIND)
            .attr(CONFIG_MODE, &mode)
            .be32(CONFIG_ROOM, ROOM)
            .be32(CONFIG_WAIT, WAIT)
            .be32(CONFIG_RECORDS, RECORDS);
        socket.request(&bind).map_err(|error| {
            error.trying(format!("listen to the packets logged to group {group}"))
        })?;
        Ok(Self {
            socket,
            overruns: 0,
        })
    }

    /// How often records were lost because they came faster than they were read.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// What has arrived, without waiting; nothing if nothing has. There may be more when it returns many.
    pub fn read(&mut self) -> Result<Vec<Logged>, Error> {
        let mut logged = Vec::new();
        for _ in 0..READ {
            match self.socket.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(messages) => logged.extend(
                    messages
                        .filter(|message| message.kind == PACKET)
                        .map(|message| record(message.payload)),
                ),
                Err(error) if error.errno() == Errno::EAGAIN => break,
                Err(error) if error.errno() == Errno::ENOBUFS => self.overruns += 1,
                Err(error) => return Err(error.trying("read the packets that rules logged")),
            }
        }
        Ok(logged)
    }
}

fn record(payload: &[u8]) -> Logged {
    let attributes = Attributes::new(payload.get(4..).unwrap_or_default());
    Logged {
        prefix: attributes.string(PREFIX).unwrap_or_default().into(),
        packet: attributes.get(PAYLOAD).unwrap_or_default().to_vec(),
        hook: attributes
            .get(HEADER)
            .and_then(|header| header.get(2))
            .copied()
            .unwrap_or_default(),
        enters: attributes.be32(ENTERS).unwrap_or_default(),
        leaves: attributes.be32(LEAVES).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_was_logged_and_where() {
        let message = Message::new(PACKET, 0)
            .bytes(&nfgenmsg(2, 77))
            .attr(HEADER, &[8, 0, 2, 0])
            .be32(ENTERS, 3)
            .be32(LEAVES, 4)
            .string(PREFIX, "wt|i|unknown")
            .attr(PAYLOAD, &[0x45, 0, 0, 20]);
        let logged = record(message.payload());
        assert_eq!(&*logged.prefix, "wt|i|unknown");
        assert_eq!(logged.packet, [0x45, 0, 0, 20]);
        assert_eq!((logged.hook, logged.enters, logged.leaves), (2, 3, 4));
        assert!(record(&[]).packet.is_empty());
    }
}
