//! What a reading of a cluster says about itself: `cluster.json`.
//!
//! It is a document like any other of the texts, so that whoever reads them learns what was not to be
//! had. INVARIANT: a kind is `not-served` only if the server said what it serves.

use serde::{Deserialize, Serialize};

/// The name of the text with the header.
pub const HEADER: &str = "cluster.json";

/// A reading of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// `watertight.dev/v1`
    pub api_version: String,
    /// `Snapshot`
    pub kind: String,
    /// Its name.
    pub metadata: Named,
    /// The cluster.
    pub cluster: About,
    /// When it was read, in UTC.
    pub taken: String,
    /// Whether names were replaced.
    pub redacted: bool,
    /// What was read of each kind.
    pub kinds: Vec<KindRead>,
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The context.
    pub name: String,
}

/// What is known of the cluster itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The address of the API server.
    pub server: String,
    /// The version, as `v1.36.2`; empty if the server does not say.
    pub version: String,
    /// The API groups that are served; none if the server does not say.
    pub api_groups: Option<Vec<String>>,
}

/// What was read of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindRead {
    /// The group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource, as in paths.
    pub resource: String,
    /// The kind.
    pub kind: String,
    /// How it ended.
    pub state: State,
    /// The number of objects.
    pub count: usize,
    /// Why it ended so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The namespaces of which everything was read, where not all could be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
}

/// How reading a kind ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Everything was read.
    Complete,
    /// The cluster does not have the kind.
    NotServed,
    /// A part was read.
    Partial,
    /// 403: nothing was read.
    Forbidden,
    /// Nothing was read, for another reason.
    Failed,
}

impl State {
    /// The word in headers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::NotServed => "not-served",
            Self::Partial => "partial",
            Self::Forbidden => "forbidden",
            Self::Failed => "failed",
        }
    }

    /// Whether there may be objects that were not read.
    #[must_use]
    pub fn is_unknown(self) -> bool {
        !matches!(self, Self::Complete | Self::NotServed)
    }
}

impl Header {
    /// The text of it, one kind a line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from("{\n");
        text.push_str(&format!("\"apiVersion\": {},\n", line(&self.api_version)));
        text.push_str(&format!("\"kind\": {},\n", line(&self.kind)));
        text.push_str(&format!("\"metadata\": {},\n", line(&self.metadata)));
        text.push_str(&format!("\"cluster\": {},\n", line(&self.cluster)));
        text.push_str(&format!("\"taken\": {},\n", line(&self.taken)));
        text.push_str(&format!("\"redacted\": {},\n", self.redacted));
        let kinds: Vec<_> = self.kinds.iter().map(line).collect();
        text.push_str(&format!("\"kinds\": [\n{}\n]}}\n", kinds.join(",\n")));
        text
    }

    /// The objects that were read.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.kinds.iter().map(|kind| kind.count).sum()
    }

    /// The kinds of which there may be objects that were not read.
    pub fn unknown(&self) -> impl Iterator<Item = &KindRead> {
        self.kinds.iter().filter(|kind| kind.state.is_unknown())
    }
}

/// A value on one line of JSON.
fn line(value: &impl Serialize) -> String {
    // Values of these types cannot fail to be written.
    serde_json::to_string(value).unwrap_or_default()
}
