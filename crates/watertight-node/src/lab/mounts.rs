//! A process of its own mounts, in which names are those of the lab.
//!
//! A network namespace has no files: `/etc/resolv.conf` and `/etc/hosts` would be those of the machine, and lead
//! to names that nobody in the lab knows. In mounts of its own a process sees others in their place.
//!
//! INVARIANT: nothing on the machine changes. What is mounted is seen by this process and those that it starts,
//! and the kernel takes it away with them.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::Error;
use super::state::{HeldPlace, Labs, State};
use crate::sys;

/// What a file holds where a pod or a node has its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFile {
    path: &'static str,
    text: String,
}

/// The files of a place of a lab.
#[must_use]
pub fn files(state: &State, place: &HeldPlace) -> [OwnFile; 2] {
    let servers: &[IpAddr] = match &*place.name {
        // Cluster addresses lead nowhere out there.
        "world" => &[],
        _ => &state.dns,
    };
    let mut resolv = format!("# The DNS of the lab `{}`\n", state.name);
    // A resolver looks at no more.
    for server in servers.iter().take(3) {
        let _ = writeln!(resolv, "nameserver {server}");
    }
    let names = "svc.cluster.local cluster.local";
    match place.name.split_once('/') {
        // As a kubelet writes it for pods.
        Some((namespace, _)) if !servers.is_empty() => {
            let _ = writeln!(
                resolv,
                "search {namespace}.svc.cluster.local {names}\noptions ndots:5"
            );
        }
        _ if !servers.is_empty() => {
            let _ = writeln!(resolv, "search {names}");
        }
        _ => resolv.push_str("# Nobody answers for names here\n"),
    }
    let mut hosts = String::from("127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
    let own = place.name.rsplit('/').next().unwrap_or_default();
    if own != "world" {
        for ip in &place.ips {
            let _ = writeln!(hosts, "{ip} {own}");
        }
    }
    [
        OwnFile {
            path: "/etc/resolv.conf",
            text: resolv,
        },
        OwnFile {
            path: "/etc/hosts",
            text: hosts,
        },
    ]
}

/// Gives the calling process mounts of its own, in which these files are in the place of the machine's. To be
/// called while it has one thread, with the network namespace entered before.
pub fn own(labs: &Labs, files: &[OwnFile]) -> Result<(), Error> {
    let failed =
        |doing: String| move |errno: nix::errno::Errno| system(sys::Error::new(doing, errno));
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed("make mounts of its own".into()))?;
    let nothing = None::<&str>;
    mount(
        nothing,
        "/",
        nothing,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        nothing,
    )
    .map_err(failed("keep mounts to itself".into()))?;
    // Files have to be somewhere before they can be mounted elsewhere.
    let shelf = labs.path();
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let options = Some("mode=0755,size=64k");
    mount(Some("watertight"), shelf, Some("tmpfs"), flags, options)
        .map_err(failed(format!("mount a tmpfs at {}", shelf.display())))?;
    let mounted = files.iter().try_for_each(|file| put(shelf, file));
    // Mounted files stay.
    umount2(shelf, MntFlags::MNT_DETACH).map_err(failed(format!(
        "take the tmpfs at {} away",
        shelf.display()
    )))?;
    // The devices of this network; nothing depends on it.
    let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), flags, nothing);
    mounted
}

/// Writes a file on the shelf, and mounts it where it belongs.
fn put(shelf: &Path, file: &OwnFile) -> Result<(), Error> {
    let doing = || format!("put {} in its place", file.path);
    let name = file.path.replace('/', "_");
    let source = shelf.join(name);
    fs::write(&source, &file.text).map_err(|error| system(sys::Error::new(doing(), error)))?;
    // It may be a link.
    let target =
        fs::canonicalize(file.path).map_err(|error| system(sys::Error::new(doing(), error)))?;
    let nothing = None::<&str>;
    mount(Some(&source), &target, nothing, MsFlags::MS_BIND, nothing)
        .map_err(|errno| system(sys::Error::new(doing(), errno)))
}

fn system(cause: sys::Error) -> Error {
    Error::system("give it files of its own")(cause)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::expect;

    use super::*;
    use crate::sys::process::Process;

    fn shown(place: &str, dns: &[&str]) -> String {
        let place = HeldPlace {
            name: place.into(),
            node: None,
            ips: vec!["10.244.0.2".parse().unwrap(), "fd00::2".parse().unwrap()],
            descriptor: 3,
        };
        let state = State {
            name: "one".into(),
            holder: Process::current().unwrap(),
            places: Vec::new(),
            host_pods: BTreeMap::new(),
            dns: dns.iter().map(|ip| ip.parse().unwrap()).collect(),
        };
        let files = files(&state, &place);
        files
            .map(|file| format!("{}:\n{}", file.path, file.text))
            .concat()
    }

    #[test]
    fn a_pod_has_the_files_that_a_kubelet_writes() {
        expect![[r#"
            /etc/resolv.conf:
            # The DNS of the lab `one`
            nameserver 10.96.0.10
            nameserver fd00:96::a
            search shop.svc.cluster.local svc.cluster.local cluster.local
            options ndots:5
            /etc/hosts:
            127.0.0.1 localhost
            ::1 localhost ip6-localhost
            10.244.0.2 web
            fd00::2 web
        "#]]
        .assert_eq(&shown("shop/web", &["10.96.0.10", "fd00:96::a"]));
    }

    #[test]
    fn a_node_searches_services_and_the_world_knows_no_names() {
        expect![[r#"
            /etc/resolv.conf:
            # The DNS of the lab `one`
            nameserver 10.96.0.10
            search svc.cluster.local cluster.local
            /etc/hosts:
            127.0.0.1 localhost
            ::1 localhost ip6-localhost
            10.244.0.2 node-1
            fd00::2 node-1
        "#]]
        .assert_eq(&shown("node-1", &["10.96.0.10"]));
        expect![[r#"
            /etc/resolv.conf:
            # The DNS of the lab `one`
            # Nobody answers for names here
            /etc/hosts:
            127.0.0.1 localhost
            ::1 localhost ip6-localhost
        "#]]
        .assert_eq(&shown("world", &["10.96.0.10"]));
        expect![[r#"
            /etc/resolv.conf:
            # The DNS of the lab `one`
            # Nobody answers for names here
            /etc/hosts:
            127.0.0.1 localhost
            ::1 localhost ip6-localhost
            10.244.0.2 web
            fd00::2 web
        "#]]
        .assert_eq(&shown("shop/web", &[]));
    }
}
