//! Where a webhook may go: nowhere that only we could reach.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::Uri;
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Longest address, in bytes.
const MAX_BYTES: usize = 2048;
/// What is said of every address that is not public, and of every name that leads to one.
pub(super) const NOT_PUBLIC: &str = "must lead to a public address, and to no other";

/// Where webhooks may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To public addresses, by https: what is deployed.
    Public,
    /// Anywhere, by http too: a laptop and the tests.
    Anywhere,
}

/// An endpoint's address, in its normal form. `Deserialize` is for what was stored: it checks that it is an address,
/// and sending checks the rest again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// The address that this text is.
    ///
    /// # Errors
    /// What it must be and is not. Names are not looked up: where they lead is seen at each delivery.
    pub fn new(text: &str, reach: Reach) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("must have at most {MAX_BYTES} bytes"));
        }
        // What browsers overlook or mend, and others read in their own way.
        if text.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '\\') {
            return Err("must have no spaces, line breaks or backslashes".to_owned());
        }
        let url = Url::parse(text).map_err(|error| format!("must be a whole address: {error}"))?;
        // `https:/example.com` is one of those.
        let begins =
            |with: &str| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
        if !begins("https://") && !begins("http://") {
            return Err("must begin with https://".to_owned());
        }
        let url = Self(url);
        url.check(reach)?;
        Ok(url)
    }

    /// # Errors
    /// What it must be and is not.
    pub(super) fn check(&self, reach: Reach) -> Result<(), String> {
        let Self(url) = self;
        let allowed = match reach {
            Reach::Public => url.scheme() == "https",
            Reach::Anywhere => matches!(url.scheme(), "https" | "http"),
        };
        if !allowed {
            return Err("must begin with https://".to_owned());
        }
        if self.as_str().len() > MAX_BYTES {
            return Err(format!("must have at most {MAX_BYTES} bytes"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must have no user name and no password".to_owned());
        }
        if url.fragment().is_some() {
            return Err("must have no # and nothing after it".to_owned());
        }
        if url.port() == Some(0) {
            return Err("must have a port that can be connected to".to_owned());
        }
        // What connects has a reader of addresses of its own; the two must see the same host.
        let same = |uri: &Uri| uri.host() == url.host_str() && uri.port_u16() == url.port();
        if !self.as_str().parse().is_ok_and(|uri| same(&uri)) {
            return Err("must be an address without unusual characters".to_owned());
        }
        let public = match url.host() {
            None => false,
            Some(Host::Ipv4(address)) => is_public(address.into()),
            Some(Host::Ipv6(address)) => is_public(address.into()),
            Some(Host::Domain(name)) => is_public_name(name),
        };
        match reach {
            Reach::Public if !public => Err(NOT_PUBLIC.to_owned()),
            Reach::Public | Reach::Anywhere => Ok(()),
        }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Last labels of names that are not of the public Internet: `localhost` (RFC 6761), `local` and the names of private
/// networks in its neighbourhood (RFC 6762 and its appendix G), `home.arpa` (RFC 8375); `internal` is also what AWS
/// calls its machines.
const PRIVATE_NAMES: [&str; 9] =
    ["corp", "home", "home.arpa", "internal", "intranet", "lan", "local", "localhost", "private"];

/// Whether this name, in lower case, may be one of the public Internet.
fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let under = |suffix: &&str| {
        name.strip_suffix(*suffix).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    name.contains('.') && !PRIVATE_NAMES.iter().any(under)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// IPv4 that is not public: what <https://www.iana.org/assignments/iana-ipv4-special-registry> calls not globally
/// reachable, the retired relays to IPv6, and multicast (<https://www.iana.org/assignments/multicast-addresses>).
const NOT_PUBLIC_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),       // this network
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // shared by a carrier's customers; some clouds' metadata
    v4(127, 0, 0, 0, 8),     // this machine
    v4(169, 254, 0, 0, 16),  // this link; most clouds' metadata, ours among them
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 88, 99, 0, 24),  // 6to4 relays, retired
    v4(192, 168, 0, 0, 16),  // private
    v4(198, 18, 0, 0, 15),   // benchmarks
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved, and broadcast
];

/// All of IPv6 that is given out as public (<https://www.iana.org/assignments/ipv6-address-space>). Outside it are this
/// machine, links and private networks, multicast, and IPv4 in the forms `::ffff:0:0/96` and `64:ff9b::/96`.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 3);

/// What of that is not public (<https://www.iana.org/assignments/iana-ipv6-special-registry>): for protocols, Teredo
/// among them; for documentation, twice; and IPv4 as 6to4.
const NOT_PUBLIC_V6: [Ipv6Net; 4] =
    [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// Whether this address is one of the public Internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hosts, and what may follow them, that are not public however they are written.
    const NOT_PUBLIC_HOSTS: &[&str] = &[
        // This machine, in all the forms that some reader of addresses takes.
        "127.0.0.1",
        "127.0.0.1:8443",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "0177.0.0.1",
        "0177.0.0.01",
        "0x7f.0.0.1",
        "0x7F000001",
        "0x7f.1",
        "017700000001",
        "2130706433",
        "127.0.0.0x1",
        "１２７.０.０.１",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost..",
        "localhost:8443",
        "ｌocalhost",
        "app.localhost",
        "app.localhost.",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::1%25lo]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "0.0.0.0",
        "0",
        "0.1.2.3",
        // The clouds' metadata.
        "169.254.169.254",
        "169.254.170.2",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[fd00:ec2::253]",
        "[fd20:ce::254]",
        "100.100.100.200",
        "192.0.0.192",
        "metadata.google.internal",
        "instance-data.ec2.internal",
        "ip-10-0-0-1.eu-central-1.compute.internal",
        // Private, shared, of the link.
        "10.0.0.1",
        "10.255.255.255",
        "10.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.168.1",
        "3232235521",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.0.1",
        "[fc00::1]",
        "[fdff:ffff::1]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[febf::1]",
        "[fec0::1]",
        "[::ffff:10.0.0.1]",
        "[::10.0.0.1]",
        "[2002:a00:1::]",
        "[2002:c0a8:1::1]",
        // Reserved.
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "4294967295",
        "[100::1]",
        "[100:0:0:1::1]",
        "[2001::1]",
        "[2001:2::1]",
        "[2001:10::1]",
        "[2001:20::1]",
        "[2001:1ff:ffff::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[3fff:fff::1]",
        "[4000::1]",
        "[5f00::1]",
        "[ff02::1]",
        "[1fff::1]",
        // Names that only a private network knows.
        "intranet",
        "shop",
        "com",
        "com.",
        "printer.local",
        "printer.LOCAL",
        "printer.local.",
        "nas.lan",
        "router.home",
        "router.home.arpa",
        "home.arpa",
        "vault.corp",
        "wiki.intranet",
        "db.private",
        "vault.internal",
        "vault.internal.",
    ];

    const PUBLIC_HOSTS: &[&str] = &[
        "example.com",
        "EXAMPLE.com",
        "example.com.",
        "example.com:8443",
        "hooks.shop.example",
        "a.b.c.d.example.org",
        "xn--bcher-kva.example",
        "bücher.example",
        "my-shop.co.uk",
        "localhost.example.com",
        "local.example.com",
        "notlocal.dev",
        "thelocal.se",
        "internal.dev",
        "8.8.8.8",
        "1.1.1.1:444",
        "0x08080808",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "[2606:4700:4700::1111]",
        "[2001:4860:4860::8888]",
        "[2001:200::1]",
        "[2a00:1450:4001::1]",
        "[2003::1]",
        "[3ffe:ffff::1]",
    ];

    fn public(text: &str) -> Result<WebhookUrl, String> {
        WebhookUrl::new(text, Reach::Public)
    }

    #[test]
    fn hosts_that_are_not_public_are_refused_in_every_spelling() {
        assert!(NOT_PUBLIC_HOSTS.len() >= 60);
        for host in NOT_PUBLIC_HOSTS {
            for address in [format!("https://{host}"), format!("https://{host}/hooks?shop=1")] {
                assert!(public(&address).is_err(), "{address}");
            }
        }
    }

    #[test]
    fn public_hosts_are_accepted_in_their_normal_form() {
        assert!(PUBLIC_HOSTS.len() >= 20);
        for host in PUBLIC_HOSTS {
            let url = public(&format!("https://{host}/hooks?shop=1"))
                .unwrap_or_else(|error| panic!("{host}: {error}"));
            assert_eq!(public(url.as_str()).as_ref(), Ok(&url));
        }
        let normal = [
            ("HTTPS://EXAMPLE.com:443", "https://example.com/"),
            ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
            ("https://0x08080808/a/../b", "https://8.8.8.8/b"),
        ];
        for (written, normal) in normal {
            assert_eq!(public(written).unwrap().to_string(), normal);
        }
    }

    #[test]
    fn an_address_may_be_as_long_as_it_says() {
        let host = "https://example.com/";
        let longest = format!("{host}{}", "a".repeat(MAX_BYTES - host.len()));
        assert_eq!(public(&longest).unwrap().as_str(), longest);
        assert!(public(&format!("{longest}a")).is_err());
    }

    #[test]
    fn other_addresses_are_refused() {
        let long = format!("https://example.com/{}", "a".repeat(MAX_BYTES));
        let long_once_encoded = format!("https://example.com/{}", "ä".repeat(MAX_BYTES / 4));
        let refused = [
            "",
            "https",
            "https:",
            "https://",
            "https:///",
            "https:example.com",
            "https:/example.com",
            "https:,/example.com",
            "example.com",
            "//example.com",
            "/hooks",
            "http://example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "gopher://example.com",
            "javascript:alert(1)",
            "data:text/plain,a",
            "https://user@example.com",
            "https://user:secret@example.com",
            "https://:secret@example.com",
            "https://example.com#",
            "https://example.com/#part",
            "https://example.com:0",
            "https://example.com:65536",
            "https://example.com:https",
            "https://exa mple.com",
            " https://example.com",
            "https://example.com\n",
            "https://exam\tple.com",
            "https:\\\\example.com",
            "https://example.com\\@127.0.0.1",
            "https://[::1",
            "https://1.2.3.4.5",
            "https://256.256.256.256",
            &long,
            &long_once_encoded,
        ];
        for address in refused {
            assert!(public(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_laptop_may_send_to_itself() {
        for address in
            ["http://127.0.0.1:9000/hooks", "http://localhost", "https://[::1]:1/", "https://example.com"]
        {
            let url = WebhookUrl::new(address, Reach::Anywhere);
            assert!(url.is_ok(), "{address}");
        }
        for address in
            ["ftp://127.0.0.1", "http://user@127.0.0.1", "http://127.0.0.1/#a", "http://127.0.0.1:0"]
        {
            assert!(WebhookUrl::new(address, Reach::Anywhere).is_err(), "{address}");
        }
    }

    #[test]
    fn it_is_stored_as_text() {
        let url = WebhookUrl::new("http://localhost/hooks", Reach::Anywhere).unwrap();
        let json = serde_json::to_string(&url).unwrap();
        assert_eq!(json, r#""http://localhost/hooks""#);
        let stored: WebhookUrl = serde_json::from_str(&json).unwrap();
        assert_eq!(stored, url);
        assert!(stored.check(Reach::Public).is_err());
        assert!(serde_json::from_str::<WebhookUrl>("\"hooks\"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in any::<String>()) {
            let _ = public(&text);
            let _ = WebhookUrl::new(&text, Reach::Anywhere);
        }

        #[test]
        fn what_is_accepted_is_https_and_no_private_literal(
            scheme in "https?|HTTPS|ftp",
            user in "([a-z]{0,2}(:[a-z]{0,2})?@)?",
            host in "([0-9]{1,3}\\.){0,3}[0-9]{1,10}\\.?|0x[0-9a-f]{1,8}|\\[[0-9a-f:.]{2,20}\\]|[a-z.]{1,12}|\\PC{1,8}",
            rest in "(:[0-9]{0,5})?(/\\PC{0,6})?(\\?\\PC{0,6})?(#\\PC{0,3})?",
        ) {
            if let Ok(url) = public(&format!("{scheme}://{user}{host}{rest}")) {
                // By the reader of the client that connects.
                let uri: Uri = url.as_str().parse().unwrap();
                prop_assert_eq!(uri.scheme_str(), Some("https"));
                let host = uri.host().unwrap().trim_start_matches('[').trim_end_matches(']');
                prop_assert!(!uri.authority().unwrap().as_str().contains('@'));
                prop_assert!(host.parse::<IpAddr>().is_ok_and(is_public) || is_public_name(host));
            }
        }

        #[test]
        fn an_address_is_public_however_it_is_written(address in any::<u32>()) {
            let dotted = Ipv4Addr::from(address);
            for host in [dotted.to_string(), address.to_string(), format!("{address:#x}"), format!("0{address:o}")] {
                prop_assert_eq!(public(&format!("https://{host}")).is_ok(), is_public(dotted.into()), "{}", host);
            }
        }

        #[test]
        fn no_ipv6_with_ipv4_inside_is_public(address in any::<u32>()) {
            let [a, b, c, d] = address.to_be_bytes();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for [a, b, c, d, e, f, g, h] in [
                [0, 0, 0, 0, 0, 0xffff, high, low],
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0xffff, 0, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x64, 0xff9b, 1, 0, 0, 0, high, low],
                [0x2002, high, low, 0, 0, 0, 0, 1],
                [0x2001, 0, high, low, 0, 0, !high, !low],
            ] {
                prop_assert!(!is_public(Ipv6Addr::new(a, b, c, d, e, f, g, h).into()));
            }
        }
    }
}
