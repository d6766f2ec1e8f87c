//! The header of a cluster that was read: which kinds could be read, and what it means if not.
//!
//! INVARIANT: a kind that was forbidden, failed or came in parts is a finding that makes the run
//! incomplete; one that discovery does not have is none.

use crate::diag::{Finding, Fix};
use crate::document::Node;
use crate::facts::word_enum;
use crate::rules::reading;
use crate::source::Span;

/// The `apiVersion` of the header.
pub(crate) const API_VERSION: &str = "watertight.dev/v1";

/// Its `kind`.
pub(crate) const KIND: &str = "Snapshot";

word_enum! {
    /// How the reading of a kind went.
    pub enum KindState {
        /// All objects were read.
        Complete => "complete",
        /// The API server refused.
        Forbidden => "forbidden",
        /// The cluster has no such kind.
        NotServed => "not-served",
        /// The API server did not answer, or not with a list.
        Failed => "failed",
        /// Some objects were read, others not.
        Partial => "partial",
    }
}

impl KindState {
    /// Whether objects may be missing.
    #[must_use]
    pub const fn is_incomplete(self) -> bool {
        matches!(self, Self::Forbidden | Self::Failed | Self::Partial)
    }
}

/// A kind, and how reading it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindRead {
    /// The API group; empty for the core group.
    pub group: Box<str>,
    /// The version that was read.
    pub version: Box<str>,
    /// The plural name.
    pub resource: Box<str>,
    /// The kind.
    pub kind: Box<str>,
    /// How it went.
    pub state: KindState,
    /// How many objects were read.
    pub count: Option<u64>,
    /// What the API server said.
    pub message: Option<Box<str>>,
    /// The namespaces of which everything was read, where not all could be.
    pub namespaces: Vec<Box<str>>,
    /// Where this is written.
    pub span: Span,
}

impl KindRead {
    /// Whether it is the kind of this group and plural name.
    #[must_use]
    pub fn is(&self, group: &str, resource: &str) -> bool {
        *self.group == *group && *self.resource == *resource
    }

    /// Whether all its objects of a namespace were read.
    #[must_use]
    pub fn covers(&self, namespace: &str) -> bool {
        !self.state.is_incomplete() || self.namespaces.iter().any(|name| **name == *namespace)
    }

    /// `networkpolicies.networking.k8s.io`, `pods`
    #[must_use]
    pub fn full_name(&self) -> String {
        match &*self.group {
            "" => self.resource.to_string(),
            group => format!("{}.{group}", self.resource),
        }
    }

    /// `pods could not be listed (forbidden)`
    #[must_use]
    pub fn complaint(&self) -> String {
        let name = self.full_name();
        if !self.namespaces.is_empty() {
            let read = self.namespaces.join(", ");
            let namespaces = match self.namespaces.len() {
                1 => "namespace",
                _ => "namespaces",
            };
            return format!("{name} could be listed in {namespaces} {read} only");
        }
        let went = match self.state {
            KindState::Partial => "could not be listed to the end",
            _ => "could not be listed",
        };
        let why = match self.state {
            KindState::Forbidden => "403, forbidden",
            KindState::Partial => "the answer ended early",
            _ if self.has_answered() => "the API server answered with no list",
            _ => "the API server did not answer",
        };
        format!("{name} {went} ({why})")
    }

    /// Whether there was an answer, though none that could be used: the message says so.
    fn has_answered(&self) -> bool {
        let begins = ["an answer that ", "the server says that "];
        let message = self.message.as_deref().unwrap_or_default();
        begins.iter().any(|begin| message.starts_with(begin))
    }

    /// What is not known because of it: half a sentence.
    #[must_use]
    pub fn consequence(&self) -> &'static str {
        match (&*self.group, &*self.resource) {
            ("", "pods") => "selectors are judged against the pods that were read, if any",
            ("", "namespaces") => {
                "labels of namespaces are not known, and selectors of them match too little"
            }
            ("", "nodes") => "where pods run and which nodes enforce policies is not known",
            ("", "services") => "Services and what they lead to are not known",
            ("", "configmaps") => "switches of the network engine are not known",
            ("", "serviceaccounts") => "policies that select service accounts match too little",
            ("", "endpoints") | ("discovery.k8s.io", _) => {
                "addresses behind Services without a selector are not known"
            }
            ("apps", "daemonsets") => {
                "the network engine, and whether it runs on all nodes, is not known"
            }
            ("apps" | "batch" | "", _) => "workloads without pods are not known",
            ("networking.k8s.io", "networkpolicies") => {
                "connections that these policies deny are taken for allowed"
            }
            ("apiextensions.k8s.io", _) => "which policy kinds the cluster knows is not certain",
            _ => "what these objects allow, deny or configure is not known",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        if self.state != KindState::Forbidden && self.namespaces.is_empty() {
            return "read the cluster again".to_owned();
        }
        let group = match &*self.group {
            "" => "the core group".to_owned(),
            group => format!("group `{group}`"),
        };
        let resource = &self.resource;
        format!("allow `get`, `list` and `watch` of `{resource}` in {group}")
    }

    fn finding(&self) -> Finding {
        let message = format!("{}: {}", self.complaint(), self.consequence());
        let mut finding = Finding::new(&reading::LIST_INCOMPLETE, message)
            .at(self.span, "")
            .incomplete();
        if let Some(message) = self.message.as_deref() {
            finding = finding.note(format!("the API server said: {message}"));
        }
        finding.fix(Fix::advice(self.advice()))
    }
}

/// The header of a cluster that was read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The context or file it was read through.
    pub name: Box<str>,
    /// The address of the API server, if it is kept.
    pub server: Option<Box<str>>,
    /// The release of the API server.
    pub version: Option<Box<str>>,
    /// The API groups that it serves; none if that could not be asked.
    pub api_groups: Option<Vec<Box<str>>>,
    /// When it was read.
    pub taken: Option<Box<str>>,
    /// Whether names were replaced.
    pub redacted: bool,
    /// The kinds that were asked for.
    pub kinds: Vec<KindRead>,
    /// The object.
    pub span: Span,
}

impl Snapshot {
    /// Takes a header out of its document. What is missing is not known; a kind with a state that
    /// nobody has heard of counts as failed.
    pub(crate) fn decode(node: Node<'_, '_>) -> Self {
        let text = |node: Option<Node<'_, '_>>, key: &str| -> Option<Box<str>> {
            let text = node?.get(key)?.string()?;
            // What a writer leaves empty it does not know.
            (!text.is_empty()).then(|| (*text).into())
        };
        let cluster = node.get("cluster");
        let groups = cluster.and_then(|cluster| cluster.get("apiGroups"));
        let kinds = node.get("kinds").into_iter().flat_map(Node::items);
        let kinds = kinds.map(|kind| {
            let of = |key| text(Some(kind), key);
            let state = of("state").and_then(|state| KindState::from_word(&state));
            let count = kind.get("count").and_then(Node::integer);
            let namespaces = kind.get("namespaces").into_iter().flat_map(Node::items);
            let namespaces = namespaces.filter_map(Node::string);
            KindRead {
                group: of("group").unwrap_or_default(),
                version: of("version").unwrap_or_default(),
                resource: of("resource").unwrap_or_default(),
                kind: of("kind").unwrap_or_default(),
                state: state.unwrap_or(KindState::Failed),
                count: count.and_then(|count| u64::try_from(count).ok()),
                message: of("message"),
                namespaces: namespaces.map(|name| (*name).into()).collect(),
                span: kind.span(),
            }
        });
        Self {
            name: text(node.get("metadata"), "name").unwrap_or_default(),
            server: text(cluster, "server"),
            version: text(cluster, "version"),
            api_groups: groups.map(|groups| {
                let names = groups.items().filter_map(Node::string);
                names.map(|name| (*name).into()).collect()
            }),
            taken: text(Some(node), "taken"),
            redacted: node.get("redacted").and_then(Node::bool) == Some(true),
            kinds: kinds.collect(),
            span: node.span(),
        }
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = Finding> {
        let kinds = self.kinds.iter();
        let missing = kinds.filter(|kind| kind.state.is_incomplete());
        missing.map(KindRead::finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    #[test]
    fn an_answer_that_is_no_list_is_an_answer() {
        let read = |message: &str| KindRead {
            group: "".into(),
            version: "v1".into(),
            resource: "pods".into(),
            kind: "Pod".into(),
            state: KindState::Failed,
            count: None,
            message: Some(message.into()),
            namespaces: Vec::new(),
            span: Span {
                file: Sources::new().add_text("a", String::new()).unwrap(),
                start: 0,
                end: 0,
            },
        };
        for (message, why) in [
            (
                "an answer that is no list: it has no `items`",
                "the API server answered with no list",
            ),
            (
                "https://a refuses connections",
                "the API server did not answer",
            ),
        ] {
            let complaint = read(message).complaint();
            assert_eq!(complaint, format!("pods could not be listed ({why})"));
        }
    }
}
