//! Where the pages are used: who signs people in, and who shows the wallet.

use std::{fmt, str::FromStr};

/// What the pages have to know of the stack that they belong to.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The issuer of tokens, as in their `iss`; empty: nobody can sign in but by a key.
    pub issuer: String,
    /// Whom tokens are for.
    pub audience: String,
    /// The issuer's client for staff; empty: staff has its keys.
    pub console_client: String,
    /// The issuer's client for customers; empty: they come by a shop's page, which has tokens for them.
    pub wallet_client: String,
    /// Where else than at its own origin the issuer's endpoints are.
    pub sign_in: Vec<Origin>,
    /// The shops that may show the wallet in a page of theirs.
    pub shops: Vec<Origin>,
}

impl Site {
    /// As the function's environment says: `SCRIP_OIDC_ISSUER`, `SCRIP_OIDC_AUDIENCE`, `SCRIP_CONSOLE_CLIENT_ID`,
    /// `SCRIP_WALLET_CLIENT_ID`, and `SCRIP_SIGN_IN_ORIGINS` and `SCRIP_SHOP_ORIGINS`, each a list with spaces between. What is
    /// not set is empty.
    ///
    /// # Errors
    /// When an origin is none.
    pub fn from_environment() -> Result<Self, String> {
        let variable = |name: &str| edge::variable(name).unwrap_or_default();
        let origins = |name: &str| {
            let listed = variable(name);
            let origins = listed.split_whitespace().map(str::parse).collect::<Result<Vec<Origin>, _>>();
            origins.map_err(|error| format!("{name}: {error}"))
        };
        let site = Self {
            issuer: variable("SCRIP_OIDC_ISSUER"),
            audience: variable("SCRIP_OIDC_AUDIENCE"),
            console_client: variable("SCRIP_CONSOLE_CLIENT_ID"),
            wallet_client: variable("SCRIP_WALLET_CLIENT_ID"),
            sign_in: origins("SCRIP_SIGN_IN_ORIGINS")?,
            shops: origins("SCRIP_SHOP_ORIGINS")?,
        };
        site.sign_in().map_err(|error| format!("SCRIP_OIDC_ISSUER: {error}"))?;
        Ok(site)
    }

    /// Every origin that a page calls to sign somebody in.
    pub(crate) fn sign_in(&self) -> Result<Vec<Origin>, String> {
        let own = match self.issuer.as_str() {
            "" => None,
            issuer => Some(Origin::of(issuer)?),
        };
        Ok(own.into_iter().chain(self.sign_in.iter().cloned()).collect())
    }
}

/// Where an address is: `https://host`, with `:port` where it is not 443. On this machine itself also by `http`, and with `*` for
/// any port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Where this address is.
    ///
    /// # Errors
    /// When it is no address, or begins with another scheme.
    pub fn of(address: &str) -> Result<Self, String> {
        let authority = address.find("://").map_or(0, |at| at.saturating_add(3));
        let rest = address.get(authority..).unwrap_or_default();
        let path = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        address.get(..authority.saturating_add(path)).unwrap_or_default().parse()
    }

    /// Whether it is on this machine itself.
    pub fn is_here(&self) -> bool {
        let host = self.0.split_once("://").map_or("", |(_, authority)| host_and_port(authority).0);
        ["127.0.0.1", "localhost", "[::1]"].contains(&host)
    }
}

/// An IPv6 address has colons of its own, in brackets.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

impl FromStr for Origin {
    type Err = String;

    /// Strictly, since it goes into a policy as it is.
    fn from_str(text: &str) -> Result<Self, String> {
        let fault = |why: &str| {
            format!("{text:?} is no origin: {why}; give https://host or https://host:port, without a path")
        };
        let (scheme, authority) = text.split_once("://").ok_or_else(|| fault("it has no scheme"))?;
        let (host, port) = host_and_port(authority);
        let of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let named = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(of_name),
        };
        if !named {
            return Err(fault("its host is none"));
        }
        let origin = Self(text.to_owned());
        let any_port = port == Some("*") && origin.is_here();
        let digits = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
        if port.is_some_and(|port| !digits(port) || port.parse::<u16>().is_err()) && !any_port {
            return Err(fault("its port is none"));
        }
        match scheme {
            "https" => Ok(origin),
            "http" if origin.is_here() => Ok(origin),
            _ => Err(fault("it must begin with https://")),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
