//! What listeners do besides answering probes, and packets that are written down.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use watertight_core::sets::Protocol::{Tcp, Udp};
use watertight_node::probe::pcap::Capture;
use watertight_node::probe::{self, Names, Outcome};

use super::net::{self, Net, v4, v6};
use super::{BOTH, ask, listen, question};

pub(super) fn names_are_answered_from_the_table() -> crate::Outcome {
    let net = Net::new(2);
    let mut names = Names::default();
    names.add("web.shop", "10.96.0.1".parse().unwrap());
    let listeners = [Tcp, Udp]
        .map(|protocol| net.listener(1, protocol, 53))
        .to_vec();
    let _listeners = probe::listen_with_names(listeners, names).unwrap();
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03web\x04shop\0\0\x01\0\x01";
    net::run(&net.parties[0].namespace, || {
        let patience = Some(Duration::from_secs(5));
        for address in BOTH {
            let to = SocketAddr::new(address(1), 53);
            let any = SocketAddr::new(
                if to.is_ipv4() {
                    [0; 4].into()
                } else {
                    [0; 16].into()
                },
                0,
            );
            let socket = UdpSocket::bind(any).unwrap();
            socket.set_read_timeout(patience).unwrap();
            socket.send_to(query, to).unwrap();
            let mut buffer = [0; 512];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(from, to, "from the address that was asked");
            assert!(buffer[..length].ends_with(&[0, 4, 10, 96, 0, 1]));

            let mut stream = TcpStream::connect(to).unwrap();
            stream.set_read_timeout(patience).unwrap();
            // Twice on the same stream.
            for _ in 0..2 {
                stream
                    .write_all(&[0, u8::try_from(query.len()).unwrap()])
                    .unwrap();
                stream.write_all(query).unwrap();
                let mut long = vec![0; length + 2];
                stream.read_exact(&mut long).unwrap();
                assert_eq!(long[2..], buffer[..length]);
            }
        }
    });
    crate::Outcome::Passed
}

pub(super) fn taken_ports_are_errors_of_the_listener() -> crate::Outcome {
    let net = Net::new(1);
    let first = probe::listen(vec![net.listener(0, Tcp, 80)]).unwrap();
    net::run(&net.parties[0].namespace, || {
        std::net::TcpListener::bind("0.0.0.0:81").unwrap();
        let taken = std::net::TcpListener::bind("0.0.0.0:82").unwrap();
        let error = probe::listen(vec![net.listener(0, Tcp, 82)])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("could not listen at `pod0` 82/tcp: "),
            "{error}"
        );
        drop(taken);
    });
    // The port is free again as soon as the listeners are gone.
    drop(first);
    net::run(&net.parties[0].namespace, || {
        std::net::TcpListener::bind("0.0.0.0:80").unwrap();
    });
    crate::Outcome::Passed
}

pub(super) fn captured_packets_are_in_the_file() -> crate::Outcome {
    let net = Net::new(2);
    let _listeners = listen(&net, &[80]);
    let path = std::env::temp_dir().join(format!("watertight-{}.pcap", std::process::id()));
    let file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let capture = Capture::start(&net.router, file).unwrap();
    let asked = [question(0, v4(1), Udp, 80), question(0, v6(1), Tcp, 80)];
    for answer in ask(&net, &[], &asked) {
        assert!(matches!(answer.outcome, Outcome::Open { .. }), "{answer:?}");
    }
    let captured = capture.finish().unwrap();
    let file = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();

    let word = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!((word(0), word(20)), (0xa1b2_3c4d, 276));
    let (mut at, mut packets) = (24, Vec::new());
    while at < file.len() {
        let length = word(at + 8) as usize;
        assert_eq!(word(at + 12) as usize, length, "nothing is cut off");
        packets.push(&file[at + 16..at + 16 + length]);
        at += 16 + length;
    }
    assert_eq!((at, packets.len() as u64), (file.len(), captured.packets));
    assert_eq!(captured.lost, 0);
    // The question over UDP comes in through one link and goes out through the other.
    let questions: Vec<(u16, u32, u8)> = packets
        .iter()
        .filter(|packet| packet[..2] == [8, 0] && packet[20 + 9] == 17)
        .filter(|packet| packet[20 + 28..].starts_with(b"wt? "))
        .map(|packet| {
            let link = u32::from_be_bytes(packet[4..8].try_into().unwrap());
            (u16::from_be_bytes([packet[8], packet[9]]), link, packet[10])
        })
        .collect();
    assert_eq!(questions, [(1, 10, 0), (1, 11, 4)]);
    let to_port_80 = |packet: &&&[u8]| packet[..2] == [0x86, 0xdd] && packet[62..64] == [0, 80];
    assert!(
        packets.iter().filter(to_port_80).count() >= 6,
        "a connection over TCP and IPv6"
    );
    crate::Outcome::Passed
}
