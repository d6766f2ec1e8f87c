//! What `explain -o json` prints, versioned and described by a schema.
//!
//! INVARIANT: the text format prints nothing that is not here, so that a program learns all that a
//! person does.

mod build;
mod notes;
mod reasons;
mod sentence;
mod tiers;
mod trace;
mod words;

use schemars::JsonSchema;
use serde::Serialize;

pub use build::{Asked, Builder};
pub use reasons::condition_words;

pub use super::Location;
use super::{API_VERSION, Assumption, Engine, Finding, Tool};

/// The answer of `watertight explain`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainReport {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `ExplainReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// The network engine that the answers are for.
    pub engine: Engine,
    /// Counts.
    pub summary: ExplainSummary,
    /// What could not be read, and policies that are not evaluated.
    pub problems: Vec<Finding>,
    /// What was assumed where the input does not say.
    pub assumptions: Vec<Assumption>,
    /// The answers, in the order of the questions.
    pub answers: Vec<Answer>,
}

/// Counts of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainSummary {
    /// Questions.
    pub questions: usize,
    /// Everything that was asked about is allowed.
    pub allow: usize,
    /// Everything that was asked about is denied.
    pub deny: usize,
    /// The specification or the input leaves it open.
    pub uncertain: usize,
    /// Some of it is allowed and some is not.
    pub partial: usize,
    /// Questions that could not be answered.
    pub errors: usize,
    /// Answers that are not as expected.
    pub unexpected: usize,
    /// Whether all manifests could be read and all questions answered. If not, the exit code is 2.
    pub complete: bool,
}

/// The answer to one question.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The question in canonical spelling, or as it was given if it cannot be read.
    pub flow: String,
    /// The line of the file with questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// `allow`, `deny`, `uncertain` or `partial`; none if there is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Where it is decided, behind the verdict: `at ingress of shop/db`. May be empty.
    pub at: String,
    /// What an allowed connection must carry, if that is the same for all rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The answer in one sentence.
    pub summary: String,
    /// `allow` or `deny`, if something was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Whether the answer is as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
    /// Pairs of parties that get the same answer for the same reason, those of most pairs first.
    pub cases: Vec<Case>,
    /// What else to know.
    pub notes: Vec<String>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// Why a question cannot be answered.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// What is wrong, in one sentence.
    pub message: String,
    /// The column in characters, from 1.
    pub column: usize,
    /// The number of characters.
    pub length: usize,
}

/// Pairs of parties that get the same answer for the same reason.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Case {
    /// Who connects.
    pub from: Side,
    /// To whom.
    pub to: Side,
    /// The number of pairs; a range of addresses counts as one.
    pub pairs: usize,
    /// The answers, by ports and addresses.
    pub rows: Vec<Row>,
}

/// All parties of one end of a case.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Side {
    /// How text calls them: `shop/web`, `3 workloads of shop`.
    pub name: String,
    /// Workloads, single pods, nodes: `NAMESPACE/KIND/NAME`, `node:NAME`.
    pub members: Vec<String>,
    /// The number of pods; a workload without pods in the input counts as one.
    pub pods: usize,
}

/// Ports and addresses that the same rule decides.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// How text calls the ports and addresses: `443/tcp`, `all other ports`.
    pub name: String,
    /// The ports as the destination sees them: `8080/tcp`, `1-65535/udp`, `icmp`.
    pub ports: Vec<String>,
    /// The ports of the Service that was asked about, in the same order; empty without a Service.
    pub service_ports: Vec<String>,
    /// The addresses, where an end is more than one: `10.0.0.0/8`, `10.0.0.1-10.0.0.9`; else empty.
    pub addresses: Vec<String>,
    /// `ipv4` or `ipv6`, where the two have different answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// `allow`, `deny` or `uncertain`.
    pub verdict: String,
    /// Where it is decided: `at ingress of shop/db`. May be empty.
    pub at: String,
    /// What decides, in a few words.
    pub because: String,
    /// The deciding line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Location>,
    /// What it must carry if it is allowed: all of these. Other requests are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Why it is uncertain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<Statement>,
    /// Why no policy was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt: Option<Statement>,
    /// Why it is refused whatever the policies of its ends say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Statement>,
    /// The connection that was judged and stands for all.
    pub example: Example,
    /// The egress side.
    pub egress: Trace,
    /// The ingress side.
    pub ingress: Trace,
    /// What to do where it is denied.
    pub help: Vec<Help>,
}

/// What the policies of one side want an allowed connection to carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `egress` or `ingress`.
    pub side: String,
    /// The requests, any of which is let through: `HTTP GET /api/.*`.
    pub any_of: Vec<String>,
}

/// A statement with its id in docs/semantics.md.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Statement {
    /// The id.
    pub id: String,
    /// The statement.
    pub text: String,
}

/// One connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Example {
    /// Who connects: `NAMESPACE/POD`, `node:NAME` or `ip:ADDRESS`.
    pub from: String,
    /// To whom, in the same spelling.
    pub to: String,
    /// `tcp`, `udp`, `sctp` or `icmp`.
    pub protocol: String,
    /// The port as the destination sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// How one side was decided.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Who is judged.
    pub party: String,
    /// The node whose policies hold for it, where it is judged as that node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_node: Option<String>,
    /// `allow`, `deny`, `open` (no policy isolates it) or `none` (no policy can apply to it).
    pub verdict: String,
    /// Why, in a few words.
    pub because: String,
    /// The tiers that take part, in the order in which they are asked.
    pub tiers: Vec<TierTrace>,
    /// The policies that apply, in order, tier by tier.
    pub policies: Vec<PolicyTrace>,
    /// Policies that would allow it if they applied.
    pub nearly: Vec<Nearly>,
}

/// What one tier came to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TierTrace {
    /// The name.
    pub name: String,
    /// `allows` or `denies`: one of its rules decides. `isolates`: no rule matches, and then it
    /// denies. `passes`: a rule leaves it to the next tier. `skipped`: no rule matches, and then the
    /// next tier is asked. `not-asked`: another tier had decided.
    pub outcome: String,
    /// The statement of docs/semantics.md that makes it so.
    pub id: String,
    /// Whether nothing in it is written: the engine does it by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_engine: bool,
    /// Whether readers need the name: there are several tiers, or it is one of its own.
    pub named: bool,
}

/// What one policy said.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTrace {
    /// The tier.
    pub tier: String,
    /// The kind; `engine` for what the engine does by itself.
    pub kind: String,
    /// The API group, which tells kinds of one name apart; empty for the engine.
    pub group: String,
    /// `NAMESPACE/NAME`.
    pub name: String,
    /// Where it is.
    pub location: Option<Location>,
    /// `allows`, `denies`, `passes`, `no-match`, or `not-asked` where another one had decided.
    pub outcome: String,
    /// The number of its rules for this direction, without those of a list of denials.
    pub rules: usize,
    /// Whether it denies what no rule allows.
    pub isolates: bool,
    /// The list that the matching rule is in, unless it is called like the direction:
    /// `ingressDeny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The rule that matches, counting from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Whom and what that rule admits: `app=web of namespace shop on 5432/tcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admits: Option<String>,
    /// Where that rule is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_location: Option<Location>,
    /// What its rules lack where none matches, nearest first; at most three.
    pub misses: Vec<Miss>,
}

/// What a rule lacks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Miss {
    /// The rule, counting from 1.
    pub rule: usize,
    /// What it lacks: `needs role=api, shop/web has role=web`.
    pub text: String,
    /// How much it lacks; the smaller the nearer.
    pub distance: usize,
    /// Where.
    pub location: Location,
}

/// A policy that would allow a denied connection if it applied.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Nearly {
    /// `NAMESPACE/NAME`.
    pub name: String,
    /// The rule that would allow it, counting from 1.
    pub rule: usize,
    /// Why it does not apply.
    pub text: String,
    /// Where.
    pub location: Location,
}

/// What to do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Help {
    /// What to do, in the imperative.
    pub text: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// The JSON schema of [`ExplainReport`].
#[must_use]
pub fn explain_schema() -> schemars::Schema {
    schemars::schema_for!(ExplainReport)
}
