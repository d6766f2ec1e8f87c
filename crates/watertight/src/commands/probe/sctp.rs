//! SCTP, in the style that works as TCP does: one socket, one association, one stream of messages.
//!
//! INVARIANT: no socket is made where SCTP is not loaded: a kernel loads it for whoever asks for one, and many nodes
//! are to stay without it.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// IPPROTO_SCTP
const SCTP: i32 = 132;
/// What the kernel speaks, whoever asks.
const SPOKEN: &str = "/proc/net/protocols";
/// Associations that wait to be accepted.
const WAITING: u32 = 128;

/// Whether the kernel speaks SCTP already.
pub(super) fn is_loaded() -> bool {
    std::fs::read_to_string(SPOKEN).is_ok_and(|text| has_sctp(&text))
}

fn has_sctp(protocols: &str) -> bool {
    let mut names = protocols.lines().filter_map(|line| line.split(' ').next());
    names.any(|name| name == "SCTP" || name == "SCTPv6")
}

fn socket(address: &SocketAddr) -> io::Result<TcpSocket> {
    if !is_loaded() {
        let message = "the kernel has not loaded SCTP";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    let socket = Socket::new(
        Domain::for_address(*address),
        Type::STREAM,
        Some(Protocol::from(SCTP)),
    )?;
    socket.set_nonblocking(true)?;
    Ok(TcpSocket::from_std_stream(socket.into()))
}

/// Listens at an address.
pub(super) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(&address)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Connects to an address.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    socket(&address)?.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_it_speaks() {
        let head = "protocol  size sockets  memory press maxhdr  slab module     cl co di ac\n";
        assert!(!has_sctp(&format!(
            "{head}TCPv6     2512     12       0   no     256   yes\n"
        )));
        assert!(has_sctp(&format!(
            "{head}SCTPv6    1736      0       0   no       0   yes\n"
        )));
    }

    /// Where the kernel of this machine has SCTP, an association is made; elsewhere no socket is asked for.
    #[tokio::test]
    async fn an_association_is_made_where_sctp_is_loaded() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = listen(([127, 0, 0, 1], 0).into()).await;
        if !is_loaded() {
            let error = listener.unwrap_err();
            assert_eq!(error.to_string(), "the kernel has not loaded SCTP");
            return;
        }
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        let (served, dialled) = tokio::join!(listener.accept(), connect(address));
        let (mut served, mut dialled) = (served.unwrap().0, dialled.unwrap());
        served.write_all(b"watertight heron\n").await.unwrap();
        served.shutdown().await.unwrap();
        let mut said = String::new();
        dialled.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "watertight heron\n");
    }
}
