use std::collections::BTreeSet;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn endpoint(id: &str) -> &'static MetadataEndpoint {
    endpoints()
        .iter()
        .find(|endpoint| endpoint.id == id)
        .unwrap()
}

fn ids_outside(block: &str) -> Vec<&'static str> {
    let block = net(block);
    endpoints()
        .iter()
        .filter(|endpoint| !block.contains(&endpoint.address))
        .map(|endpoint| endpoint.id)
        .collect()
}

#[test]
fn rows_are_complete_and_their_scope_is_that_of_the_address() {
    let mut ids = BTreeSet::new();
    for row in endpoints() {
        assert!(
            !row.id.is_empty() && ids.insert(row.id),
            "`{}` is empty or twice",
            row.id
        );
        assert!(
            row.id.starts_with(row.cloud.word()) || row.id.starts_with("gke-"),
            "{}",
            row.id
        );
        assert!(!row.source.is_empty(), "{} has no source", row.id);
        assert!(!row.ports.is_empty() && row.ports.is_sorted(), "{}", row.id);
        let scope = if net("169.254.0.0/16").contains(&row.address) {
            Scope::LinkLocalV4
        } else if net("fe80::/10").contains(&row.address) {
            Scope::LinkLocalV6
        } else if net("fc00::/7").contains(&row.address) {
            Scope::UniqueLocal
        } else if net("100.64.0.0/10").contains(&row.address) {
            Scope::Shared
        } else if net("192.0.0.0/24").contains(&row.address) {
            Scope::Special
        } else {
            Scope::Public
        };
        assert_eq!(row.scope, scope, "{}", row.id);
    }
}

// The common advice "except 169.254.0.0/16" leaves these open. X-3, X-6: no IPv4 block covers an
// IPv6 address.
#[test]
fn link_local_v4_misses_wireserver_alibaba_oracle_classic_and_all_of_ipv6() {
    assert_eq!(
        ids_outside("169.254.0.0/16"),
        [
            "aws-imds-v6",
            "aws-eks-pod-identity-v6",
            "gcp-metadata-v6",
            "azure-wireserver",
            "alibaba-metadata",
            "oracle-metadata-v6",
            "oracle-classic",
            "hetzner-metadata-v6",
            "openstack-metadata-v6",
            "scaleway-metadata-v6",
            "akamai-metadata-v6",
        ]
    );
    assert!(
        endpoints()
            .iter()
            .filter(|row| row.address.is_ipv6())
            .all(|row| row.scope != Scope::LinkLocalV4)
    );
}

// X-5: 169.254.170.0/23 holds ECS and Pod Identity, and not IMDS.
#[test]
fn the_ecs_block_covers_task_credentials_and_not_imds() {
    let block = net("169.254.170.0/23");
    let covered: Vec<&str> = endpoints()
        .iter()
        .filter(|row| block.contains(&row.address))
        .map(|row| row.id)
        .collect();
    assert_eq!(covered, ["aws-ecs-credentials", "aws-eks-pod-identity-v4"]);
    assert!(!block.contains(&endpoint("aws-imds-v4").address));
}

// X-6: fe80::a9fe:a9fe belongs to OpenStack-style clouds; the IPv6 addresses of the others are
// unique local.
#[test]
fn link_local_v6_is_openstack_and_hetzner_and_never_leaves_the_node() {
    let unreachable: Vec<Cloud> = endpoints()
        .iter()
        .filter(|row| !row.reachable_from_pod())
        .map(|row| row.cloud)
        .collect();
    assert_eq!(unreachable, [Cloud::Hetzner, Cloud::OpenStack]);
    assert!(endpoint("aws-imds-v6").reachable_from_pod());
    assert!(endpoint("aws-imds-v4").reachable_from_pod());
}

#[test]
fn private_ranges_alone_miss_the_azure_wireserver() {
    let wireserver = endpoint("azure-wireserver").address;
    assert!(
        ranges::private_v4()
            .iter()
            .all(|range| !range.contains(&wireserver))
    );
    assert!(
        !ranges::LINK_LOCAL_V4.contains(&wireserver) && !ranges::SHARED_V4.contains(&wireserver)
    );
}

#[test]
fn distinct_addresses_join_the_rows_of_one_address() {
    let addresses = distinct_addresses(&[Cloud::Hetzner, Cloud::Gcp, Cloud::Aws]);
    let shared = &addresses
        .iter()
        .find(|metadata| metadata.address.to_string() == "169.254.169.254")
        .unwrap();
    assert_eq!(shared.ports, [80, 8080]);
    assert_eq!(shared.clouds, [Cloud::Aws, Cloud::Gcp, Cloud::Hetzner]);
    assert_eq!(shared.yields, Yields::Credentials);
    assert!(addresses.is_sorted_by_key(|metadata| metadata.address));
    assert!(
        addresses
            .iter()
            .any(|metadata| !metadata.reachable_from_pod())
    );
    assert!(distinct_addresses(&[]).is_empty());
    assert!(distinct_addresses(&[Cloud::Equinix]).is_empty());
}

// A resolver or a clock is a dependency and not a secret, so it is never in the way of an `except`.
#[test]
fn dns_and_time_servers_are_no_metadata_addresses() {
    let addresses: Vec<String> = distinct_addresses(&[Cloud::Aws])
        .iter()
        .map(|metadata| metadata.address.to_string())
        .collect();
    assert_eq!(
        addresses,
        [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "fd00:ec2::23",
            "fd00:ec2::254"
        ]
    );
    let wireserver = &distinct_addresses(&[Cloud::Azure])[0];
    assert_eq!(
        (
            wireserver.address.to_string().as_str(),
            wireserver.ports.as_slice()
        ),
        { ("168.63.129.16", &[53, 80, 32526][..]) }
    );
}

#[test]
fn the_block_list_of_azure_is_two_hosts() {
    assert_eq!(
        block_list(&[Cloud::Azure]),
        [net("168.63.129.16/32"), net("169.254.169.254/32")]
    );
}

#[test]
fn block_lists_cover_each_distinct_address_and_nothing_else() {
    let one_by_one = Cloud::all().iter().map(std::slice::from_ref);
    for clouds in one_by_one.chain([Cloud::all()]) {
        let addresses = distinct_addresses(clouds);
        let blocks = block_list(clouds);
        for metadata in &addresses {
            assert_eq!(
                blocks
                    .iter()
                    .filter(|block| block.contains(&metadata.address))
                    .count(),
                1
            );
        }
        let size: u128 = blocks
            .iter()
            .map(|block| 1 << (block.max_prefix_len() - block.prefix_len()))
            .sum();
        assert_eq!(size, addresses.len() as u128, "{clouds:?}");
        assert!(blocks.is_sorted());
    }
}

// Withholding metadata must not cut name resolution.
#[test]
fn block_lists_leave_node_local_dns_alone() {
    let blocks = block_list(Cloud::all());
    assert!(
        ranges::node_local_dns()
            .iter()
            .all(|dns| !blocks.iter().any(|block| block.contains(&dns.address)))
    );
}

#[test]
fn every_cloud_but_equinix_has_an_address() {
    for &cloud in Cloud::all() {
        let has_row = endpoints().iter().any(|row| row.cloud == cloud);
        assert_eq!(has_row, cloud != Cloud::Equinix, "{cloud}");
    }
    assert!(!Cloud::Equinix.host_names().is_empty());
}

#[test]
fn clouds_parse_by_word_and_by_alias() {
    for &cloud in Cloud::all() {
        assert_eq!(cloud.word().parse(), Ok(cloud));
        assert!(!cloud.name().is_empty());
    }
    assert_eq!("EKS".parse(), Ok(Cloud::Aws));
    assert_eq!(" linode ".parse(), Ok(Cloud::Akamai));
    assert_eq!("Google-Cloud".parse(), Ok(Cloud::Gcp));
}

#[test]
fn an_unknown_cloud_gets_suggestions() {
    let error = "azur".parse::<Cloud>().unwrap_err();
    assert_eq!(
        (error.given(), error.nearest()),
        ("azur", &[Cloud::Azure][..])
    );
    expect_test::expect![[r"
        unknown cloud `azur`, did you mean `azure`; known clouds are aws, gcp, azure, alibaba, oracle, digitalocean, hetzner, openstack, ibm, tencent, huawei, scaleway, vultr, akamai, equinix, exoscale, upcloud, cloudcix
    "]]
    .assert_eq(&format!("{error}\n"));
    assert!("nowhere".parse::<Cloud>().unwrap_err().nearest().is_empty());
}
