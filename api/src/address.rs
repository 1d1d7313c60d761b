//! Who calls: the address of the other end, or what the load balancer says it is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The caller's address for counting what he does. `proxies` is how many of ours stand before this server: each adds the
/// address that it was called from at the end of `X-Forwarded-For`, so that what stands before those entries is the caller's invention.
pub fn caller(headers: &HeaderMap, peer: SocketAddr, proxies: usize) -> IpAddr {
    let forwarded = || {
        let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let entries: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        let entry = entries.len().checked_sub(proxies)?;
        parse(entries.get(entry)?)
    };
    let address = if proxies == 0 { None } else { forwarded() };
    network(address.unwrap_or(peer.ip()))
}

/// An address, with a port or not.
fn parse(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(with_port)
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn told(forwarded: &[&str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).expect("a header"));
        }
        caller(&headers, "10.0.0.9:4711".parse().expect("an address"), proxies).to_string()
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        assert_eq!(told(&["1.1.1.1, 2.2.2.2"], 1), "2.2.2.2");
        assert_eq!(told(&["1.1.1.1", "2.2.2.2:99"], 1), "2.2.2.2");
        assert_eq!(told(&["1.1.1.1, 2.2.2.2, 10.0.0.1"], 2), "2.2.2.2");
        for (forwarded, proxies) in [(&["1.1.1.1"][..], 0), (&[], 1), (&["not an address"], 1), (&["1.1.1.1"], 2)] {
            assert_eq!(told(forwarded, proxies), "10.0.0.9");
        }
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_caller() {
        assert_eq!(told(&["2001:db8:1:2:3:4:5:6"], 1), "2001:db8:1:2::");
        assert_eq!(told(&["::ffff:1.2.3.4"], 1), "1.2.3.4");
    }
}
