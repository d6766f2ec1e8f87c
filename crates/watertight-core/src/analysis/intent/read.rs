//! Statements from YAML or JSON, with the place of everything that does not fit.

use std::collections::BTreeMap;

use super::whom::Resolver;
use super::{Claim, Exactly, Flow, Intents, Item, Ports, Statement, Tag, Whom};
use crate::analysis::parties::asked_name;
use crate::document::{Kind, Node, units};
use crate::manifest::Direction;
use crate::report::API_VERSION;
use crate::source::{FileId, Sources, Span};
use crate::suggest::misspelt;

pub(super) mod parties;

/// What cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place.
    pub span: Span,
    /// One sentence.
    pub message: String,
}

/// What is wrong, for the statement that it is in.
type Result<T> = std::result::Result<T, Problem>;

fn problem(node: Node<'_, '_>, message: impl Into<String>) -> Problem {
    Problem {
        span: node.span(),
        message: message.into(),
    }
}

fn expected(node: Node<'_, '_>, what: &str) -> Problem {
    let found = match node.kind() {
        Kind::Bool | Kind::Number | Kind::String => format!("`{}`", node.as_written()),
        kind => kind.word().to_owned(),
    };
    problem(node, format!("expected {what}, found {found}"))
}

/// The `kind` of the first document of a file.
#[must_use]
pub fn kind(sources: &Sources, file: FileId) -> Option<String> {
    let source = sources.file(file);
    let (units, _) = units(file, source.name(), source.text());
    let mut documents = units.first()?.read(source.text()).into_iter();
    let document = documents.find_map(std::result::Result::ok)?;
    let kind = document.root()?.get("kind")?;
    kind.str().map(str::to_owned)
}

/// The DNS names that statements name, for `World::intern_name` before they are judged.
#[must_use]
pub fn names(intents: &Intents) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for statement in &intents.statements {
        let whoms: Vec<&Whom> = match &statement.claim {
            Claim::Allow(flow) | Claim::Deny(flow) | Claim::Only(flow, _) => {
                vec![&flow.from, &flow.to]
            }
            Claim::Exactly(exactly) => {
                let peers = exactly.allowed.iter().map(|item| &item.peers);
                peers
                    .chain(&exactly.among)
                    .chain([&exactly.subject])
                    .collect()
            }
        };
        let parts = whoms.into_iter().flat_map(|whom| &whom.parts);
        found.extend(parts.filter_map(|part| asked_name(&part.text)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Reads the statements of a file.
#[must_use]
pub fn read(sources: &Sources, file: FileId) -> Intents {
    let source = sources.file(file);
    let text = source.text();
    let mut intents = Intents::default();
    let (units, errors) = units(file, source.name(), text);
    let mut documents = 0;
    let broken = |error: crate::document::SyntaxError| Problem {
        span: error.span,
        message: error.message,
    };
    intents.problems.extend(errors.into_iter().map(broken));
    for unit in units {
        for document in unit.read(text) {
            match document {
                Ok(document) => {
                    if let Some(root) = document.root().filter(|root| !root.is_null()) {
                        documents += 1;
                        file_of(root, &mut intents);
                    }
                }
                Err(error) => intents.problems.push(broken(error)),
            }
        }
    }
    if documents == 0 && intents.problems.is_empty() {
        intents.problems.push(Problem {
            span: Span::new(file, 0, 0),
            message: "there are no intents here: the file is empty".into(),
        });
    }
    unique_names(&mut intents);
    intents
}

/// A name stands for one statement: reports of CI systems go by it.
fn unique_names(intents: &mut Intents) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut again = Vec::new();
    for (index, statement) in intents.statements.iter().enumerate() {
        if seen.insert(&statement.name, index).is_some() {
            again.push(index);
        }
    }
    for index in again.into_iter().rev() {
        let statement = intents.statements.remove(index);
        if let Some(span) = statement.span {
            let message = format!("another statement is called `{}`, too", statement.name);
            intents.problems.push(Problem { span, message });
        }
    }
}

fn file_of(root: Node<'_, '_>, intents: &mut Intents) {
    let read = fields(
        root,
        ["apiVersion", "kind", "statements"],
        "a mapping with `statements`",
    );
    let [version, kind, statements] = match read {
        Ok(found) => found,
        Err(problem) => return intents.problems.push(problem),
    };
    for (node, wanted, key) in [
        (version, API_VERSION, "apiVersion"),
        (kind, "Intents", "kind"),
    ] {
        match node {
            Some(node) if node.is(wanted) => {}
            Some(node) => {
                let message = format!("expected `{key}: {wanted}`, found `{}`", node.as_written());
                return intents.problems.push(problem(node, message));
            }
            None => {
                let message = format!("expected `{key}: {wanted}`, which is not there");
                let span = Span {
                    end: root.span().start,
                    ..root.span()
                };
                return intents.problems.push(Problem { span, message });
            }
        }
    }
    let Some(statements) = statements else {
        let message = "expected `statements`: a list of what must hold";
        return intents.problems.push(problem(root, message));
    };
    if statements.kind() != Kind::Sequence {
        let wrong = expected(statements, "`statements` to be a list");
        return intents.problems.push(wrong);
    }
    for node in statements.items() {
        match statement(node) {
            Ok(statement) => intents.statements.push(statement),
            Err(problem) => intents.problems.push(problem),
        }
    }
}

/// The values of the known fields; an unknown one is a problem.
fn fields<'d, 's, const N: usize>(
    node: Node<'d, 's>,
    known: [&str; N],
    what: &str,
) -> Result<[Option<Node<'d, 's>>; N]> {
    if node.kind() != Kind::Mapping {
        return Err(expected(node, what));
    }
    let mut values = [None; N];
    for (key, value) in node.entries() {
        let name = key.str().unwrap_or_default();
        let mut places = known.iter().zip(&mut values);
        match places.find(|(known, _)| **known == name) {
            Some((_, place)) => {
                if place.is_some() {
                    return Err(problem(key, format!("`{name}` is given twice")));
                }
                *place = Some(value);
            }
            None => {
                let hint = match misspelt(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known fields: {}", known.join(", ")),
                };
                return Err(problem(key, format!("unknown field `{name}`; {hint}")));
            }
        }
    }
    Ok(values.map(|value| value.filter(|value| !value.is_null())))
}

fn text(node: Option<Node<'_, '_>>, key: &str) -> Result<Option<Box<str>>> {
    match node {
        None => Ok(None),
        Some(node) => match node.str() {
            Some(text) => Ok(Some(text.into())),
            None => Err(expected(node, &format!("`{key}` to be a string"))),
        },
    }
}

fn flag(node: Option<Node<'_, '_>>, key: &str) -> Result<bool> {
    match node {
        None => Ok(false),
        Some(node) => node
            .bool()
            .ok_or_else(|| expected(node, &format!("`{key}` to be true or false"))),
    }
}

fn statement(node: Node<'_, '_>) -> Result<Statement> {
    let known = [
        "name",
        "reason",
        "expect",
        "allowVacuous",
        "allow",
        "deny",
        "only",
        "exactly",
    ];
    let [name, reason, expect, vacuous, allow, deny, only, exactly] = fields(
        node,
        known,
        "a statement: a mapping with a `name` and one of allow, deny, only",
    )?;
    let Some(name_text) = text(name, "name")?.filter(|name| !name.trim().is_empty()) else {
        let message = "a statement needs a `name`, by which reports call it";
        return Err(problem(node, message));
    };
    let expect_fail = match expect {
        None => false,
        Some(node) if node.is("fail") => true,
        Some(node) if node.is("pass") => false,
        Some(node) => return Err(expected(node, "`expect` to be pass or fail")),
    };
    let claim = match (allow, deny, only, exactly) {
        (Some(node), None, None, None) => {
            let flow = flow(node)?;
            let to_services = flow.to.parts.iter().all(Resolver::is_service);
            if flow.ports.is_all() && !says_ports(node) && !to_services {
                let message = "an `allow` needs `ports`, all of which have to be allowed; write [any] for all";
                return Err(problem(node, message));
            }
            Claim::Allow(flow)
        }
        (None, Some(node), None, None) => Claim::Deny(flow(node)?),
        (None, None, Some(node), None) => self::only(node)?,
        (None, None, None, Some(node)) => Claim::Exactly(self::exactly(node)?),
        _ => {
            let message = "a statement has one of `allow`, `deny`, `only` and `exactly`";
            return Err(problem(node, message));
        }
    };
    Ok(Statement {
        name: name_text,
        reason: text(reason, "reason")?,
        claim,
        expect_fail,
        allow_vacuous: flag(vacuous, "allowVacuous")?,
        span: name.map(Node::span),
    })
}

fn says_ports(node: Node<'_, '_>) -> bool {
    node.get("ports").is_some_and(|ports| !ports.is_null())
}

fn flow(node: Node<'_, '_>) -> Result<Flow> {
    let [from, to, ports] = fields(
        node,
        ["from", "to", "ports"],
        "a mapping with `from` and `to`",
    )?;
    flow_of(node, from, to, ports)
}

fn flow_of(
    node: Node<'_, '_>,
    from: Option<Node<'_, '_>>,
    to: Option<Node<'_, '_>>,
    ports: Option<Node<'_, '_>>,
) -> Result<Flow> {
    let end = |end: Option<Node<'_, '_>>, key: &str| match end {
        Some(end) => parties::whom(end),
        None => Err(problem(
            node,
            format!("`{key}` is missing: {}", parties::FORM),
        )),
    };
    let (from_whom, to_whom) = (end(from, "from")?, end(to, "to")?);
    if let Some(from) = from {
        for part in &from_whom.parts {
            if Resolver::is_service(part) {
                let message = format!(
                    "`{}` opens no connections: a Service is no source; name its pods",
                    part.text
                );
                return Err(problem(from, message));
            }
        }
        no_name(from, &from_whom, NO_SOURCE)?;
    }
    Ok(Flow {
        from: from_whom,
        to: to_whom,
        ports: parties::ports(ports)?,
    })
}

/// Why a DNS name does not connect.
const NO_SOURCE: &str = "is no source: policies know names as destinations only";

/// Where pods are meant, and not what translates to them.
fn no_service(node: Node<'_, '_>, whom: &Whom) -> Result<()> {
    match whom.parts.iter().find(|part| Resolver::is_service(part)) {
        Some(part) => {
            let message = format!("`{}` is a Service; name its pods here", part.text);
            Err(problem(node, message))
        }
        None => Ok(()),
    }
}

fn no_name(node: Node<'_, '_>, whom: &Whom, why: &str) -> Result<()> {
    let mut parts = whom.parts.iter();
    match parts.find(|part| asked_name(&part.text).is_some()) {
        Some(part) => Err(problem(node, format!("`{}` {why}", part.text))),
        None => Ok(()),
    }
}

/// Where the map knows ports by number only.
fn by_number(ports: Option<Node<'_, '_>>, read: &Ports, what: &str) -> Result<()> {
    match ports {
        Some(node) if read.is_special() => Err(problem(
            node,
            format!(
                "`{what}` takes ports by number only; names and icmp go with `allow` and `deny`"
            ),
        )),
        _ => Ok(()),
    }
}

fn only(node: Node<'_, '_>) -> Result<Claim> {
    let known = ["from", "to", "ports", "direction"];
    let [from, to, ports, direction] = fields(node, known, "a mapping with `from` and `to`")?;
    let flow = flow_of(node, from, to, ports)?;
    by_number(ports, &flow.ports, "only")?;
    for (whom, node) in [(&flow.from, from), (&flow.to, to)] {
        if let Some(node) = node {
            no_service(node, whom)?;
        }
    }
    let direction = match direction {
        None => Direction::Ingress,
        Some(node) if node.is("ingress") => Direction::Ingress,
        Some(node) if node.is("egress") => Direction::Egress,
        Some(node) => return Err(expected(node, "`direction` to be ingress or egress")),
    };
    if let (Direction::Ingress, Some(to)) = (direction, to) {
        let why = "has no side of its own to be judged; write `direction: egress`, or a `deny` of \
                   the others";
        no_name(to, &flow.to, why)?;
    }
    Ok(Claim::Only(flow, direction))
}

fn exactly(node: Node<'_, '_>) -> Result<Exactly> {
    let known = ["from", "to", "among", "ports", "allowed"];
    let what = "a mapping with `allowed` and one of `from` and `to`";
    let [from, to, among, ports, allowed] = fields(node, known, what)?;
    let (direction, subject) = match (from, to) {
        (Some(from), None) => (Direction::Egress, from),
        (None, Some(to)) => (Direction::Ingress, to),
        _ => return Err(problem(node, "`exactly` is about one end: `from` or `to`")),
    };
    let Some(allowed) = allowed else {
        let message = "`allowed` is missing: a list of all that is allowed, or [] for nothing";
        return Err(problem(node, message));
    };
    if allowed.kind() != Kind::Sequence {
        return Err(expected(allowed, "`allowed` to be a list"));
    }
    let read_ports = parties::ports(ports)?;
    by_number(ports, &read_ports, "exactly")?;
    let whom = |node: Node<'_, '_>, why: &str| -> Result<Whom> {
        let whom = parties::whom(node)?;
        no_service(node, &whom)?;
        no_name(node, &whom, why)?;
        Ok(whom)
    };
    let subject = whom(
        subject,
        "is neither a pod nor a node, which `exactly` is about",
    )?;
    let among = among.map(|among| whom(among, "is no part of what can be looked at; write world"));
    Ok(Exactly {
        direction,
        subject,
        among: among.transpose()?,
        allowed: allowed
            .items()
            .map(|node| item(node, direction, &read_ports))
            .collect::<Result<_>>()?,
        ports: read_ports,
    })
}

fn item(node: Node<'_, '_>, direction: Direction, among: &Ports) -> Result<Item> {
    let key = match direction {
        Direction::Egress => "to",
        Direction::Ingress => "from",
    };
    let known = [key, "ports", "verdict", "some", "conditional", "ipv6"];
    let what = format!("a mapping with `{key}`");
    let [peers, ports, verdict, some, conditional, ipv6] = fields(node, known, &what)?;
    let Some(peers) = peers else {
        return Err(problem(
            node,
            format!("`{key}` is missing: {}", parties::FORM),
        ));
    };
    let uncertain = match verdict {
        None => false,
        Some(node) if node.is("allow") => false,
        Some(node) if node.is("uncertain") => true,
        Some(node) => return Err(expected(node, "`verdict` to be allow or uncertain")),
    };
    let read_ports = parties::ports_or_none(ports)?;
    by_number(ports, &read_ports, "exactly")?;
    if let (Some(node), Some(port)) = (ports, read_ports.first_beyond(among)) {
        let message = format!("`{port}` is none of the `ports` that the statement is about");
        return Err(problem(node, message));
    }
    let whom = parties::whom(peers)?;
    no_service(peers, &whom)?;
    if direction == Direction::Ingress {
        no_name(peers, &whom, NO_SOURCE)?;
    }
    Ok(Item {
        peers: whom,
        ports: read_ports,
        tag: Tag {
            uncertain,
            some: flag(some, "some")?,
            conditional: flag(conditional, "conditional")?,
        },
        ipv6: flag(ipv6, "ipv6")?,
    })
}
