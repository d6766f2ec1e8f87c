//! The rows of one direction as the map needs them: bands with the plain sets that they are unions
//! of, and what a set has in common with the classes of a unit.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::profile::{Answer, ProfileId, Profiles, Span};
use crate::eval::Family;
use crate::eval::reach::{Peer, RowId, SetId, Side};
use crate::sets::{Protocol, Runs};

/// How much of some classes a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Share {
    /// Nothing.
    None,
    /// A part.
    Some,
    /// Everything.
    All,
}

/// The plain set of everybody.
pub(super) const EVERYBODY: u32 = 0;

/// A band whose sets are lists of plain sets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PlainBand {
    pub protocol: Protocol,
    pub first: u16,
    pub last: u16,
    pub allowed: Box<[u32]>,
    pub maybe: Box<[u32]>,
}

impl PlainBand {
    pub(super) fn plain(&self) -> impl Iterator<Item = u32> + '_ {
        self.allowed.iter().chain(&self.maybe).copied()
    }
}

/// The rows of one direction that are in use.
#[derive(Debug)]
pub(super) struct PlainSide<'r> {
    /// By row.
    rows: Vec<Option<Box<[PlainBand]>>>,
    /// By plain set: the classes over IPv4 and over IPv6.
    classes: Vec<[Cow<'r, Runs<u32>>; 2]>,
    /// What is said of those of whom rows are not sure.
    unsure: Answer,
}

impl<'r> PlainSide<'r> {
    pub(super) fn new(side: &'r Side, rows: impl Iterator<Item = RowId>, unsure: Answer) -> Self {
        let mut plain = Self {
            rows: vec![None; side.rows().len()],
            classes: vec![[Cow::Owned(Runs::all()), Cow::Owned(Runs::all())]],
            unsure,
        };
        let mut numbers: FxHashMap<SetId, u32> = std::iter::once((SetId::ALL, EVERYBODY)).collect();
        for row in rows {
            let Some(None) = plain.rows.get(row.index()) else {
                continue;
            };
            let mut list = |set: SetId| -> Box<[u32]> {
                if set == SetId::NONE {
                    return Box::default();
                }
                let members = side.sets().members(set);
                let members = members.into_iter().map(|member| {
                    *numbers.entry(member).or_insert_with(|| {
                        let classes = [Family::V4, Family::V6]
                            .map(|family| side.sets().classes(member, family));
                        plain.classes.push(classes);
                        u32::try_from(plain.classes.len() - 1).unwrap_or(u32::MAX)
                    })
                });
                members.collect()
            };
            let bands = side.row(row).bands().iter();
            let bands = bands.filter(|band| band.protocol != Protocol::Icmp);
            let bands = bands.map(|band| PlainBand {
                protocol: band.protocol,
                first: band.first,
                last: band.last,
                allowed: list(band.allowed),
                maybe: list(band.maybe),
            });
            let bands = bands.collect();
            if let Some(entry) = plain.rows.get_mut(row.index()) {
                *entry = Some(bands);
            }
        }
        plain
    }

    /// The bands of a row; none if it is not in use.
    pub(super) fn bands(&self, row: RowId) -> &[PlainBand] {
        let row = self.rows.get(row.index());
        row.and_then(|row| row.as_deref()).unwrap_or_default()
    }

    /// The number of plain sets.
    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    /// The classes of a plain set.
    #[expect(clippy::indexing_slicing, reason = "plain sets are only made by `new`")]
    pub(super) fn classes(&self, plain: u32, family: Family) -> &Runs<u32> {
        let [v4, v6] = &self.classes[plain as usize];
        if family == Family::V4 { v4 } else { v6 }
    }

    /// What a plain set holds of some classes.
    pub(super) fn share(&self, plain: u32, family: Family, classes: &Runs<u32>) -> Share {
        if plain == EVERYBODY {
            return Share::All;
        }
        let of = self.classes(plain, family);
        if classes.is_subset(of) {
            Share::All
        } else if classes.touches(of) {
            Share::Some
        } else {
            Share::None
        }
    }

    /// What the union of plain sets holds of some classes; `share` is asked about each.
    pub(super) fn share_of_union(
        &self,
        list: &[u32],
        family: Family,
        classes: &Runs<u32>,
        mut share: impl FnMut(u32) -> Share,
    ) -> Share {
        let mut parts = 0;
        for plain in list {
            match share(*plain) {
                Share::All => return Share::All,
                Share::Some => parts += 1,
                Share::None => {}
            }
        }
        match parts {
            0 => Share::None,
            1 => Share::Some,
            _ => {
                let parts: Vec<Runs<u32>> = list
                    .iter()
                    .map(|plain| self.classes(*plain, family).intersection(classes))
                    .collect();
                if classes.is_subset(&Runs::union_of(&parts)) {
                    Share::All
                } else {
                    Share::Some
                }
            }
        }
    }

    /// What bands say about peers of some classes.
    pub(super) fn profile(
        &self,
        profiles: &mut Profiles,
        bands: &[PlainBand],
        family: Family,
        classes: &Runs<u32>,
        mut share: impl FnMut(u32) -> Share,
    ) -> ProfileId {
        let mut spans = Vec::with_capacity(bands.len());
        for band in bands {
            let allowed = self.share_of_union(&band.allowed, family, classes, &mut share);
            if allowed == Share::All {
                spans.push(span(band, Answer::Allowed, Answer::Allowed));
                continue;
            }
            let maybe = self.share_of_union(&band.maybe, family, classes, &mut share);
            let most = match (allowed, maybe) {
                (Share::None, Share::None) => continue,
                (Share::None, _) => self.unsure,
                _ => Answer::Allowed,
            };
            let everyone = maybe == Share::All
                || (allowed, maybe) == (Share::Some, Share::Some) && {
                    let both: Vec<u32> = band.plain().collect();
                    let union = self.share_of_union(&both, family, classes, &mut share);
                    union == Share::All
                };
            let least = if everyone {
                self.unsure
            } else {
                Answer::Denied
            };
            spans.push(span(band, most, least));
        }
        profiles.intern(spans)
    }
}

/// What a row says about one class.
pub(super) fn of_class(
    side: &Side,
    profiles: &mut Profiles,
    (row, class): (RowId, u32),
    family: Family,
    unsure: Answer,
) -> ProfileId {
    let (sets, peer) = (side.sets(), Peer::Class(class, family));
    let spans = side.row(row).bands().iter().filter_map(|band| {
        let answer = if sets.has(band.allowed, peer) {
            Answer::Allowed
        } else if sets.has(band.maybe, peer) {
            unsure
        } else {
            return None;
        };
        Some(Span {
            protocol: band.protocol,
            first: band.first,
            last: band.last,
            most: answer,
            least: answer,
        })
    });
    let spans = spans.collect();
    profiles.intern(spans)
}

fn span(band: &PlainBand, most: Answer, least: Answer) -> Span {
    Span {
        protocol: band.protocol,
        first: band.first,
        last: band.last,
        most,
        least,
    }
}
