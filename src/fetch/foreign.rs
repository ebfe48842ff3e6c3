//! Hosts that the config does not name: an API's link or redirect may lead anywhere.
//!
//! A request there carries no credentials. It is made with a warning, once per host, or refused (`foreign_hosts: refuse`), and
//! never made to the addresses of a machine's own network link, where clouds answer with a machine's credentials.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Reason why a request to another host is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignHost {
    /// `foreign_hosts: refuse`.
    Refused,
    /// A link-local address, or the name of a cloud's metadata service.
    LinkLocal,
}

impl ForeignHost {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Refused => "a host that the config does not name, and `foreign_hosts: refuse` forbids those",
            Self::LinkLocal => {
                "an address within the machine's own network link, to which no answer of an API can lead"
            }
        }
    }
}

/// Names of metadata services of clouds.
const METADATA: [&str; 4] =
    ["metadata.google.internal", "metadata.goog", "metadata.azure.internal", "instance-data.ec2.internal"];

/// Addresses of metadata services outside of the link-local ranges: Alibaba Cloud, Oracle Cloud, and AWS by IPv6.
const METADATA_ADDRESSES: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Returns true if the URL names a link-local address or a metadata service.
pub(super) fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_local_address(address.into()),
        Some(Host::Ipv6(address)) => is_local_address(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            METADATA.iter().any(|known| name.eq_ignore_ascii_case(known))
        }
        None => false,
    }
}

fn is_local_address(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    is_link_local || METADATA_ADDRESSES.contains(&address)
}

/// Resolves names of foreign hosts, less the addresses that no request may go to: a name can resolve to any of them.
pub(super) struct ForeignResolver;

impl ForeignResolver {
    pub(super) fn shared() -> Arc<Self> {
        Arc::new(Self)
    }
}

impl Resolve for ForeignResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (refused, allowed): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|address| is_local_address(address.ip()));
            if allowed.is_empty() && !refused.is_empty() {
                return Err("its name resolves to a link-local address, to which no link of an API leads".into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_link_and_of_metadata_services_are_known_in_every_spelling() {
        let is_refused = |url: &str| is_link_local(&Url::parse(url).unwrap());
        for url in [
            "http://169.254.169.254/latest/meta-data/",
            "http://2852039166/",
            "http://0xA9FEA9FE/",
            "http://0251.0376.0251.0376/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "http://Metadata.Google.Internal./computeMetadata/v1/",
        ] {
            assert!(is_refused(url), "{url}");
        }
        for url in ["https://api.example.com", "http://127.0.0.1:80", "http://10.0.0.1", "http://[::1]"] {
            assert!(!is_refused(url), "{url}");
        }
    }
}
