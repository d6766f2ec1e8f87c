//! Random clusters for the properties: made, written down, read back and asked about.
//!
//! [`strategy`] makes one neutral description (the oracle's objects and how to spell them);
//! [`write`] turns it into the files that the real reader gets; [`questions`] lists the connections
//! to ask about. The generator is directed: labels, port numbers and addresses come from small
//! vocabularies, so that selectors usually meet something.
//!
//! [`faded`] takes knowledge away from such a cluster, [`rulesets`] makes rulesets that only other
//! languages could write, and [`connections`] asks about whatever a world has become.

mod addresses;
mod cluster_policies;
mod connections;
mod faded;
mod policies;
mod questions;
pub(crate) mod read;
mod rulesets;
mod strategy;
mod write;
mod yaml;

pub(crate) use cluster_policies::{mixed_readings, mixed_worlds};
pub(crate) use connections::{Asked, name};
pub(crate) use faded::{fading, read_faded};
pub(crate) use questions::{at_addresses, between_parties, describe, sample, to_services};
pub(crate) use rulesets::{read_under, rewriting, rules, show_ruleset};
pub(crate) use strategy::{other_readings, readings, worlds};
pub(crate) use write::{Format, Spelling, files, show};

use crate::oracle::objects::Cluster;

/// A cluster and how its objects are spelled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Described {
    pub(crate) cluster: Cluster,
    pub(crate) spelling: Spelling,
}
