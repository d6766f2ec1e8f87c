//! What a statement does not look at is refused, and one that looks at nothing does not hold.

use super::*;

#[test]
fn a_statement_about_no_port_is_refused() {
    check(
        "allow: {from: batch/job, to: shop/db, ports: [none]}
        deny: {from: shop/web, to: shop/db, ports: none}
        only: {from: batch/job, to: shop/db, ports: [none]}
        exactly: {to: shop/db, ports: [none], allowed: []}
        exactly: {to: shop/db, allowed: [{from: shop/web, ports: [none, 5432]}]}
        exactly: {to: shop/db, allowed: [{from: shop/web, ports: [5432, none]}]}
        exactly: {to: shop/db, allowed: [{from: shop/web, ports: [5432]}, {from: batch/job, ports: [none]}]}",
        expect![[r#"
            s7: holds for 5 pairs
            i.yaml:4:59: a statement about no port would always hold; `none` goes with what is `allowed` by `exactly`
            i.yaml:5:57: a statement about no port would always hold; `none` goes with what is `allowed` by `exactly`
            i.yaml:6:58: a statement about no port would always hold; `none` goes with what is `allowed` by `exactly`
            i.yaml:7:44: a statement about no port would always hold; `none` goes with what is `allowed` by `exactly`
            i.yaml:8:72: `none` is no port at all, and stands alone
            i.yaml:9:78: `none` is no port at all, and stands alone
        "#]],
    );
}

#[test]
fn an_exactly_is_about_pods_and_nodes() {
    check(
        "exactly: {to: shop/svc/db, allowed: []}
        exactly: {to: 10.96.0.7, allowed: []}
        exactly: {to: 'fqdn:api.example.com', allowed: []}
        exactly: {to: 203.0.113.0/24, allowed: []}
        exactly: {from: world, allowed: []}
        exactly: {from: everyone, allowed: []}
        exactly: {from: metadata, allowed: []}
        exactly: {to: [shop/db, 10.0.0.0-10.0.0.9], allowed: [{from: shop/web, ports: [5432]}]}",
        expect![[r#"
            s2: refused: `10.96.0.7` is Service `shop/svc/db`; name its pods here
            s4: refused: `exactly` is about pods and nodes, and not about whom `203.0.113.0/24` means outside; write an `only`, or an `exactly` about pods with `among`
            s5: refused: `exactly` is about pods and nodes, and not about whom `world` means outside; write an `only`, or an `exactly` about pods with `among`
            s6: refused: `exactly` is about pods and nodes, and not about whom `everyone` means outside; write an `only`, or an `exactly` about pods with `among`
            s7: refused: `exactly` is about pods and nodes, and not about whom `metadata` means outside; write an `only`, or an `exactly` about pods with `among`
            s8: refused: `exactly` is about pods and nodes, and not about whom `10.0.0.0-10.0.0.9` means outside; write an `only`, or an `exactly` about pods with `among`
            i.yaml:4:28: `shop/svc/db` is a Service; name its pods here
            i.yaml:6:28: `fqdn:api.example.com` is neither a pod nor a node, which `exactly` is about
        "#]],
    );
}

#[test]
fn what_is_allowed_must_be_what_is_looked_at() {
    check(
        "exactly: {from: shop/web, among: shop/svc/db, allowed: []}
        exactly: {from: shop/web, among: 'fqdn:api.example.com', allowed: []}
        exactly: {from: shop/web, allowed: [{to: shop/svc/db}]}
        exactly: {from: shop/web, allowed: [{to: 10.96.0.7}]}
        exactly: {to: shop/db, allowed: [{from: 'fqdn:api.example.com'}]}
        exactly: {from: shop/db, among: world, allowed: [{to: shop/web, ports: [80]}]}
        exactly: {from: shop/db, among: pods, allowed: [{to: world, ports: [443]}]}
        exactly: {to: shop/db, among: 'ns:shop', allowed: [{from: [shop/web, batch/job], ports: [5432]}]}
        exactly: {to: shop/db, among: 'ns:shop', allowed: [{from: pods, ports: [5432]}]}
        exactly: {to: shop/db, ports: [80], allowed: [{from: shop/web, ports: [5432]}]}
        exactly: {to: shop/db, ports: [5432], allowed: [{from: shop/web, ports: ['5000-5999']}]}
        exactly: {from: batch/job, among: world, allowed: [{to: world, ipv6: true}]}",
        expect![[r#"
            s4: refused: `10.96.0.7` is Service `shop/svc/db`; name its pods here
            s6: refused: `shop/web` is allowed, but not looked at: only those who are `among: world` count
            s7: refused: `world` is allowed, but not looked at: only those who are `among: pods` count
            s8: refused: `batch/job` is allowed, but not looked at: only those who are `among: ns:shop` count
            s9: BROKEN: shop/Deployment/db -> shop/Deployment/db: expected 5432/tcp, found nothing and 0 more
            s11: holds for 5 pairs
            s12: refused: `ipv6` is about pods and nodes; addresses are of one family anyway
            i.yaml:4:47: `shop/svc/db` is a Service; name its pods here
            i.yaml:5:47: `fqdn:api.example.com` is no part of what can be looked at; write world
            i.yaml:6:55: `shop/svc/db` is a Service; name its pods here
            i.yaml:8:54: `fqdn:api.example.com` is no source: policies know names as destinations only
            i.yaml:13:85: `5432/tcp` is none of the `ports` that the statement is about
        "#]],
    );
}

#[test]
fn an_only_that_shuts_nobody_out_does_not_hold() {
    check(
        "only: {from: everyone, to: shop/db}
        only: {from: [pods, world], to: shop/db}
        only: {from: pods, to: shop/db}
        only: {from: shop/db, to: everyone, direction: egress}
        only: {from: shop/web, to: 'fqdn:api.example.com'}
        only: {from: shop/web, to: 10.96.0.7}
        only: {from: [batch/job, shop/web, kube-system/kube-dns], to: 203.0.113.0/25, ports: [443]}
        only: {from: world, to: shop/web, direction: egress, ports: [8080]}
        only: {from: world, to: [shop/web, batch/job, kube-system/kube-dns], direction: egress}",
        expect![[r#"
            s1: vacuous: there is nobody but those who are let in
            s2: vacuous: there is nobody but those who are let in
            s3: holds for 1 pairs
            s4: vacuous: there is nobody but those who are let in
            s6: refused: `10.96.0.7` is Service `shop/svc/db`; name its pods here
            s7: BROKEN: shop/Deployment/db -> ip:203.0.113.9:443/tcp is allowed and 0 more
            s8: BROKEN: ip:203.0.113.9 -> batch/Deployment/job:8080/tcp is allowed and 1 more
            s9: holds for 1 pairs
            i.yaml:8:41: `fqdn:api.example.com` has no side of its own to be judged; write `direction: egress`, or a `deny` of the others
        "#]],
    );
}

/// K-79: a ClusterIP is an address of nobody who connects.
#[test]
fn a_cluster_ip_is_a_service() {
    check(
        "deny: {from: 10.96.0.7, to: shop/web}
        deny: {from: shop/db, to: 10.96.0.7}
        allow: {from: shop/web, to: 10.96.0.7, ports: [5000]}",
        expect![[r#"
            s1: refused: `10.96.0.7` is Service `shop/svc/db`; name its pods here
            s2: holds for 1 pairs
            s3: holds for 1 pairs
        "#]],
    );
}
