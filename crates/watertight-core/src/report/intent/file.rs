//! The shape of a file with intents, for its schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// What must hold of a cluster, for `watertight test`.
#[derive(JsonSchema)]
#[schemars(rename = "Intents", rename_all = "camelCase", deny_unknown_fields)]
pub struct IntentFile {
    #[expect(dead_code, reason = "for its schema")]
    /// Always `watertight.dev/v1`.
    #[schemars(extend("const" = "watertight.dev/v1"))]
    api_version: String,
    #[expect(dead_code, reason = "for its schema")]
    /// Always `Intents`.
    #[schemars(extend("const" = "Intents"))]
    kind: String,
    #[expect(dead_code, reason = "for its schema")]
    /// What must hold: each statement has a name and one of allow, deny, only and exactly.
    statements: Vec<IntentStatement>,
}

impl std::fmt::Debug for IntentFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IntentFile")
    }
}

/// One thing that must hold.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct IntentStatement {
    /// The name, unique in its file.
    name: String,
    /// Why it must hold.
    reason: Option<String>,
    /// `fail` while a gap is known: then the run fails once the gap is closed.
    expect: Option<IntentExpect>,
    /// Whether it may be about nobody. Otherwise that fails a run.
    allow_vacuous: Option<bool>,
    /// Every pair is allowed on every one of these ports.
    allow: Option<IntentFlow>,
    /// No pair is allowed on any of these ports; on any port at all if none is named.
    deny: Option<IntentFlow>,
    /// Nobody but `from` gets to `to` on these ports; with `direction: egress`, `from` gets to nobody
    /// but `to`.
    only: Option<IntentOnly>,
    /// What is allowed is what is listed, and nothing else.
    exactly: Option<IntentExactly>,
}

/// What is expected of a statement.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum IntentExpect {
    Pass,
    Fail,
}

/// Connections.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct IntentFlow {
    /// Who connects.
    from: IntentEnds,
    /// To whom.
    to: IntentEnds,
    /// On which ports.
    ports: Option<IntentPorts>,
}

/// Connections, and in which direction others are shut out.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct IntentOnly {
    /// Who connects.
    from: IntentEnds,
    /// To whom.
    to: IntentEnds,
    /// On which ports; on all if none is named.
    ports: Option<IntentPorts>,
    /// `ingress` if it is not said.
    direction: Option<IntentDirection>,
}

/// A direction.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum IntentDirection {
    Ingress,
    Egress,
}

/// All that somebody reaches (`from`), or by whom somebody is reached (`to`).
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct IntentExactly {
    /// Whom it is about, if they connect.
    from: Option<IntentEnds>,
    /// Whom it is about, if they are connected to.
    to: Option<IntentEnds>,
    /// Which other ends count; everyone if it is not said.
    among: Option<IntentEnds>,
    /// Which ports count; all if it is not said.
    ports: Option<IntentPorts>,
    /// What is allowed; [] for nothing.
    allowed: Vec<IntentItem>,
}

/// A part of what is allowed.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct IntentItem {
    /// The other ends, under `exactly: {from: ...}`.
    to: Option<IntentEnds>,
    /// The other ends, under `exactly: {to: ...}`.
    from: Option<IntentEnds>,
    /// The ports; all if none is named.
    ports: Option<IntentPorts>,
    /// `allow` if it is not said; `uncertain` for what the input leaves open.
    verdict: Option<IntentVerdict>,
    /// Whether it holds for some pairs of pods only.
    some: Option<bool>,
    /// Whether it holds for certain requests only.
    conditional: Option<bool>,
    /// Whether this is about IPv6, where that differs between pods.
    ipv6: Option<bool>,
}

/// What is said of ports.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum IntentVerdict {
    Allow,
    Uncertain,
}

/// Parties: one, or a list of which all are meant.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(untagged)]
enum IntentEnds {
    One(IntentEnd),
    Many(Vec<IntentEnd>),
}

/// Parties.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(untagged)]
enum IntentEnd {
    /// As on the command line: `shop/web`, `shop/svc/db`, `ns:shop`, `label:app=web`, `10.0.0.0/8`,
    /// `fqdn:api.example.com`, `world`, `world:10.0.0.0/8`, `nodes`; or `pods`, `everyone`, `metadata`,
    /// `metadata:aws`.
    Spelled(String),
    Selected(IntentSelector),
}

/// Pods by labels, a block, or metadata services.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct IntentSelector {
    /// Pods of this namespace.
    namespace: Option<String>,
    /// Pods of the namespaces with these labels.
    namespace_selector: Option<IntentLabels>,
    /// Pods with these labels.
    pod_selector: Option<IntentLabels>,
    /// A block of addresses.
    cidr: Option<String>,
    /// Blocks to leave out of it.
    except: Option<IntentTexts>,
    /// The metadata services of `all` clouds, or of some.
    metadata: Option<IntentTexts>,
}

/// One text or several.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(untagged)]
enum IntentTexts {
    One(String),
    Many(Vec<String>),
}

/// A label selector.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct IntentLabels {
    /// Labels with their values.
    match_labels: Option<BTreeMap<String, String>>,
    /// Conditions on labels.
    match_expressions: Option<Vec<IntentExpression>>,
}

/// A condition on a label.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct IntentExpression {
    /// The label.
    key: String,
    /// In, NotIn, Exists or DoesNotExist.
    operator: String,
    /// The values of In and NotIn.
    values: Option<Vec<String>>,
}

/// Ports: one, or a list of them.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(untagged)]
enum IntentPorts {
    One(IntentPort),
    Many(Vec<IntentPort>),
}

/// `80`, `53/udp`, `8000-8999`, `any`; with allow and deny also `http` and `icmp`; in `allowed` of
/// exactly also `none`.
#[expect(dead_code, reason = "for its schema")]
#[derive(JsonSchema)]
#[schemars(untagged)]
enum IntentPort {
    Number(u16),
    Text(String),
}
