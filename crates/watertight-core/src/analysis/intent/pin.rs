//! A map as statements: what it says is so, and nothing else.

use std::collections::BTreeMap;

use super::read::parties::{port, spelled};
use super::{Claim, Exactly, Item, Part, Ports, Statement, Tag, Whom};
use crate::manifest::Direction;
use crate::report::reach::{ReachConnection, ReachExternal, ReachPorts, SavedMap};

/// Why a map makes no statements: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinError(pub String);

impl std::fmt::Display for PinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PinError {}

/// The statements of a map: one for all that reach the same, and one for all that are reached alike
/// from outside.
///
/// # Errors
/// When the map is one of a part of the cluster, or one of namespaces.
pub fn pin(report: &SavedMap) -> Result<Vec<Statement>, PinError> {
    if report.query.from.is_some() || report.query.to.is_some() {
        let message = "a part of a map cannot be pinned; make the map without --from and --to";
        return Err(PinError(message.into()));
    }
    if report.query.by == "namespace" {
        let message = "a map of namespaces cannot be pinned; make it with --by workload";
        return Err(PinError(message.into()));
    }
    let asked = ports_of(&report.query.ports)?;
    let mut statements = Vec::new();
    for (subject, connections, row) in sources(report) {
        let mut allowed = Vec::new();
        for connection in connections {
            let peers = whom(&connection.to)?;
            allowed.extend(items(&peers, &connection.ports, false)?);
            if let Some(ipv6) = &connection.ipv6 {
                allowed.extend(items(&peers, ipv6, true)?);
            }
        }
        if let Some(row) = row {
            allowed.extend(outside(row)?);
        }
        statements.push(Statement {
            name: called("from", &subject).into(),
            reason: None,
            claim: Claim::Exactly(Exactly {
                direction: Direction::Egress,
                subject: whom(&subject)?,
                among: None,
                ports: asked.clone(),
                allowed,
            }),
            expect_fail: false,
            allow_vacuous: false,
            span: None,
        });
    }
    for (subject, row) in reached(report) {
        let allowed = match row {
            Some(row) => outside(row)?,
            None => Vec::new(),
        };
        statements.push(Statement {
            name: format!("{} from outside", called("into", &subject)).into(),
            reason: None,
            claim: Claim::Exactly(Exactly {
                direction: Direction::Ingress,
                subject: whom(&subject)?,
                among: Some(whom(&["world".to_owned()])?),
                ports: asked.clone(),
                allowed,
            }),
            expect_fail: false,
            allow_vacuous: false,
            span: None,
        });
    }
    Ok(statements)
}

/// Units that reach the same, in the order of the first of each.
type Reaching<'r> = (
    Vec<String>,
    Vec<&'r ReachConnection>,
    Option<&'r ReachExternal>,
);

fn sources(report: &SavedMap) -> Vec<Reaching<'_>> {
    let mut of: BTreeMap<&str, Vec<&ReachConnection>> = BTreeMap::new();
    for connection in &report.connections {
        of.entry(&connection.from).or_default().push(connection);
    }
    let rows = external(report, "egress");
    let mut found: Vec<Reaching<'_>> = Vec::new();
    let mut known: BTreeMap<(Vec<Key<'_>>, Option<usize>), usize> = BTreeMap::new();
    for unit in &report.units {
        let connections = of.remove(&*unit.name).unwrap_or_default();
        let row = rows.get(&*unit.name).copied();
        let keys = connections
            .iter()
            .map(|connection| key(connection))
            .collect();
        let next = found.len();
        let at = *known.entry((keys, row)).or_insert(next);
        match found.get_mut(at) {
            Some((names, ..)) => names.push(unit.name.clone()),
            None => {
                let row = row.and_then(|row| report.external.get(row));
                found.push((vec![unit.name.clone()], connections, row));
            }
        }
    }
    found
}

/// What makes two connections the same but for their source.
type Key<'r> = (&'r [String], Vec<PortKey<'r>>, Option<Vec<PortKey<'r>>>);

type PortKey<'r> = (&'r str, u16, u16, &'r str, bool, bool);

fn key(connection: &ReachConnection) -> Key<'_> {
    fn keys(ports: &[ReachPorts]) -> Vec<PortKey<'_>> {
        let one = |ports: &'_ ReachPorts| (ports.first, ports.last, ports.some, ports.conditional);
        ports
            .iter()
            .map(|ports| {
                let (first, last, some, conditional) = one(ports);
                (
                    &*ports.protocol,
                    first,
                    last,
                    &*ports.verdict,
                    some,
                    conditional,
                )
            })
            .collect()
    }
    (
        &connection.to,
        keys(&connection.ports),
        connection.ipv6.as_deref().map(keys),
    )
}

/// By unit: the position of its row in a direction.
fn external<'r>(report: &'r SavedMap, direction: &str) -> BTreeMap<&'r str, usize> {
    let rows = report.external.iter().enumerate();
    let rows = rows.filter(|(_, row)| row.direction == direction);
    rows.flat_map(|(number, row)| row.units.iter().map(move |unit| (&**unit, number)))
        .collect()
}

/// Units that are reached alike from outside.
fn reached(report: &SavedMap) -> Vec<(Vec<String>, Option<&ReachExternal>)> {
    let rows = external(report, "ingress");
    let mut found: Vec<(Vec<String>, Option<&ReachExternal>)> = Vec::new();
    let mut known: BTreeMap<Option<usize>, usize> = BTreeMap::new();
    for unit in &report.units {
        let row = rows.get(&*unit.name).copied();
        let next = found.len();
        let at = *known.entry(row).or_insert(next);
        match found.get_mut(at) {
            Some((names, _)) => names.push(unit.name.clone()),
            None => {
                let row = row.and_then(|row| report.external.get(row));
                found.push((vec![unit.name.clone()], row));
            }
        }
    }
    found
}

/// `from shop/Deployment/web and 2 more`
fn called(word: &str, names: &[String]) -> String {
    match names {
        [] => word.to_owned(),
        [one] => format!("{word} {one}"),
        [first, rest @ ..] => format!("{word} {first} and {} more", rest.len()),
    }
}

fn part(text: &str) -> Result<Part, PinError> {
    spelled(text).map_err(PinError)
}

fn whom(names: &[String]) -> Result<Whom, PinError> {
    let parts = names.iter().map(|name| part(name));
    Ok(Whom {
        parts: parts.collect::<Result<_, _>>()?,
    })
}

fn ports_of(texts: &[String]) -> Result<Ports, PinError> {
    let mut found = Ports::default();
    for text in texts {
        found.asked.extend(port(text).map_err(PinError)?.asked);
    }
    Ok(found)
}

/// Ports of one kind each.
fn items(peers: &Whom, ports: &[ReachPorts], ipv6: bool) -> Result<Vec<Item>, PinError> {
    let mut by_tag: BTreeMap<Tag, Ports> = BTreeMap::new();
    for range in ports {
        let tag = Tag {
            uncertain: range.verdict == "uncertain",
            some: range.some,
            conditional: range.conditional,
        };
        let known = by_tag.entry(tag).or_default();
        let protocols: &[&str] = match range.protocol.as_str() {
            "any" => &["tcp", "udp", "sctp"],
            one => &[one],
        };
        for protocol in protocols {
            let text = format!("{}-{}/{protocol}", range.first, range.last);
            known.asked.extend(port(&text).map_err(PinError)?.asked);
        }
    }
    if by_tag.is_empty() && ipv6 {
        let none = Ports {
            none: true,
            ..Ports::default()
        };
        by_tag.insert(Tag::default(), none);
    }
    let made = by_tag.into_iter().map(|(tag, ports)| Item {
        peers: peers.clone(),
        ports,
        tag,
        ipv6,
    });
    Ok(made.collect())
}

fn outside(row: &ReachExternal) -> Result<Vec<Item>, PinError> {
    let mut found = Vec::new();
    for range in &row.ranges {
        let whole = ["0.0.0.0/0", "::/0"].map(str::to_owned);
        let names = if range.addresses == whole {
            vec!["world".to_owned()]
        } else {
            let addresses = range.addresses.iter();
            addresses.map(|text| format!("world:{text}")).collect()
        };
        found.extend(items(&whom(&names)?, &range.ports, false)?);
    }
    for domain in &row.domains {
        found.extend(items(&whom(&domain.names)?, &domain.ports, false)?);
    }
    Ok(found)
}
