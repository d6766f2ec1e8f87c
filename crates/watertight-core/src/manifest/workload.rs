//! Workload controllers: what makes pods from a template.

use super::decode::{Decoder, Unknown};
use super::meta::{self, Meta, Named};
use super::pod::{self, PodSpec};
use crate::document::Node;
use crate::source::Span;

/// The kinds that own pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// apps/v1
    Deployment,
    /// apps/v1
    StatefulSet,
    /// apps/v1
    DaemonSet,
    /// apps/v1
    ReplicaSet,
    /// v1
    ReplicationController,
    /// batch/v1
    Job,
    /// batch/v1
    CronJob,
    /// A controller of a kind that is not decoded; only its name is known, from its pods.
    Other,
}

impl WorkloadKind {
    /// All kinds that are decoded, with their API groups and served versions.
    pub(super) const TABLE: [(Self, &'static str, &'static str); 7] = [
        (Self::Deployment, "apps/v1", "Deployment"),
        (Self::StatefulSet, "apps/v1", "StatefulSet"),
        (Self::DaemonSet, "apps/v1", "DaemonSet"),
        (Self::ReplicaSet, "apps/v1", "ReplicaSet"),
        (Self::ReplicationController, "v1", "ReplicationController"),
        (Self::Job, "batch/v1", "Job"),
        (Self::CronJob, "batch/v1", "CronJob"),
    ];

    /// The kind of an API name.
    #[must_use]
    pub fn from_api(kind: &str) -> Option<Self> {
        Self::TABLE
            .iter()
            .find(|(_, _, name)| *name == kind)
            .map(|(found, _, _)| *found)
    }

    /// The kind as the API spells it.
    #[must_use]
    pub fn api(self) -> &'static str {
        Self::TABLE
            .iter()
            .find(|(kind, _, _)| *kind == self)
            .map_or("Workload", |(_, _, name)| name)
    }
}

/// A workload as written.
#[derive(Clone, Debug)]
pub struct Workload<'s> {
    /// The kind.
    pub kind: WorkloadKind,
    /// The number of pods asked for; one if it is not written, none for a DaemonSet.
    pub replicas: Option<u32>,
    /// The labels that its pods get.
    pub template: Meta<'s>,
    /// What its pods are.
    pub pod: PodSpec<'s>,
}

const OTHER_FIELDS: &[&str] = &[
    "activeDeadlineSeconds",
    "backoffLimit",
    "backoffLimitPerIndex",
    "completionMode",
    "completions",
    "concurrencyPolicy",
    "failedJobsHistoryLimit",
    "managedBy",
    "manualSelector",
    "maxFailedIndexes",
    "minReadySeconds",
    "ordinals",
    "parallelism",
    "paused",
    "persistentVolumeClaimRetentionPolicy",
    "podFailurePolicy",
    "podManagementPolicy",
    "podReplacementPolicy",
    "progressDeadlineSeconds",
    "revisionHistoryLimit",
    "schedule",
    "serviceName",
    "startingDeadlineSeconds",
    "strategy",
    "successPolicy",
    "successfulJobsHistoryLimit",
    "suspend",
    "timeZone",
    "ttlSecondsAfterFinished",
    "updateStrategy",
    "volumeClaimTemplates",
];

pub(super) fn decode<'s>(
    decoder: &mut Decoder,
    kind: WorkloadKind,
    node: Option<Node<'_, 's>>,
    object: Span,
) -> Option<Workload<'s>> {
    decoder.field("spec", |decoder| {
        let mut fields = [None; 4];
        if let Some(node) = node {
            fields = decoder.fields(
                node,
                ["replicas", "selector", "template", "jobTemplate"],
                Unknown::NearMiss(OTHER_FIELDS),
            );
        }
        let [replicas, _selector, mut template, job] = fields;
        if kind == WorkloadKind::CronJob {
            template = job
                .and_then(|job| job.get("spec"))
                .and_then(|spec| spec.get("template"));
        }
        let cron = kind == WorkloadKind::CronJob;
        let replicas = decoder
            .integer("replicas", replicas)
            .and_then(|(count, _)| u32::try_from(count).ok());
        let decoded = inside_job(decoder, cron, |decoder| pod::template(decoder, template));
        let Some((metadata, pod)) = decoded else {
            let span = node.map_or(object, Node::span).at_start();
            let message = format!("the {} has no pod template", kind.api());
            decoder.invalid(span, message, &[], Some("add `spec.template`"));
            return None;
        };
        let template = inside_job(decoder, cron, |decoder| {
            decoder.field("template", |decoder| {
                meta::decode(decoder, metadata, object, Named::Template)
            })
        })?;
        Some(Workload {
            kind,
            replicas,
            template,
            pod,
        })
    })
}

/// The template of a CronJob is one Job deeper.
fn inside_job<T>(decoder: &mut Decoder, cron: bool, decode: impl FnOnce(&mut Decoder) -> T) -> T {
    if !cron {
        return decode(decoder);
    }
    decoder.field("jobTemplate", |decoder| decoder.field("spec", decode))
}
