//! Ends and ports of statements as written.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Result, expected, fields, problem};
use crate::analysis::intent::{Part, PartKind, Ports, Whom};
use crate::analysis::parties::{Flow, check_spelling};
use crate::document::{Kind, Node};
use crate::facts::metadata::Cloud;
use crate::sets::{LabelSelector, Operator, Requirement};

/// How an end is written.
pub(super) const FORM: &str = "write NAMESPACE/NAME, ns:NAME, label:KEY=VALUE, a block, world, \
                               nodes, pods, metadata, a mapping with a podSelector, or a list of them";

/// One end: one spelling or a list of them.
pub(super) fn whom(node: Node<'_, '_>) -> Result<Whom> {
    let parts = match node.kind() {
        Kind::Sequence => node.items().map(part).collect::<Result<Vec<_>>>()?,
        _ => vec![part(node)?],
    };
    if parts.is_empty() {
        return Err(problem(node, format!("nobody is named here; {FORM}")));
    }
    Ok(Whom { parts })
}

/// An end from a text alone.
pub(in crate::analysis::intent) fn spelled(text: &str) -> std::result::Result<Part, String> {
    let text = text.trim();
    let kind = match text {
        "everyone" => PartKind::Everyone,
        "pods" => PartKind::Pods,
        "metadata" => PartKind::Metadata(Cloud::ALL.to_vec()),
        _ => {
            if let Some(cloud) = text.strip_prefix("metadata:") {
                PartKind::Metadata(vec![self::cloud(cloud)?])
            } else if let Some(addresses) = text.strip_prefix("world:") {
                let (first, last) = range(addresses).ok_or_else(|| {
                    format!("`{addresses}` is no block; write world:10.0.0.0/8 or world:A-B")
                })?;
                PartKind::Outside(first, last)
            } else if let Some((first, last)) = range(text).filter(|_| text.contains('-')) {
                PartKind::Range(first, last)
            } else {
                check_spelling(text).map_err(|error| error.message)?;
                PartKind::Spelled
            }
        }
    };
    Ok(Part {
        text: text.into(),
        kind,
        span: None,
    })
}

fn cloud(name: &str) -> std::result::Result<Cloud, String> {
    let found = name.trim().parse::<Cloud>();
    found.map_err(|error| error.to_string())
}

/// `10.0.0.1-10.0.0.9`, `10.0.0.0/8`
fn range(text: &str) -> Option<(IpAddr, IpAddr)> {
    let text = text.strip_prefix("cidr:").unwrap_or(text);
    if let Ok(net) = text.parse::<IpNet>() {
        return Some((net.network(), net.broadcast()));
    }
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let same = matches!(
        (first, last),
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_))
    );
    (same && first <= last).then_some((first, last))
}

fn part(node: Node<'_, '_>) -> Result<Part> {
    if let Some(text) = node.str() {
        let part = spelled(text).map_err(|message| problem(node, message))?;
        return Ok(Part {
            span: Some(node.span()),
            ..part
        });
    }
    if node.kind() != Kind::Mapping {
        return Err(expected(node, "an endpoint"));
    }
    let known = [
        "namespace",
        "namespaceSelector",
        "podSelector",
        "cidr",
        "except",
        "metadata",
    ];
    let [namespace, namespaces, pods, cidr, except, metadata] = fields(node, known, "an endpoint")?;
    let by_labels = namespace.or(namespaces).or(pods);
    let (text, kind) = match (by_labels, cidr, metadata) {
        (Some(_), None, None) => labels(namespace, namespaces, pods)?,
        (None, Some(cidr), None) => block(cidr, except)?,
        (None, None, Some(clouds)) => clouds_of(clouds)?,
        _ => {
            let message = "an endpoint is pods (namespace, namespaceSelector, podSelector), a block \
                           (cidr, except) or metadata services (metadata)";
            return Err(problem(node, message));
        }
    };
    if let Some(except) = except.filter(|_| cidr.is_none()) {
        return Err(problem(except, "`except` goes with `cidr`"));
    }
    Ok(Part {
        text: text.into(),
        kind,
        span: Some(node.span()),
    })
}

fn net(node: Node<'_, '_>) -> Result<IpNet> {
    let wrong = || expected(node, "a block of addresses, such as 10.0.0.0/8");
    let text = node.str().ok_or_else(wrong)?;
    let net: Option<IpNet> = text.parse().ok();
    let net = net.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.map(|net| net.trunc()).ok_or_else(wrong)
}

fn block(cidr: Node<'_, '_>, except: Option<Node<'_, '_>>) -> Result<(String, PartKind)> {
    let block = net(cidr)?;
    let except = match except {
        None => Vec::new(),
        Some(list) if list.kind() == Kind::Sequence => {
            list.items().map(net).collect::<Result<Vec<_>>>()?
        }
        Some(one) => vec![net(one)?],
    };
    let but: Vec<String> = except.iter().map(ToString::to_string).collect();
    let text = match but.as_slice() {
        [] => format!("cidr:{block}"),
        but => format!("cidr:{block} except {}", but.join(", ")),
    };
    Ok((text, PartKind::Block(block, except)))
}

fn clouds_of(node: Node<'_, '_>) -> Result<(String, PartKind)> {
    let one = |node: Node<'_, '_>| match node.str() {
        Some(name) => cloud(name).map_err(|message| problem(node, message)),
        None => Err(expected(node, "the name of a cloud")),
    };
    let clouds = match node.kind() {
        Kind::String if node.is("all") => Cloud::ALL.to_vec(),
        Kind::Sequence => node.items().map(one).collect::<Result<Vec<_>>>()?,
        _ => vec![one(node)?],
    };
    let names: Vec<String> = clouds.iter().map(ToString::to_string).collect();
    let text = if clouds.len() == Cloud::ALL.len() {
        "metadata".to_owned()
    } else {
        format!("metadata:{}", names.join(","))
    };
    Ok((text, PartKind::Metadata(clouds)))
}

fn labels(
    namespace: Option<Node<'_, '_>>,
    namespaces: Option<Node<'_, '_>>,
    pods: Option<Node<'_, '_>>,
) -> Result<(String, PartKind)> {
    if let (Some(_), Some(node)) = (namespace, namespaces) {
        let message = "`namespace` and `namespaceSelector` are two ways to say one thing; keep one";
        return Err(problem(node, message));
    }
    let name = super::text(namespace, "namespace")?;
    let namespaces = namespaces.map(selector).transpose()?;
    let pods = match pods {
        Some(node) => Some(selector(node)?),
        None => None,
    };
    let whose = match (&name, &namespaces) {
        (Some(name), _) => format!(" of namespace {name}"),
        (None, Some(selector)) if selector.is_empty() => " of all namespaces".to_owned(),
        (None, Some(selector)) => format!(" of namespaces {selector}"),
        (None, None) => " of all namespaces".to_owned(),
    };
    let text = match &pods {
        Some(selector) if !selector.is_empty() => format!("pods {selector}{whose}"),
        _ => format!("pods{whose}"),
    };
    let span = namespace.map(Node::span);
    let everything = |span| LabelSelector::everything(span);
    let pods = match (pods, span, &namespaces) {
        (Some(pods), ..) => pods,
        (None, Some(span), _) => everything(span),
        (None, None, Some(selector)) => everything(selector.span),
        (None, None, None) => return Ok((text, PartKind::Pods)),
    };
    Ok((
        text,
        PartKind::Labels {
            namespace: name,
            namespaces,
            pods,
        },
    ))
}

fn selector(node: Node<'_, '_>) -> Result<LabelSelector> {
    let [labels, expressions] = fields(node, ["matchLabels", "matchExpressions"], "a selector")?;
    let mut requirements = Vec::new();
    if let Some(labels) = labels {
        if labels.kind() != Kind::Mapping {
            return Err(expected(labels, "`matchLabels` to be a mapping"));
        }
        for (key, value) in labels.entries() {
            let Some(text) = value.str() else {
                return Err(expected(value, "a label value; put quotes around it"));
            };
            requirements.push(Requirement {
                key: key.str().unwrap_or_default().into(),
                operator: Operator::In(vec![text.into()]),
                span: key.span().to(value.span()),
            });
        }
    }
    if let Some(expressions) = expressions {
        if expressions.kind() != Kind::Sequence {
            return Err(expected(expressions, "`matchExpressions` to be a list"));
        }
        for node in expressions.items() {
            requirements.push(requirement(node)?);
        }
    }
    Ok(LabelSelector {
        requirements,
        span: node.span(),
    })
}

fn requirement(node: Node<'_, '_>) -> Result<Requirement> {
    let [key, operator, values] = fields(node, ["key", "operator", "values"], "an expression")?;
    let Some(name) = super::text(key, "key")? else {
        return Err(problem(node, "an expression needs a `key`"));
    };
    let listed = || -> Result<Vec<Box<str>>> {
        let list = values.filter(|values| values.kind() == Kind::Sequence);
        let read = list.into_iter().flat_map(Node::items).map(|value| {
            let text = value.str().map(Into::into);
            text.ok_or_else(|| expected(value, "a label value; put quotes around it"))
        });
        let read = read.collect::<Result<Vec<_>>>()?;
        if read.is_empty() {
            return Err(problem(
                node,
                "In and NotIn need `values`: a list with one at least",
            ));
        }
        Ok(read)
    };
    let operator = match operator.and_then(Node::str) {
        Some("In") => Operator::In(listed()?),
        Some("NotIn") => Operator::NotIn(listed()?),
        Some("Exists") => Operator::Exists,
        Some("DoesNotExist") => Operator::DoesNotExist,
        _ => {
            let at = operator.unwrap_or(node);
            return Err(problem(
                at,
                "expected `operator` to be In, NotIn, Exists or DoesNotExist",
            ));
        }
    };
    Ok(Requirement {
        key: name,
        operator,
        span: node.span(),
    })
}

/// `80`, `80/tcp`, `[53/udp, 53/tcp]`, `any`.
pub(super) fn ports(node: Option<Node<'_, '_>>) -> Result<Ports> {
    let found = ports_or_none(node)?;
    match node {
        Some(node) if found.none => {
            let message = "a statement about no port would always hold; `none` goes with what is \
                           `allowed` by `exactly`";
            Err(problem(node, message))
        }
        _ => Ok(found),
    }
}

/// The same, and `none` for no port at all.
pub(super) fn ports_or_none(node: Option<Node<'_, '_>>) -> Result<Ports> {
    let Some(node) = node else {
        return Ok(Ports::default());
    };
    let items: Vec<_> = match node.kind() {
        Kind::Sequence => node.items().collect(),
        _ => vec![node],
    };
    if items.is_empty() {
        let message =
            "no port is named here; leave `ports` out, or write [any], to mean all of them";
        return Err(problem(node, message));
    }
    let mut found = Ports::default();
    let mut all = false;
    for item in &items {
        let item = *item;
        let text = match item.kind() {
            Kind::Number => item.as_written(),
            _ => item
                .str()
                .ok_or_else(|| expected(item, "a port: 80, 53/udp, 8000-8999"))?,
        };
        if text.trim() == "any" {
            all = true;
            continue;
        }
        if text.trim() == "none" {
            if items.len() > 1 {
                let message = "`none` is no port at all, and stands alone";
                return Err(problem(item, message));
            }
            return Ok(Ports {
                asked: Vec::new(),
                none: true,
            });
        }
        for query in port(text).map_err(|message| problem(item, message))?.asked {
            if !found.asked.contains(&query) {
                found.asked.push(query);
            }
        }
    }
    Ok(if all { Ports::default() } else { found })
}

/// The ports of a text.
pub(in crate::analysis::intent) fn port(text: &str) -> std::result::Result<Ports, String> {
    // One reader for ports: the one of flows.
    let flow = Flow::parse(&format!("from -> to:{text}")).map_err(|error| error.message)?;
    Ok(Ports {
        asked: flow.ports,
        none: false,
    })
}
