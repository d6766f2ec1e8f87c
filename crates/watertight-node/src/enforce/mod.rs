//! Keeps the kernel of one node equal to a [`Table`], from one update to the next.
//!
//! The kernel filters by itself: nothing that happens to this process opens or closes anything. Who starts
//! anew finds what is in force and changes only what differs. Connections of an address that is no pod's any
//! more are forgotten behind the change, because packets that answer a connection are let through: whoever gets
//! the address next must not be answered for it. Other connections stay: packets that go the way of a
//! connection's first one are judged by the rules of the moment, each of them. One without permission is cut
//! in this way; what TCP sends back without being acknowledged ends with its window, but a stream of datagrams
//! that goes back unasked lasts until its sender pauses for as long as the kernel remembers.
//!
//! A [`Follower`] makes the tables, too, and follows pods one by one without looking at the rest of the cluster.
//!
//! INVARIANT: an update is in force as a whole or not at all, and [`Enforcer::table`] is what is in force. The
//! table is never taken away, not even when an [`Enforcer`] is dropped.

mod follow;
mod report;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use ipnet::IpNet;
use nix::errno::Errno;

use crate::netlink::{self, Socket, conntrack};
use crate::nft::delta::{self, Change, made};
use crate::nft::kernel::{self, Applied};
use crate::nft::{Contents, Set, Table};

pub use self::follow::Follower;
pub use self::report::{Error, Report};

/// How often a table is read and changed again because somebody changed rules in between.
const ATTEMPTS: usize = 32;

/// The sets of the addresses that pods of this node have.
const PODS: [&str; 2] = ["pods4", "pods6"];

/// Keeps the kernel equal to a table.
#[derive(Debug)]
pub struct Enforcer {
    socket: Socket,
    table: Table,
    /// Whether the kernel may hold something else: then it is read before it is changed.
    is_doubtful: bool,
    /// Addresses of pods that are gone, whose connections are not forgotten yet.
    gone: BTreeSet<IpAddr>,
    /// Where every address that is no pod's is one of a pod that may have gone before this process came.
    strange: Box<[IpNet]>,
}

impl Enforcer {
    /// Puts a table into force in the network namespace of a socket. What the kernel holds under its name is
    /// taken over, and changed only where it differs. Pods may have gone while nobody looked: connections of
    /// addresses in `ranges`, those that pods of the node can have, are forgotten if they are no pod's now.
    pub fn start(socket: Socket, table: Table, ranges: &[IpNet]) -> Result<(Self, Report), Error> {
        let mut enforcer = Self {
            socket,
            table: Table {
                name: table.name.clone(),
                ..Table::default()
            },
            is_doubtful: true,
            gone: BTreeSet::new(),
            strange: ranges.into(),
        };
        let report = enforcer.update(table)?;
        Ok((enforcer, report))
    }

    /// The table that is in force.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Puts another table of the same name into force. If the kernel refuses it, the old one stays.
    ///
    /// A pod that takes over the address of another within one update cannot be told from it by the table:
    /// see [`forget`](Self::forget).
    pub fn update(&mut self, new: Table) -> Result<Report, Error> {
        if new.name != self.table.name {
            let tried = format!(
                "put table `{}` in the place of `{}`",
                new.name, self.table.name
            );
            let cause = netlink::Error::invalid(tried, "an update keeps the name");
            return Err(Error::Refused { cause });
        }
        let changes = match self.is_doubtful {
            // What changes is known when the kernel is read.
            true => Vec::new(),
            false => delta::changes(&self.table, &new),
        };
        self.change(&changes, &new)
    }

    /// The same for changes that are known to make the new table of the one that is in force.
    fn change(&mut self, changes: &[Change], new: &Table) -> Result<Report, Error> {
        let started = Instant::now();
        let mut report = if self.is_doubtful {
            let report = self.adopt(new)?;
            self.table.clone_from(new);
            report
        } else {
            match kernel::apply(&mut self.socket, &new.name, changes) {
                Ok(applied) => {
                    let before = pods(&self.table);
                    made::make(&mut self.table, changes);
                    debug_assert_eq!(&self.table, new);
                    self.gone.extend(before.difference(&pods(new)));
                    self.report(changes, applied)
                }
                // Either the kernel does not take it, or it does not hold what it should: then it is
                // corrected, if it can be.
                Err(cause) => {
                    let report = self.recover(new, cause)?;
                    self.table.clone_from(new);
                    report
                }
            }
        };
        report.committed = started.elapsed();
        self.forget_gone(&mut report)?;
        report.took = started.elapsed();
        Ok(report)
    }

    /// Reads what the kernel holds and corrects it if it is not what should be in force: others have changed
    /// the table.
    pub fn repair(&mut self) -> Result<Report, Error> {
        self.is_doubtful = true;
        self.update(self.table.clone())
    }

    /// Forgets the connections of addresses, which have changed hands: pods of other nodes, or a pod that has
    /// the address of one that went in the same update. How many connections they were.
    pub fn forget(&mut self, ips: &[IpAddr]) -> Result<usize, Error> {
        self.gone.extend(ips);
        let mut report = Report::default();
        self.forget_gone(&mut report)?;
        Ok(report.forgotten)
    }

    /// What the kernel holds becomes the table, whatever it is.
    fn adopt(&mut self, new: &Table) -> Result<Report, Error> {
        let name = &new.name;
        let refused = |cause| Error::Refused { cause };
        for _ in 0..ATTEMPTS {
            let generation = kernel::generation(&mut self.socket).map_err(refused)?;
            let held = kernel::read(&mut self.socket, name).map_err(refused)?;
            let (changes, generation) = match &held {
                None => (delta::creation(new), generation),
                Some(held) => (delta::adoption(held, new), held.generation),
            };
            match kernel::apply_after(&mut self.socket, name, &changes, Some(generation)) {
                Ok(applied) => {
                    self.is_doubtful = false;
                    let sets = held.iter().flat_map(|held| {
                        let sets = PODS.iter().filter_map(|name| held.sets.get(*name));
                        sets.flatten()
                    });
                    // Whoever changed the table may have left out pods that this process knew.
                    let mut before: BTreeSet<IpAddr> = sets.flat_map(members).collect();
                    before.extend(pods(&self.table));
                    self.gone.extend(before.difference(&pods(new)));
                    return Ok(Report {
                        is_adopted: held.is_some(),
                        ..self.report(&changes, applied)
                    });
                }
                Err(cause) if cause.is_outdated() => {}
                Err(cause) => return Err(Error::Refused { cause }),
            }
        }
        let tried = format!("change table `{name}`: others change rules all the time");
        let cause = netlink::Error::new(tried, Errno::ERESTART);
        Err(Error::Refused { cause })
    }

    /// What became of changes that are in force. What is left over is found by reading.
    fn report(&mut self, changes: &[Change], applied: Applied) -> Report {
        self.is_doubtful |= applied.leftover.is_some();
        Report {
            leftover: applied.leftover,
            ..Report::of(changes)
        }
    }

    /// A change failed. If the kernel holds what was in force, that stays and the new table is to blame;
    /// otherwise what it holds becomes the new table.
    fn recover(&mut self, new: &Table, cause: netlink::Error) -> Result<Report, Error> {
        self.is_doubtful = true;
        match kernel::read(&mut self.socket, &new.name) {
            Ok(Some(held)) if delta::adoption(&held, &self.table).is_empty() => {
                self.is_doubtful = false;
                Err(Error::Refused { cause })
            }
            Ok(_) => self.adopt(new).map_err(|_| Error::Doubtful { cause }),
            Err(_) => Err(Error::Doubtful { cause }),
        }
    }

    /// Connections of pods that are gone; what fails is tried again with the next update.
    fn forget_gone(&mut self, report: &mut Report) -> Result<(), Error> {
        let remembered = |cause| Error::Remembered { cause };
        if !self.strange.is_empty() {
            let pods = pods(&self.table);
            let is_gone = |ip: IpAddr| {
                let is_strange = || self.strange.iter().any(|net| net.contains(&ip));
                self.gone.contains(&ip) || (!pods.contains(&ip) && is_strange())
            };
            report.forgotten +=
                conntrack::flush_if(&mut self.socket, is_gone).map_err(remembered)?;
            self.strange = Box::default();
        } else {
            report.forgotten +=
                conntrack::flush(&mut self.socket, &self.gone).map_err(remembered)?;
        }
        self.gone.clear();
        Ok(())
    }
}

/// The addresses of the pods that a table knows.
fn pods(table: &Table) -> BTreeSet<IpAddr> {
    let sets = PODS.iter().filter_map(|name| table.sets.get(*name));
    sets.flat_map(members).collect()
}

fn members(set: &Set) -> impl Iterator<Item = IpAddr> {
    let members = match &set.contents {
        Contents::Members(members) => members.as_slice(),
        _ => &[],
    };
    members.iter().filter_map(|element| {
        let bytes = element.first.as_slice();
        match bytes.len() {
            4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
            16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::{Bytes, Element, KeyType};

    #[test]
    fn pods_are_known_by_their_addresses_of_both_families() {
        let ips: [IpAddr; 3] = ["10.0.0.1", "10.0.0.2", "fd00::1"].map(|ip| ip.parse().unwrap());
        let set = |key, ips: &[IpAddr]| Set {
            key: vec![key],
            ranges: false,
            contents: Contents::Members(
                ips.iter()
                    .map(|ip| Element::one(Bytes::EMPTY.ip(*ip)))
                    .collect(),
            ),
        };
        let table = Table {
            sets: [
                ("pods4".into(), set(KeyType::V4, &ips[..2])),
                ("pods6".into(), set(KeyType::V6, &ips[2..])),
                (
                    "s4_others".into(),
                    set(KeyType::V4, &["10.0.0.3".parse().unwrap()]),
                ),
            ]
            .into(),
            ..Table::default()
        };
        assert_eq!(pods(&table), ips.into());
    }
}
