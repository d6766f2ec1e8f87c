//! Bands of ports: `between`, `decide` and the rows themselves, at every bound and its neighbours.

use std::collections::BTreeSet;

use watertight_core::eval::reach::{Band, Outcome, Peer, Ports, Reach, RowId};
use watertight_core::eval::{Connection, Evaluator, Family, Icmp as Message, Party, Reason};
use watertight_core::manifest::Direction;
use watertight_core::sets::Protocol;
use watertight_core::world::Lifecycle;

use super::{of_side, outcome, under};
use crate::runner::{hold, questions_at_most};
use crate::worlds::read::{Read, read};
use crate::worlds::{Asked, fading, name, read_under, readings, rewriting, sample, worlds};

const PROTOCOLS: [Protocol; 4] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];

/// Ports around the bounds of bands, or those that are asked about anyway.
fn around(bounds: impl Iterator<Item = (u16, u16)>, asked: &Asked<'_>) -> BTreeSet<u16> {
    let bounds = bounds.flat_map(|(first, last)| [first, last]);
    let near = bounds.flat_map(|it| [it.saturating_sub(1), it, it.saturating_add(1)]);
    near.chain(asked.ports.iter().copied()).collect()
}

fn connection(from: Party, to: Party, protocol: Protocol, port: u16) -> Connection {
    let mut connection = Connection::new(from, to, protocol, port);
    if protocol == Protocol::Icmp {
        let [kind, code] = port.to_be_bytes();
        connection.port = None;
        connection.icmp = Some(Message { kind, code });
    }
    connection
}

/// In order, apart, none denied, and none to be joined with the next one.
fn is_well_formed(ports: &[Ports]) -> bool {
    let inside = |it: &Ports| it.first <= it.last && it.outcome != Outcome::Denied;
    let apart = |a: &Ports, b: &Ports| {
        a.protocol < b.protocol
            || a.protocol == b.protocol
                && a.last < b.first
                && (a.outcome != b.outcome || a.last + 1 < b.first)
    };
    ports.iter().all(inside) && ports.windows(2).all(|pair| apart(&pair[0], &pair[1]))
}

/// What `between` lists is what verdicts let through.
fn between_agrees(eval: &Evaluator<'_>, asked: &Asked<'_>) -> Result<(), String> {
    let reach = Reach::new(eval);
    let all: Vec<Party> = asked.parties.iter().chain(&asked.owned).copied().collect();
    let pairs = all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b)));
    let at_most = questions_at_most() / asked.ports.len();
    for (from, to) in sample(pairs.collect(), at_most) {
        let found = reach.between(eval, from, to);
        let problem = |what: &str, at: &Connection| {
            let verdict = eval.verdict(at);
            format!(
                "{}: {what}\n  {found:?}\n  {verdict:?}",
                name(eval.world, at)
            )
        };
        let any = connection(from, to, Protocol::Tcp, 1);
        let by_policies = eval.verdict(&any).reason == Reason::Policies;
        if found.is_some() != by_policies {
            return Err(problem("is something else than policies asked?", &any));
        }
        let Some(ports) = &found else {
            continue;
        };
        if !is_well_formed(ports) {
            return Err(problem("the list is malformed", &any));
        }
        for protocol in PROTOCOLS {
            let of = || ports.iter().filter(|it| it.protocol == protocol);
            for port in around(of().map(|it| (it.first, it.last)), asked) {
                let listed = of().find(|it| (it.first..=it.last).contains(&port));
                let got = listed.map_or(Outcome::Denied, |it| it.outcome);
                let asked = connection(from, to, protocol, port);
                if outcome(&eval.verdict(&asked)) != got {
                    return Err(problem("another outcome", &asked));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn between_lists_what_verdicts_let_through() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let asked = Asked::of(&read.world, &read.ruleset);
        between_agrees(&read.evaluator(), &asked).map_err(|it| under(&read.ruleset, it))
    });
}

#[test]
fn between_lists_what_verdicts_let_through_under_any_ruleset() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(150, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let asked = Asked::of(&read.world, &read.ruleset);
        between_agrees(&read.evaluator(), &asked).map_err(|it| under(&read.ruleset, it))
    });
}

/// One direction of one endpoint alone, at the bounds of the bands of its row.
fn sides_agree(read: &Read) -> Result<(), String> {
    let eval = read.evaluator();
    let reach = Reach::new(&eval);
    let asked = Asked::of(&read.world, &read.ruleset);
    // Who has no address is no peer (K-33, K-86).
    let is_peer = |party: &&Party| match party {
        Party::Endpoint(id) => read.world[*id].lifecycle == Lifecycle::Active,
        _ => true,
    };
    let all = asked.parties.iter().chain(&asked.owned);
    let all: Vec<Party> = all.filter(is_peer).copied().collect();
    let mut questions = Vec::new();
    for subject in read.world.endpoint_ids() {
        for direction in Direction::BOTH {
            questions.extend(all.iter().map(|other| (subject, direction, *other)));
        }
    }
    let at_most = questions_at_most() / asked.ports.len();
    for (subject, direction, other) in sample(questions, at_most) {
        let side = reach.side(direction);
        let row = side.row(side.row_of(subject));
        for protocol in PROTOCOLS {
            let of = row.bands().iter().filter(|band| band.protocol == protocol);
            for port in around(of.map(|band| (band.first, band.last)), &asked) {
                let decision = eval.decide(direction, subject, other, protocol, port);
                let got = reach.decide(&eval, direction, subject, other, protocol, port);
                if of_side(&decision) != got {
                    let own = Party::Endpoint(subject);
                    let what = name(&read.world, &connection(own, other, protocol, port));
                    let word = direction.word();
                    return Err(format!("{word} of {what}: {got:?}, but {decision:?}"));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn one_direction_alone_is_decided_alike() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(150, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        sides_agree(&read).map_err(|it| under(&read.ruleset, it))
    });
}

/// Bands are in order and apart, neighbours differ, and no peer is both allowed and perhaps allowed.
fn are_sound(reach: &Reach, direction: Direction, bands: &[Band], asked: &Asked<'_>) -> bool {
    let sets = reach.side(direction).sets();
    let peers = || {
        let classes = (0..u32::try_from(reach.classes()).unwrap())
            .flat_map(|class| [Family::V4, Family::V6].map(|family| Peer::Class(class, family)));
        let addresses = asked.parties.iter().filter_map(|party| match party {
            Party::Address(ip) => Some(Peer::Address(*ip)),
            _ => None,
        });
        classes.chain(addresses)
    };
    let anybody = |band: &Band| {
        band.first <= band.last
            && peers().all(|peer| !sets.has(band.allowed, peer) || !sets.has(band.maybe, peer))
    };
    let apart = |a: &Band, b: &Band| {
        a.protocol < b.protocol
            || a.protocol == b.protocol
                && a.last < b.first
                && ((a.allowed, a.maybe) != (b.allowed, b.maybe) || a.last + 1 < b.first)
    };
    bands.iter().all(anybody) && bands.windows(2).all(|pair| apart(&pair[0], &pair[1]))
}

#[test]
fn bands_are_in_order_and_as_few_as_can_be() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(60, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let reach = Reach::new(&read.evaluator());
        let asked = Asked::of(&read.world, &read.ruleset);
        for direction in Direction::BOTH {
            let side = reach.side(direction);
            if !side.row(RowId::EVERYTHING).is_everything() {
                return Err("the first row is not open".into());
            }
            for row in side.rows() {
                if !are_sound(&reach, direction, row.bands(), &asked) {
                    return Err(under(&read.ruleset, format!("{row:?}")));
                }
            }
        }
        Ok(())
    });
}
