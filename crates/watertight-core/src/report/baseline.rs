//! What `baseline -o json` prints: the policies of each namespace, what they are made of, and what was
//! proved of them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::build::{assumptions, engine, location, tool};
use super::{API_VERSION, Assumption, Engine, Location, Tool};
use crate::analysis::baseline::{Labels, Note, Plan, Ports, Proof, Whom, Why};
use crate::engine::Profile;
use crate::source::{Sources, Span};
use crate::world::World;

/// The answer of `watertight baseline`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BaselineReport")]
pub struct BaselineReport {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `BaselineReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// The network engine that judged the result.
    pub engine: Engine,
    /// What was assumed where the input does not say.
    pub assumptions: Vec<Assumption>,
    /// Whether everything could be read. If not, the exit code is 2.
    pub complete: bool,
    /// Whether every claim is proved. If not, the exit code is 1.
    pub proved: bool,
    /// What is claimed of the result, with what speaks against it.
    pub proofs: Vec<BaselineProof>,
    /// The namespaces, by name.
    pub namespaces: Vec<BaselineNamespace>,
    /// The part for the whole cluster, as YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What keeps new namespaces covered, as YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
    /// What is allowed besides DNS, with who says that it is needed.
    pub needs: Vec<BaselineNeed>,
    /// What was asked for and cannot be had.
    pub unmet: Vec<BaselineNote>,
    /// What is not carried over, and other things to know.
    pub notes: Vec<BaselineNote>,
}

/// A claim.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BaselineProof {
    /// taken, isolated, dns, metadata, flows, needs or nothing-else.
    pub claim: String,
    /// The claim in words.
    pub text: String,
    /// Whether it is proved.
    pub holds: bool,
    /// What speaks against it.
    pub against: Vec<String>,
}

/// The policies of a namespace.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineNamespace {
    /// The name.
    pub name: String,
    /// The policies that are made.
    pub policies: Vec<String>,
    /// The policies of today whose place they take.
    pub replaces: Vec<String>,
    /// Those of them that have to be deleted, as nothing of the same name takes their place.
    pub deletes: Vec<String>,
    /// Workloads on the host network, about which no policy is.
    pub host_network: Vec<String>,
    /// What becomes of the label against host networking: there, added, host-network, or the level
    /// that the namespace has.
    pub pod_security: String,
    /// The YAML.
    pub manifest: String,
}

/// A connection that is needed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BaselineNeed {
    /// Who connects.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The ports: `5432/tcp`, `8000-8999/tcp`, `all`.
    pub ports: Vec<String>,
    /// How often it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Who says that it is needed.
    pub why: Vec<BaselineWhy>,
}

/// Who says that a connection is needed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BaselineWhy {
    /// flag, annotation, reference, service, ingress, binding, probe, policy or flow.
    pub by: String,
    /// In words.
    pub text: String,
    /// Where it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// Something to know or to settle.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BaselineNote {
    /// One sentence.
    pub text: String,
    /// Where its cause is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// The JSON schema of [`BaselineReport`].
#[must_use]
pub fn baseline_schema() -> schemars::Schema {
    schemars::schema_for!(BaselineReport)
}

/// Makes the report of a plan and its proofs; what is needed is added by [`BaselineReport::tell_needs`].
#[must_use]
pub fn baseline(
    sources: &Sources,
    world: &World,
    profile: &Profile,
    plan: &Plan,
    proofs: &[Proof],
    notes: &[Note],
    complete: bool,
) -> BaselineReport {
    let place = |span: Option<Span>| span.map(|span| location(sources, span, ""));
    let note = |note: &Note| BaselineNote {
        text: note.text.clone(),
        location: place(note.span),
    };
    let proofs: Vec<_> = proofs
        .iter()
        .map(|proof| BaselineProof {
            claim: proof.claim.word().into(),
            text: proof.text.clone(),
            holds: proof.holds(),
            against: proof.against.clone(),
        })
        .collect();
    let namespaces = plan.namespaces.iter().map(|found| BaselineNamespace {
        name: world[found.namespace].name.to_string(),
        policies: found.policies.clone(),
        replaces: found
            .replaces
            .iter()
            .map(|id| world[*id].name.to_string())
            .collect(),
        deletes: found.deletes.clone(),
        host_network: found
            .host_network
            .iter()
            .map(|id| plan.units[*id].name.to_string())
            .collect(),
        pod_security: match &found.pod_security {
            Labels::There => "there".into(),
            Labels::Added => "added".into(),
            Labels::HostNetwork => "host-network".into(),
            Labels::Other(level) => level.clone(),
        },
        manifest: found.text.clone(),
    });
    BaselineReport {
        api_version: API_VERSION.into(),
        kind: "BaselineReport".into(),
        tool: tool(),
        engine: engine(profile),
        assumptions: assumptions(world),
        complete,
        proved: proofs.iter().all(|proof| proof.holds),
        proofs,
        namespaces: namespaces.collect(),
        cluster: plan.cluster.as_ref().map(|found| found.text.clone()),
        guard: plan.guard.as_ref().map(|found| found.text.clone()),
        needs: Vec::new(),
        unmet: plan.unmet.iter().map(note).collect(),
        notes: plan.notes.iter().chain(notes).map(note).collect(),
    }
}

impl BaselineReport {
    /// Adds who needs what and who says so, which is much to make and which the policies alone do not show.
    pub fn tell_needs(&mut self, sources: &Sources, world: &World, plan: &Plan) {
        let why = |why: &Why| BaselineWhy {
            by: why.by.word().into(),
            text: why.text.to_string(),
            location: why.span.map(|span| location(sources, span, "")),
        };
        let needs: Vec<_> = plan.needs.iter().collect();
        self.needs = crate::parallel::map(&needs, |(from, to, need)| BaselineNeed {
            from: whom(world, plan, from),
            to: whom(world, plan, to),
            ports: ports(&need.ports),
            times: (need.times > 0).then_some(need.times),
            why: need.why().map(why).collect(),
        });
        self.needs
            .extend(plan.api_users.iter().map(|(unit, reasons)| BaselineNeed {
                from: plan.units.name(world, *unit),
                to: "the API server".into(),
                ports: {
                    let ports: BTreeSet<u16> =
                        plan.api.addresses.iter().map(|(_, port)| *port).collect();
                    ports.iter().map(|port| format!("{port}/tcp")).collect()
                },
                times: None,
                why: reasons.iter().map(why).collect(),
            }));
    }
}

fn whom(world: &World, plan: &Plan, whom: &Whom) -> String {
    match whom {
        Whom::Unit(unit) => plan.units.name(world, *unit),
        Whom::AllPods => "every pod".into(),
        Whom::Internet => "public addresses".into(),
        Whom::Everyone => "any address".into(),
        Whom::Blocks(blocks) => {
            let nets: Vec<_> = blocks.iter().map(|block| block.net.to_string()).collect();
            nets.join(", ")
        }
    }
}

fn ports(ports: &BTreeSet<Ports>) -> Vec<String> {
    let word = |ports: &Ports| match ports {
        Ports::All => "all".to_owned(),
        Ports::Range(protocol, 0 | 1, u16::MAX) => format!("all {}", protocol.word()),
        Ports::Range(protocol, first, last) if first == last => {
            format!("{first}/{}", protocol.word())
        }
        Ports::Range(protocol, first, last) => format!("{first}-{last}/{}", protocol.word()),
    };
    ports.iter().map(word).collect()
}
