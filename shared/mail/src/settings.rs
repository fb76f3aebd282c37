//! How a shop writes to its customers and admins.

use std::{collections::BTreeSet, fmt};

use email_address::{EmailAddress, Options};
use ledger::{Label, Language};
use serde::{Deserialize, Serialize};

use crate::{Kind, Templates};

/// Admins that can be written to: a mail has one list of addresses, and this is a short one.
const MAX_ADMINS: usize = 20;
/// What a shop is called that does not say.
const SHOP: &str = "Our shop";

/// How a shop writes to its customers and admins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSettings {
    /// Whether it writes at all.
    pub enabled: bool,
    /// The address that it writes from; without one it does not.
    pub sender: Option<Address>,
    /// Where answers go, if not there.
    pub reply_to: Option<Address>,
    /// What the shop is called.
    pub shop: Option<Label>,
    /// The language of those who have none, or one that there are no words in.
    pub language: Language,
    /// What customers are told of.
    pub customer_events: CustomerEvents,
    /// Who is told of top-ups that wait.
    pub admins: Admins,
    /// The shop's own words.
    pub templates: Templates,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            sender: None,
            reply_to: None,
            shop: None,
            language: Language::default(),
            customer_events: CustomerEvents::default(),
            admins: Admins::default(),
            templates: Templates::default(),
        }
    }
}

impl MailSettings {
    /// What the shop is called.
    pub fn shop_name(&self) -> &str {
        self.shop.as_ref().map_or(SHOP, Label::as_str)
    }
}

/// What customers are told of: all of it, unless the shop says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Kind>")]
pub struct CustomerEvents(BTreeSet<Kind>);

impl Default for CustomerEvents {
    fn default() -> Self {
        Self(Kind::ALL.iter().copied().filter(|kind| !kind.is_for_admins()).collect())
    }
}

impl TryFrom<Vec<Kind>> for CustomerEvents {
    type Error = &'static str;

    fn try_from(kinds: Vec<Kind>) -> Result<Self, Self::Error> {
        if kinds.iter().any(|kind| kind.is_for_admins()) {
            return Err("must be events that customers are told of; admins hear of topup.requested");
        }
        Ok(Self(kinds.into_iter().collect()))
    }
}

impl CustomerEvents {
    /// Whether customers are told of this.
    pub fn contains(&self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }
}

/// Who is told of top-ups that wait: up to 20 addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Address>")]
pub struct Admins(Vec<Address>);

impl TryFrom<Vec<Address>> for Admins {
    type Error = &'static str;

    fn try_from(admins: Vec<Address>) -> Result<Self, Self::Error> {
        if admins.len() <= MAX_ADMINS { Ok(Self(admins)) } else { Err("must be at most 20 addresses") }
    }
}

impl Admins {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }
}

/// An e-mail address, by its form: `alice@example.com`. In ASCII, without spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Address(EmailAddress);

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bare = Options::default().without_display_text().without_domain_literal().with_required_tld();
        // SES takes no others, and nobody's is quoted.
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"(),:;<>[\\]".contains(&byte));
        let address = EmailAddress::parse_with_options(&text, bare).ok().filter(|_| plain);
        address.map(Self).ok_or("must be an e-mail address in ASCII, such as \"alice@example.com\"")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Address> for String {
    fn from(Address(address): Address) -> Self {
        address.into()
    }
}

impl Address {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What stands behind its `@`.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }
}
