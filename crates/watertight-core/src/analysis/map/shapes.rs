//! What destinations have in common: units that accept the same from elsewhere share a shape, and an
//! index tells which shapes a source may meet.
//!
//! A shape leaves out what a unit accepts from itself alone, because a unit is compared with itself
//! pair by pair. So namespaces of one pattern share one, and a source is held against shapes instead
//! of against destinations. INVARIANT: a source that the index does not lead to a shape is denied by
//! all of its members on every port.

use rustc_hash::FxHashMap;

use super::parts::Part;
use super::sides::{EVERYBODY, PlainBand, PlainSide};
use super::units::Families;
use crate::eval::Family;
use crate::eval::reach::RowId;

/// What some members of a destination accept from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ShapePart {
    pub families: Families,
    /// Whether they accept everything.
    pub open: bool,
    pub bands: Box<[PlainBand]>,
}

/// What a destination accepts from elsewhere.
#[derive(Debug)]
pub(super) struct Shape {
    /// Positions in the list of all parts, each once.
    pub parts: Box<[u32]>,
    /// The destinations, in order.
    pub targets: Vec<u32>,
}

/// All shapes, and who may meet them.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    pub all: Vec<Shape>,
    /// Shapes have parts in common.
    pub parts: Vec<ShapePart>,
    /// Shapes that any source may meet.
    always: Vec<u32>,
    /// By source: plain sets with some of its classes.
    of_source: Vec<Vec<u32>>,
    /// By plain set: the shapes that name it.
    naming: FxHashMap<u32, Vec<u32>>,
}

/// Who has classes of a plain set.
enum Spread {
    /// These sources, in order.
    Few(Vec<u32>),
    /// Too many to list.
    Many,
}

/// From classes to units.
#[derive(Debug, Default)]
pub(super) struct ByClass {
    starts: Vec<u32>,
    units: Vec<u32>,
}

impl ByClass {
    /// From pairs of class and unit.
    pub(super) fn new(classes: usize, mut pairs: Vec<(u32, u32)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let mut starts = vec![0u32; classes + 1];
        for (class, _) in &pairs {
            if let Some(count) = starts.get_mut(*class as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Self {
            starts,
            units: pairs.into_iter().map(|(_, unit)| unit).collect(),
        }
    }

    fn start(&self, class: usize) -> usize {
        let start = self.starts.get(class).or(self.starts.last());
        start.map_or(0, |start| *start as usize)
    }

    /// The units with classes of a run; some may come more than once.
    pub(super) fn of_run(&self, first: u32, last: u32) -> &[u32] {
        let (from, to) = (
            self.start(first as usize),
            self.start((last as usize).saturating_add(1)),
        );
        self.units.get(from..to).unwrap_or_default()
    }
}

impl Shapes {
    /// `parts` are those of the destinations that rows alone decide about, `overlapping` tells which
    /// sources have members in common with a destination.
    pub(super) fn new<'p>(
        ingress: &PlainSide<'_>,
        sources: &ByClass,
        source_count: usize,
        targets: impl Iterator<Item = (u32, &'p [Part])>,
        overlapping: impl Fn(u32) -> Vec<u32>,
    ) -> Self {
        let mut spreads: Vec<Option<Spread>> = Vec::new();
        spreads.resize_with(ingress.len(), || None);
        let mut stamps = vec![u32::MAX; source_count];
        let mut shapes = Self {
            of_source: vec![Vec::new(); source_count],
            ..Self::default()
        };
        let mut known: FxHashMap<Box<[u32]>, u32> = FxHashMap::default();
        let mut known_parts: FxHashMap<ShapePart, u32> = FxHashMap::default();
        for (target, parts) in targets {
            let own = overlapping(target);
            let mut keep = |list: &[u32]| -> Box<[u32]> {
                let kept = list.iter().copied().filter(|plain| {
                    let Some(spread) = spreads.get_mut(*plain as usize) else {
                        return true;
                    };
                    let spread = spread
                        .get_or_insert_with(|| spread_of(ingress, sources, *plain, &mut stamps));
                    match spread {
                        Spread::Few(units) => units.iter().any(|unit| !own.contains(unit)),
                        Spread::Many => true,
                    }
                });
                kept.collect()
            };
            let mut accepts = false;
            let mut shape: Vec<u32> = Vec::with_capacity(parts.len());
            for part in parts {
                let open = part.row == RowId::EVERYTHING;
                let bands = ingress.bands(part.row).iter().filter_map(|band| {
                    let (allowed, maybe) = (keep(&band.allowed), keep(&band.maybe));
                    let some = !allowed.is_empty() || !maybe.is_empty();
                    some.then(|| PlainBand {
                        allowed,
                        maybe,
                        ..band.clone()
                    })
                });
                let part = ShapePart {
                    families: part.families,
                    open,
                    bands: if open {
                        Box::default()
                    } else {
                        bands.collect()
                    },
                };
                accepts |= open || !part.bands.is_empty();
                shape.push(*known_parts.entry(part).or_insert_with_key(|part| {
                    shapes.parts.push(part.clone());
                    u32::try_from(shapes.parts.len() - 1).unwrap_or(u32::MAX)
                }));
            }
            if !accepts {
                continue;
            }
            shape.sort_unstable();
            shape.dedup();
            let next = u32::try_from(shapes.all.len()).unwrap_or(u32::MAX);
            let shape = shape.into_boxed_slice();
            let number = *known.entry(shape).or_insert_with_key(|shape| {
                shapes.all.push(Shape {
                    parts: shape.clone(),
                    targets: Vec::new(),
                });
                next
            });
            if let Some(shape) = shapes.all.get_mut(number as usize) {
                shape.targets.push(target);
            }
        }
        shapes.index(&spreads);
        shapes
    }

    fn index(&mut self, spreads: &[Option<Spread>]) {
        let mut seen: FxHashMap<u32, ()> = FxHashMap::default();
        for (number, shape) in (0..).zip(&self.all) {
            let parts = shape.parts.iter();
            let parts: Vec<&ShapePart> = parts
                .filter_map(|part| self.parts.get(*part as usize))
                .collect();
            let bands = parts.iter().flat_map(|part| &part.bands);
            let mut plain: Vec<u32> = bands.flat_map(PlainBand::plain).collect();
            plain.sort_unstable();
            plain.dedup();
            let is_few = |plain: &u32| {
                let spread = spreads.get(*plain as usize).and_then(Option::as_ref);
                *plain != EVERYBODY && matches!(spread, Some(Spread::Few(_)))
            };
            if parts.iter().any(|part| part.open) || !plain.iter().all(is_few) {
                self.always.push(number);
                continue;
            }
            for plain in plain {
                self.naming.entry(plain).or_default().push(number);
                if seen.insert(plain, ()).is_some() {
                    continue;
                }
                if let Some(Some(Spread::Few(units))) = spreads.get(plain as usize) {
                    for unit in units {
                        if let Some(list) = self.of_source.get_mut(*unit as usize) {
                            list.push(plain);
                        }
                    }
                }
            }
        }
    }

    /// The shapes that a source may meet, each once, in order.
    pub(super) fn candidates(&self, source: u32) -> Vec<u32> {
        let plain = self.of_source.get(source as usize);
        let plain = plain.map_or(&[][..], Vec::as_slice);
        let mut found = self.always.clone();
        found.extend(
            plain
                .iter()
                .filter_map(|plain| self.naming.get(plain))
                .flatten(),
        );
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn spread_of(ingress: &PlainSide<'_>, sources: &ByClass, plain: u32, stamps: &mut [u32]) -> Spread {
    if plain == EVERYBODY {
        return Spread::Many;
    }
    let many = (stamps.len() / 4).max(16);
    let mut units = Vec::new();
    for family in [Family::V4, Family::V6] {
        for (first, last) in ingress.classes(plain, family).iter() {
            for unit in sources.of_run(first, last) {
                let Some(stamp) = stamps.get_mut(*unit as usize) else {
                    continue;
                };
                if *stamp != plain {
                    *stamp = plain;
                    units.push(*unit);
                }
            }
            if units.len() > many {
                return Spread::Many;
            }
        }
    }
    units.sort_unstable();
    Spread::Few(units)
}
