//! The least that an analysis has to take out of a JSON manifest, as types that borrow from the file.
//!
//! They exist to be timed: reading less than this, no tool could answer anything. All fields are optional, so any
//! object parses, and lists nest.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

/// Borrows unless the text has escapes.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

type Labels<'a> = BTreeMap<Text<'a>, Text<'a>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Object<'a> {
    kind: Option<Text<'a>>,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
    status: Status<'a>,
    /// Of a `List`.
    items: Vec<Object<'a>>,
}

impl Object<'_> {
    /// Objects in here, without the lists that hold them.
    pub(super) fn count(&self) -> usize {
        match self.items.as_slice() {
            [] => 1,
            items => items.iter().map(Object::count).sum(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    labels: Labels<'a>,
    #[serde(borrow)]
    owner_references: Vec<Owner<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Owner<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    controller: bool,
}

/// The specs of all kinds laid over each other.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    host_network: bool,
    #[serde(borrow)]
    containers: Vec<Container<'a>>,
    #[serde(borrow)]
    template: Option<Box<Template<'a>>>,
    #[serde(borrow)]
    pod_selector: Option<Selector<'a>>,
    #[serde(borrow)]
    policy_types: Vec<Text<'a>>,
    #[serde(borrow)]
    ingress: Vec<Rule<'a>>,
    #[serde(borrow)]
    egress: Vec<Rule<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Template<'a> {
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow)]
    ports: Vec<ContainerPort<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerPort<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    container_port: u32,
    #[serde(borrow)]
    protocol: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    #[serde(rename = "podIPs", borrow)]
    pod_ips: Vec<PodIp<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodIp<'a> {
    #[serde(borrow)]
    ip: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Selector<'a> {
    #[serde(borrow)]
    match_labels: Labels<'a>,
    #[serde(borrow)]
    match_expressions: Vec<Expression<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Expression<'a> {
    #[serde(borrow)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    operator: Option<Text<'a>>,
    #[serde(borrow)]
    values: Vec<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rule<'a> {
    #[serde(borrow)]
    from: Vec<Peer<'a>>,
    #[serde(borrow)]
    to: Vec<Peer<'a>>,
    #[serde(borrow)]
    ports: Vec<PolicyPort<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Peer<'a> {
    #[serde(borrow)]
    pod_selector: Option<Selector<'a>>,
    #[serde(borrow)]
    namespace_selector: Option<Selector<'a>>,
    #[serde(borrow)]
    ip_block: Option<IpBlock<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IpBlock<'a> {
    #[serde(borrow)]
    cidr: Option<Text<'a>>,
    #[serde(borrow)]
    except: Vec<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PolicyPort<'a> {
    #[serde(borrow)]
    protocol: Option<Text<'a>>,
    #[serde(borrow)]
    port: Option<NumberOrName<'a>>,
    end_port: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "what counts is that it was parsed")]
enum NumberOrName<'a> {
    Number(u32),
    #[serde(borrow)]
    Name(Text<'a>),
}
