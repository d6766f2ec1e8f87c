//! The error queue of a socket: what came back instead of an answer, and who sent it.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// An error of ICMP or ICMPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Its type.
    pub(super) kind: u8,
    /// Its code.
    pub(super) code: u8,
    /// Its sender, if the kernel says.
    pub(super) by: Option<IpAddr>,
    /// What it quotes of our packet, after its headers (of a raw socket: after the IP header).
    pub(super) quoted: Vec<u8>,
}

/// The next entry of the queue; none if there is no more. Errors of our own kernel are passed over: it has
/// returned them already.
pub(super) fn next(fd: &OwnedFd) -> Option<Complaint> {
    loop {
        let mut buffer = [0; 576];
        let mut control = [0; 256];
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<()>(fd.as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
        let length = message.bytes;
        let complaint = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, by) => {
                let by = by.filter(|by| i32::from(by.sin_family) == libc::AF_INET);
                let by = by.map(|by| Ipv4Addr::from(by.sin_addr.s_addr.to_ne_bytes()).into());
                Some((error, by))
            }
            ControlMessageOwned::Ipv6RecvErr(error, by) => {
                let by = by.filter(|by| i32::from(by.sin6_family) == libc::AF_INET6);
                let by = by.map(|by| Ipv6Addr::from(by.sin6_addr.s6_addr).into());
                Some((error, by))
            }
            _ => None,
        });
        let Some((error, by)) = complaint else {
            continue;
        };
        if matches!(
            error.ee_origin,
            libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6
        ) {
            return Some(Complaint {
                kind: error.ee_type,
                code: error.ee_code,
                by,
                quoted: buffer.get(..length).unwrap_or_default().to_vec(),
            });
        }
    }
}
