//! A plan in the place of the policies of today.

use crate::analysis::baseline::Plan;
use crate::engine::{AnpApi, Profile};
use crate::manifest::{Body, Options, load};
use crate::source::Sources;
use crate::world::{Policy, World};

/// Reads what was written and puts it into the world; what a server would refuse comes back.
pub(super) fn replace(world: &mut World, profile: &Profile, plan: &Plan) -> Vec<String> {
    let mut sources = Sources::new();
    for manifest in plan.manifests(world) {
        if sources.add_text(&manifest.name, manifest.text).is_err() {
            return vec![format!("the text for {} is too long", manifest.name)];
        }
    }
    let options = Options {
        strict_cidr: true,
        old_admin_api: profile.switches.anp_api == AnpApi::Old,
    };
    let loaded = load(&sources, &options);
    let unfit = loaded.findings.iter();
    let mut refused: Vec<String> = unfit.map(|finding| finding.message.clone()).collect();
    for plan in &plan.namespaces {
        for id in &plan.replaces {
            world.remove_policy(*id);
        }
    }
    for object in loaded.objects {
        let (name, name_span) = (&*object.meta.name.value, object.meta.name.span);
        match object.body {
            Body::NetworkPolicy(spec) => {
                let namespace = object.meta.namespace.as_deref();
                let Some(namespace) = namespace.and_then(|name| world.namespace(name)) else {
                    refused.push(format!("NetworkPolicy {name} is in no namespace"));
                    continue;
                };
                world.put_policy(Policy {
                    namespace,
                    name: name.into(),
                    name_span,
                    spec: *spec,
                    span: object.span,
                });
            }
            Body::Policy(kind, policy) => {
                if let Err(reason) = profile.reads(kind) {
                    refused.push(format!("{} is not read: {reason:?}", kind.kind));
                }
                world.put_object(kind, name, name_span, *policy, object.span);
            }
            _ => {}
        }
    }
    refused
}
