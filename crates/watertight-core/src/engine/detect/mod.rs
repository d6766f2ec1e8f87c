//! Which network engine a cluster runs, and on which of its nodes policies are enforced.

mod asked;

pub(crate) use self::asked::{
    ANNOTATIONS, CRD_GROUPS, DEPLOYMENTS, FLAGS, KEYS, PATHS, PROVIDER_SERVICES, VARIABLES,
};
pub use self::asked::{CONFIG_MAPS, SETTINGS};
