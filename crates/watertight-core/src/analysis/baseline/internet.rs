//! The internet: public addresses, without everything that only looks like it.
//!
//! Left out are private, shared and special ranges, the metadata services of every cloud wherever they
//! are, and whatever addresses this cluster itself has in public space.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::needs::Block;
use crate::facts::metadata::{Cloud, block_list};
use crate::facts::ranges::{ANY_V4, LINK_LOCAL_V4, SHARED_V4, private_v4};
use crate::world::World;

/// Every global unicast address. Metadata services (fc00::/7, fe80::/10), translated IPv4 (64:ff9b::/96),
/// loopback and multicast are outside of it.
const GLOBAL_V6: IpNet = IpNet::V6(Ipv6Net::new_assert(
    Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0),
    3,
));

const fn v4(octets: [u8; 4], prefix: u8) -> IpNet {
    let [a, b, c, d] = octets;
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(first: u16, second: u16, prefix: u8) -> IpNet {
    let address = Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0);
    IpNet::V6(Ipv6Net::new_assert(address, prefix))
}

/// More than so many blocks of own addresses are joined to wider ones.
const MOST_OWN: usize = 16;

/// The blocks of the internet.
#[derive(Clone, Debug)]
pub struct Internet {
    /// IPv4 and IPv6.
    pub blocks: Vec<Block>,
}

impl Internet {
    /// The internet as pods of a world may use it.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let mut left_out: Vec<IpNet> = private_v4().to_vec();
        left_out.extend([
            SHARED_V4,
            LINK_LOCAL_V4,
            v4([0, 0, 0, 0], 8),
            v4([127, 0, 0, 0], 8),
            v4([192, 0, 0, 0], 24),
            v4([198, 18, 0, 0], 15),
            v4([224, 0, 0, 0], 3),
            // Teredo and 6to4: IPv4 addresses in IPv6 ones.
            v6(0x2001, 0, 32),
            v6(0x2002, 0, 16),
        ]);
        left_out.extend(block_list(Cloud::ALL));
        let is_new = |ip: &IpAddr| !left_out.iter().any(|net| net.contains(ip));
        let nodes = world.nodes.iter().flat_map(|node| node.ips.iter());
        let pods = world.endpoints.iter().flat_map(|pod| pod.ips.iter());
        let services = world
            .services
            .iter()
            .flat_map(|service| service.cluster_ips.iter());
        let servers = world.api_servers();
        let own = nodes
            .chain(pods)
            .chain(services)
            .chain(&servers)
            .copied()
            .filter(is_new);
        let own = own.filter(|ip| ANY_V4.contains(ip) || GLOBAL_V6.contains(ip));
        let own = joined(own.map(IpNet::from).collect());
        left_out.extend(own);
        let of = |whole: IpNet| {
            let inside = left_out
                .iter()
                .copied()
                .filter(|net| whole.contains(net) && *net != whole);
            let mut except = IpNet::aggregate(&inside.collect());
            except.sort_unstable();
            Block { net: whole, except }
        };
        Self {
            blocks: vec![of(ANY_V4), of(GLOBAL_V6)],
        }
    }
}

/// Single addresses, in wider blocks if there are many.
fn joined(mut nets: Vec<IpNet>) -> Vec<IpNet> {
    for (v4, v6) in [(32, 128), (28, 64), (24, 56), (20, 48), (16, 32)] {
        let wider = nets.iter().filter_map(|net| {
            let prefix = match net {
                IpNet::V4(_) => v4,
                IpNet::V6(_) => v6,
            };
            Some(
                IpNet::new(net.addr(), prefix.min(net.prefix_len()))
                    .ok()?
                    .trunc(),
            )
        });
        nets = IpNet::aggregate(&wider.collect());
        if nets.len() <= MOST_OWN {
            break;
        }
    }
    nets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::testing::Sample;
    use crate::facts::metadata::endpoints;

    fn has(internet: &Internet, ip: &str) -> bool {
        let ip: IpAddr = ip.parse().unwrap();
        internet.blocks.iter().any(|block| {
            block.net.contains(&ip) && !block.except.iter().any(|net| net.contains(&ip))
        })
    }

    // V-18, V-19: no metadata service of any cloud, and nothing outside of its block.
    #[test]
    fn no_metadata_service_is_in_the_internet() {
        let sample = Sample::new("{apiVersion: v1, kind: Namespace, metadata: {name: a}}");
        let internet = Internet::of(&sample.world);
        for endpoint in endpoints() {
            assert!(
                !has(&internet, &endpoint.address.to_string()),
                "{}",
                endpoint.id
            );
        }
        for private in [
            "10.1.2.3",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
            "::1",
            "224.0.0.1",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(!has(&internet, private), "{private}");
        }
        for public in ["1.1.1.1", "203.0.113.9", "2606:4700::1111"] {
            assert!(has(&internet, public), "{public}");
        }
        for block in &internet.blocks {
            assert!(block.except.iter().all(|net| block.net.contains(net)));
        }
    }

    #[test]
    fn addresses_of_the_cluster_are_left_out_wherever_they_are() {
        let node = |n: u32| {
            format!(
                "---\n{{apiVersion: v1, kind: Node, metadata: {{name: n{n}}}, status: {{addresses: \
                 [{{type: InternalIP, address: 198.51.{}.{}}}]}}}}\n",
                n / 100,
                n % 100
            )
        };
        let few = Sample::new(&node(7));
        let internet = Internet::of(&few.world);
        assert!(!has(&internet, "198.51.0.7") && has(&internet, "198.51.0.8"));
        let many: String = (0..500).map(|n| node(n * 2)).collect();
        let many = Sample::new(&many);
        let internet = Internet::of(&many.world);
        assert!((0..500).all(|n| !has(
            &internet,
            &format!("198.51.{}.{}", n * 2 / 100, n * 2 % 100)
        )));
        assert!(internet.blocks.iter().all(|block| block.except.len() < 40));
    }
}
