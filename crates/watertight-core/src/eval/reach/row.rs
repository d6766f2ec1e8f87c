//! One row: with whom, on which ports, the endpoints with the same policies may talk.
//!
//! The rules of a row cut the ports of each protocol into bands in which the same rules match. For
//! each band the tiers are walked once, with sets of peers in place of one peer: what a rule matches
//! leaves the set of those that are still undecided.

use rustc_hash::FxHashMap;

use super::sets::{SetId, Sets};
use crate::policy::{Action, PolicyRef};
use crate::sets::Protocol;

/// Ports on which the same peers are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port; for ICMP the first message, its type in the high byte.
    pub first: u16,
    /// The last port, or message.
    pub last: u16,
    /// The peers that are allowed.
    pub allowed: SetId,
    /// Those that would be, or not, if the input said more (M-1); none of them is in `allowed`.
    pub maybe: SetId,
}

/// What one direction of some endpoints allows: bands ordered by protocol and ports. Nobody is allowed
/// on ports outside of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    bands: Box<[Band]>,
}

/// Every protocol, in the order of bands.
pub(super) const PROTOCOLS: [Protocol; 4] =
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];

impl Row {
    /// Everybody, on every port.
    pub(super) fn everything() -> Self {
        let band = |protocol| Band {
            protocol,
            first: 0,
            last: u16::MAX,
            allowed: SetId::ALL,
            maybe: SetId::NONE,
        };
        Self {
            bands: PROTOCOLS.map(band).into(),
        }
    }

    /// The bands, in order.
    #[must_use]
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }

    /// The band of a port, if anybody is, or may be, allowed on it.
    #[must_use]
    pub fn band(&self, protocol: Protocol, port: u16) -> Option<&Band> {
        let behind = self
            .bands
            .partition_point(|band| (band.protocol, band.first) <= (protocol, port));
        let band = self.bands.get(behind.checked_sub(1)?)?;
        (band.protocol == protocol && port <= band.last).then_some(band)
    }

    /// Whether everybody is allowed on every port.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.bands.len() == PROTOCOLS.len()
            && self
                .bands
                .iter()
                .all(|band| band.first == 0 && band.last == u16::MAX && band.allowed == SetId::ALL)
    }
}

/// A rule, or a part of it, on the ports of one band.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub protocol: Protocol,
    pub first: u16,
    pub last: u16,
    pub tier: usize,
    /// The number of its object, where that is tied with others.
    pub tie: Option<(u32, usize)>,
    pub action: Action,
    pub yes: SetId,
    pub maybe: SetId,
}

/// The tiers that take part, with whether they end in a deny.
#[derive(Clone, Debug, Default)]
pub(super) struct Tiers {
    tiers: Vec<(usize, bool)>,
}

impl Tiers {
    pub(super) fn new(policies: impl Iterator<Item = (PolicyRef, bool)>) -> Self {
        let mut tiers: Vec<(usize, bool)> = Vec::new();
        for (at, isolates) in policies {
            match tiers.last_mut() {
                Some((tier, isolated)) if *tier == at.tier => *isolated |= isolates,
                _ => tiers.push((at.tier, isolates)),
            }
        }
        Self { tiers }
    }
}

/// Rows of fewer items than this are made without a memory of what was met before.
const FEW: usize = 4;

/// Makes a row from the rules of its policies, in their order.
pub(super) fn compute(sets: &mut Sets, tiers: &Tiers, items: &[Item]) -> Row {
    let mut bands: Vec<Band> = Vec::new();
    let mut known: FxHashMap<Vec<usize>, (SetId, SetId)> = FxHashMap::default();
    for protocol in PROTOCOLS {
        cut(protocol, items, |first, last, active| {
            let (allowed, maybe) = match known.get(active) {
                Some(known) => *known,
                None => {
                    let found = walk(sets, tiers, items, active);
                    if items.len() >= FEW {
                        known.insert(active.to_vec(), found);
                    }
                    found
                }
            };
            if allowed == SetId::NONE && maybe == SetId::NONE {
                return;
            }
            match bands.last_mut() {
                Some(band)
                    if band.protocol == protocol
                        && band.last.checked_add(1) == Some(first)
                        && (band.allowed, band.maybe) == (allowed, maybe) =>
                {
                    band.last = last;
                }
                _ => bands.push(Band {
                    protocol,
                    first,
                    last,
                    allowed,
                    maybe,
                }),
            }
        });
    }
    Row {
        bands: bands.into_boxed_slice(),
    }
}

/// Tells the stretches of ports on which the same items are active, with those items in order.
fn cut(protocol: Protocol, items: &[Item], mut found: impl FnMut(u16, u16, &[usize])) {
    // Where an item begins (true) and where it has ended.
    let mut events: Vec<(u16, bool, usize)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if item.protocol == protocol && item.first <= item.last {
            events.push((item.first, true, index));
            events.extend(
                item.last
                    .checked_add(1)
                    .map(|behind| (behind, false, index)),
            );
        }
    }
    events.sort_unstable();
    let end = u16::MAX;
    let mut active: Vec<usize> = Vec::new();
    let mut start = 0;
    for (port, begins, index) in events {
        if let Some(before) = port.checked_sub(1)
            && start <= before
            && before <= end
        {
            found(start, before, &active);
            start = port;
        }
        match (active.binary_search(&index), begins) {
            (Err(at), true) => active.insert(at, index),
            (Ok(at), false) => {
                active.remove(at);
            }
            _ => {}
        }
    }
    if start <= end {
        found(start, end, &active);
    }
}

/// The tiers walked for all peers at once: who is allowed, and who may be.
fn walk(sets: &mut Sets, tiers: &Tiers, items: &[Item], active: &[usize]) -> (SetId, SetId) {
    let items = || active.iter().filter_map(|index| items.get(*index));
    let certain = |item: &Item| item.maybe == SetId::NONE && item.tie.is_none();
    if !items().all(certain) {
        let items: Vec<&Item> = items().collect();
        return Open::walk(sets, tiers, &items);
    }
    if let [(_, true)] = *tiers.tiers
        && items().all(|item| item.action == Action::Allow)
    {
        let allowed: Vec<SetId> = items().map(|item| item.yes).collect();
        return (sets.union(&allowed), SetId::NONE);
    }
    let mut remaining = SetId::ALL;
    let mut allowed = Vec::new();
    for (tier, isolates) in &tiers.tiers {
        let mut passed = SetId::NONE;
        let of_tier = items().filter(|item| item.tier == *tier && item.action != Action::Log);
        let of_tier: Vec<(Action, SetId)> = of_tier.map(|item| (item.action, item.yes)).collect();
        // Rules of one action behind each other are one rule.
        for alike in of_tier.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((action, _)) = alike.first() else {
                continue;
            };
            let meant: Vec<SetId> = alike.iter().map(|(_, yes)| *yes).collect();
            let meant = sets.union(&meant);
            let met = sets.intersection(remaining, meant);
            remaining = sets.difference(remaining, met);
            match action {
                Action::Allow => allowed.push(met),
                Action::Pass => passed = sets.union(&[passed, met]),
                Action::Deny | Action::Log => {}
            }
        }
        remaining = match isolates {
            true => passed,
            false => sets.union(&[remaining, passed]),
        };
    }
    allowed.push(remaining);
    (sets.union(&allowed), SetId::NONE)
}

/// A walk on which rules may or may not match, or may be asked in any order: a peer can be in
/// several places at once, and come to an allow as well as to a deny.
struct Open<'s> {
    sets: &'s mut Sets,
    /// Those for which some way leads here.
    here: SetId,
    passed: SetId,
    allow: Vec<SetId>,
    deny: Vec<SetId>,
}

impl Open<'_> {
    fn walk(sets: &mut Sets, tiers: &Tiers, items: &[&Item]) -> (SetId, SetId) {
        let mut open = Open {
            sets,
            here: SetId::ALL,
            passed: SetId::NONE,
            allow: Vec::new(),
            deny: Vec::new(),
        };
        for (tier, isolates) in &tiers.tiers {
            let of_tier: Vec<&Item> = items
                .iter()
                .copied()
                .filter(|item| item.tier == *tier && item.action != Action::Log)
                .collect();
            for tied in of_tier.chunk_by(|a, b| match (a.tie, b.tie) {
                (Some((a, _)), Some((b, _))) => a == b,
                _ => false,
            }) {
                open.tied(tied);
            }
            if *isolates {
                open.deny.push(open.here);
                open.here = SetId::NONE;
            }
            let passed = std::mem::replace(&mut open.passed, SetId::NONE);
            open.here = open.sets.union(&[open.here, passed]);
        }
        open.allow.push(open.here);
        let (allow, deny) = (open.sets.union(&open.allow), open.sets.union(&open.deny));
        let allowed = open.sets.difference(allow, deny);
        (allowed, open.sets.intersection(allow, deny))
    }

    /// The rules of policies of which any may be asked first, or one rule.
    fn tied(&mut self, items: &[&Item]) {
        let before = self.here;
        let mut decided = Vec::new();
        for policy in items.chunk_by(|a, b| a.tie == b.tie) {
            self.here = before;
            for item in policy {
                self.rule(item);
                decided.push(item.yes);
            }
        }
        let decided = self.sets.union(&decided);
        self.here = self.sets.difference(before, decided);
    }

    fn rule(&mut self, item: &Item) {
        let yes = self.sets.intersection(self.here, item.yes);
        let maybe = self.sets.intersection(self.here, item.maybe);
        self.here = self.sets.difference(self.here, yes);
        match item.action {
            Action::Allow => self.allow.extend([yes, maybe]),
            Action::Deny => self.deny.extend([yes, maybe]),
            Action::Pass => self.passed = self.sets.union(&[self.passed, yes, maybe]),
            Action::Log => {}
        }
    }
}
