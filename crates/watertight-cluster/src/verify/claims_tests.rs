//! What is claimed of a small cluster, and what is not.

use super::*;
use crate::verify::plan::layout;
use crate::verify::testing::{known, node, options};

fn spelled(claims: &[Claim]) -> Vec<String> {
    let spell = |claim: &Claim| {
        format!(
            "{} {} {} {} {}{}",
            claim.direction.word(),
            claim.path.word(),
            claim.place.word(),
            claim.treatment.target,
            claim.to,
            if claim.expect == Expect::Denied {
                ""
            } else {
                " (either)"
            }
        )
    };
    claims.iter().map(spell).collect()
}

#[test]
fn treatment_and_control_differ_in_the_policy_alone() {
    let nodes = [node("a"), node("b")];
    let options = options();
    let layout = layout(&options, Some(&nodes));
    let known = known(&layout, &nodes);
    let claims = claims(&options, &layout.actors, &known);
    assert!(claims.len() > 20);
    for claim in &claims {
        let part = |ask: &Ask| layout.actors[ask.actor].part;
        let node = |ask: &Ask| known.placed[ask.actor].node.clone();
        assert_eq!(part(&claim.control), Part::OpenClient);
        assert_eq!(node(&claim.control), node(&claim.treatment), "{claim:?}");
        assert_eq!(claim.control.target.how, claim.treatment.target.how);
        match claim.direction {
            Direction::Ingress => {
                assert_eq!(claim.control.actor, claim.treatment.actor);
                assert_ne!(claim.control.target, claim.treatment.target);
            }
            Direction::Egress => {
                assert_eq!(part(&claim.treatment), Part::ClosedClient);
                assert_eq!(claim.control.target, claim.treatment.target);
            }
        }
    }
}

#[test]
fn the_table_of_claims() {
    let nodes = [node("a"), node("b")];
    let mut options = options();
    options.udp = false;
    let layout = layout(&options, Some(&nodes));
    let known = known(&layout, &nodes);
    let claims = claims(&options, &layout.actors, &known);
    expect_test::expect![[r#"
        [
            "ingress pod-ip same-node tcp:10.244.0.11:8081 quartz",
            "ingress cluster-ip same-node tcp:10.96.0.101:8081 quartz",
            "ingress node-port same-node tcp:172.18.0.1:38181 quartz by node a (either)",
            "ingress node-port same-node tcp:172.18.0.2:38181 quartz by node b",
            "ingress pod-ip other-node tcp:10.244.0.11:8081 quartz",
            "ingress cluster-ip other-node tcp:10.96.0.101:8081 quartz",
            "ingress node-port other-node tcp:172.18.0.1:38181 quartz by node a (either)",
            "ingress node-port other-node tcp:172.18.0.2:38181 quartz by node b",
            "egress pod-ip same-node tcp:10.244.0.10:8081 heron",
            "egress cluster-ip same-node tcp:10.96.0.100:8081 heron",
            "egress node-port same-node tcp:172.18.0.1:38081 heron by node a (either)",
            "egress node-port same-node tcp:172.18.0.2:38081 heron by node b",
            "egress dns outside dns:10.96.0.10:53 name server 10.96.0.10",
            "egress api-server outside connect:10.96.0.1:443 API server",
            "egress node same-node connect:172.18.0.1:10250 node a (either)",
            "egress node other-node connect:172.18.0.2:10250 node b",
            "egress pod-ip other-node tcp:10.244.0.10:8081 heron",
            "egress cluster-ip other-node tcp:10.96.0.100:8081 heron",
            "egress node-port other-node tcp:172.18.0.1:38081 heron by node a",
            "egress node-port other-node tcp:172.18.0.2:38081 heron by node b (either)",
            "egress dns outside dns:10.96.0.10:53 name server 10.96.0.10",
            "egress api-server outside connect:10.96.0.1:443 API server",
            "egress node other-node connect:172.18.0.1:10250 node a",
            "egress node same-node connect:172.18.0.2:10250 node b (either)",
        ]
    "#]]
    .assert_debug_eq(&spelled(&claims));
}

#[test]
fn an_api_server_that_may_be_on_the_own_node_is_left_open() {
    let nodes = [node("a"), node("b")];
    let options = options();
    let layout = layout(&options, Some(&nodes));
    let mut known = known(&layout, &nodes);
    (known.api_servers, known.nodes) = (Vec::new(), Vec::new());
    let claims = claims(&options, &layout.actors, &known);
    let mut found = claims.iter().filter(|claim| claim.path == Path::ApiServer);
    assert!(found.all(|claim| claim.expect == Expect::Either(UNKNOWN_SERVER)));
    assert!(claims.iter().any(|claim| claim.path == Path::ApiServer));
}

#[test]
fn every_node_has_a_claim_in_each_direction() {
    let nodes = [node("a"), node("b"), node("c")];
    let mut options = options();
    (options.per_node, options.services, options.surroundings) = (true, false, false);
    let layout = layout(&options, Some(&nodes));
    let known = known(&layout, &nodes);
    let claims = claims(&options, &layout.actors, &known);
    for name in ["a", "b", "c"] {
        let here = claims
            .iter()
            .filter(|claim| claim.place == Place::Node(name.into()));
        assert_eq!(here.count(), 2, "{name}");
    }
}

#[test]
fn what_an_image_cannot_try_is_not_claimed() {
    let nodes = [node("a")];
    let mut options = options();
    options.image = crate::verify::image::Image::named("busybox");
    let layout = layout(&options, Some(&nodes));
    let known = known(&layout, &nodes);
    let claims = claims(&options, &layout.actors, &known);
    assert!(
        claims
            .iter()
            .all(|claim| claim.treatment.target.how.protocol() == "tcp")
    );
}
