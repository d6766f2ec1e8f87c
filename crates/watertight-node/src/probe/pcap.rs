//! Writes down the packets of a network namespace, in the format that tcpdump and Wireshark read.
//!
//! Packets of all links go into one file, each with its link's index instead of its link's header
//! (`LINKTYPE_LINUX_SLL2`), and its time to the nanosecond. What passes through a node is in it twice: when
//! it comes in, and when it goes out.

use std::fmt;
use std::io::{self, IoSliceMut, Write};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::sockopt::{ReceiveTimestampns, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket,
};

use super::{Error, sockets};
use crate::sys::Namespace;

/// A file with times in nanoseconds, in the byte order of the machine that writes it.
const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);
const LONGEST: u32 = 65_536;
const LINKTYPE_LINUX_SLL2: u32 = 276;

const SOCKET: u64 = 0;
const END: u64 = 1;

/// A packet, from its network header on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When it passed, since 1970.
    pub time: Duration,
    /// The protocol of its bytes: `0x0800` is IPv4, `0x86dd` IPv6.
    pub protocol: u16,
    /// The index of the link.
    pub link: u32,
    /// The type of the link: 1 is Ethernet, 772 loopback.
    pub link_type: u16,
    /// 0 to us, 1 to all, 2 to many, 3 to others, 4 from us.
    pub direction: u8,
    /// The address of the sender on the link.
    pub sender: [u8; 6],
    /// The bytes that were kept.
    pub bytes: &'a [u8],
    /// How many there were.
    pub length: usize,
}

/// Writes packets into a file.
#[derive(Debug)]
pub struct Writer<W> {
    file: W,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn new(mut file: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend(MAGIC.to_ne_bytes());
        header.extend(VERSION.0.to_ne_bytes());
        header.extend(VERSION.1.to_ne_bytes());
        header.extend([0; 8]);
        header.extend(LONGEST.to_ne_bytes());
        header.extend(LINKTYPE_LINUX_SLL2.to_ne_bytes());
        file.write_all(&header)?;
        Ok(Self { file })
    }

    /// Writes a packet.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        const COOKED: usize = 20;
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidData);
        let seconds = u32::try_from(packet.time.as_secs()).map_err(too_long)?;
        let kept = u32::try_from(packet.bytes.len() + COOKED).map_err(too_long)?;
        let length = u32::try_from(packet.length + COOKED).map_err(too_long)?;
        let mut bytes = Vec::with_capacity(16 + COOKED + packet.bytes.len());
        bytes.extend(seconds.to_ne_bytes());
        bytes.extend(packet.time.subsec_nanos().to_ne_bytes());
        bytes.extend(kept.to_ne_bytes());
        bytes.extend(length.to_ne_bytes());

        bytes.extend(packet.protocol.to_be_bytes());
        bytes.extend([0; 2]);
        bytes.extend(packet.link.to_be_bytes());
        bytes.extend(packet.link_type.to_be_bytes());
        bytes.extend([packet.direction, 6]);
        bytes.extend(packet.sender);
        bytes.extend([0; 2]);
        bytes.extend_from_slice(packet.bytes);
        self.file.write_all(&bytes)
    }

    /// The file, with everything written.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.file.flush()?;
        Ok(self.file)
    }
}

/// Packets of a namespace that are being written down, until this is dropped or finished.
pub struct Capture {
    end: EventFd,
    thread: Option<JoinHandle<io::Result<Captured>>>,
}

/// What was written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Packets in the file.
    pub packets: u64,
    /// Packets that came faster than they could be written.
    pub lost: u32,
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

impl Capture {
    /// Begins to write down what passes through a namespace. No packet after this is missed.
    ///
    /// # Errors
    ///
    /// If the namespace cannot be entered or listened to, or the file not be written.
    pub fn start(namespace: &Namespace, file: impl Write + Send + 'static) -> Result<Self, Error> {
        let mut writer =
            Writer::new(file).map_err(|error| Error::new("begin the file of packets", error))?;
        let end = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|error| Error::new("make an event descriptor", error))?;
        let (fd, epoll) = namespace.run(|| open(&end))?.map_err(|error| {
            let advice = (error == Errno::EPERM).then_some("it needs the capability CAP_NET_RAW");
            Error::new("listen to all packets of a namespace", error).advise(advice)
        })?;
        let thread = std::thread::Builder::new()
            .name("capture".into())
            .spawn(move || {
                let captured = record(&fd, &epoll, &mut writer)?;
                writer.finish()?;
                Ok(captured)
            })
            .map_err(|error| Error::new("start a thread", error))?;
        Ok(Self {
            end,
            thread: Some(thread),
        })
    }

    /// Ends with what has passed up to now.
    ///
    /// # Errors
    ///
    /// If packets could not be written.
    pub fn finish(mut self) -> Result<Captured, Error> {
        let captured = self.stop().unwrap_or_else(|| Ok(Captured::default()));
        captured.map_err(|error| Error::new("write packets down", error))
    }

    fn stop(&mut self) -> Option<io::Result<Captured>> {
        // A wish cannot fail: the counter is far from its end.
        let _ = self.end.write(1);
        match self.thread.take()?.join() {
            Ok(captured) => Some(captured),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = self.stop();
        }
    }
}

/// A socket that sees all packets of the namespace that the thread is in, and what waits for it.
fn open(end: &EventFd) -> nix::Result<(OwnedFd, Epoll)> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        flags,
        SockProtocol::EthAll,
    )?;
    setsockopt(&fd, ReceiveTimestampns, &true)?;
    setsockopt(&fd, RxqOvfl, &1)?;
    sockets::make_room(&fd);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&fd, EpollEvent::new(EpollFlags::EPOLLIN, SOCKET))?;
    epoll.add(end, EpollEvent::new(EpollFlags::EPOLLIN, END))?;
    Ok((fd, epoll))
}

/// Writes packets until the end is wished, and then those that have come before.
fn record<W: Write>(fd: &OwnedFd, epoll: &Epoll, writer: &mut Writer<W>) -> io::Result<Captured> {
    let mut captured = Captured::default();
    let mut buffer = vec![0; LONGEST as usize];
    let mut events = [EpollEvent::empty(); 2];
    let mut is_over = false;
    while !is_over {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        is_over = events.iter().take(ready).any(|event| event.data() == END);
        while take(fd, &mut buffer, writer, &mut captured)? {}
    }
    Ok(captured)
}

/// Takes one packet, if there is one.
fn take<W: Write>(
    fd: &OwnedFd,
    buffer: &mut [u8],
    writer: &mut Writer<W>,
    captured: &mut Captured,
) -> io::Result<bool> {
    let mut control = [0; 128];
    let (length, link, time) = {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let received = recvmsg::<LinkAddr>(fd.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let message = match received {
            Ok(message) => message,
            Err(Errno::EAGAIN) => return Ok(false),
            // A link that goes down is reported once.
            Err(Errno::EINTR | Errno::ENETDOWN) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let mut time = None;
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::ScmTimestampns(at) => time = Some(Duration::from(at)),
                ControlMessageOwned::RxqOvfl(lost) => captured.lost = lost,
                _ => {}
            }
        }
        (message.bytes, message.address, time)
    };
    let Some(link) = link else {
        return Ok(true);
    };
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    };
    let kept = buffer.get(..length.min(LONGEST as usize));
    writer.write(&Packet {
        time: time.unwrap_or_else(now),
        protocol: u16::from_be(link.protocol()),
        link: u32::try_from(link.ifindex()).unwrap_or_default(),
        link_type: link.hatype(),
        direction: link.pkttype(),
        sender: link.addr().unwrap_or_default(),
        bytes: kept.unwrap_or_default(),
        length,
    })?;
    captured.packets += 1;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_laid_out_as_its_format_says() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer
            .write(&Packet {
                time: Duration::new(1_000_000_000, 42),
                protocol: 0x0800,
                link: 7,
                link_type: 1,
                direction: 4,
                sender: [2, 0, 0, 0, 0, 1],
                bytes: &[0x45, 0, 0, 20],
                length: 84,
            })
            .unwrap();
        let file = writer.finish().unwrap();
        let word = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!(word(0), 0xa1b2_3c4d);
        assert_eq!(u16::from_ne_bytes(file[4..6].try_into().unwrap()), 2);
        assert_eq!(u16::from_ne_bytes(file[6..8].try_into().unwrap()), 4);
        assert_eq!(word(20), 276);
        assert_eq!(
            [word(24), word(28), word(32), word(36)],
            [1_000_000_000, 42, 24, 104]
        );
        let cooked = [8, 0, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(file[40..60], cooked);
        assert_eq!(file[60..], [0x45, 0, 0, 20]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error() {
        #[derive(Debug)]
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(
            Writer::new(Full).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
}
