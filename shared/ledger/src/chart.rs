//! The chart of accounts: under which names the books of the shop keep what the ledger moves.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed, Error as _, MapAccess, Visitor},
};

use crate::{Category, Hash, Label, text::words};

/// Longest name of an account, in characters.
const MAX_ACCOUNT: usize = 128;
/// What an account of the books begins with.
const ROOTS: [&str; 5] = ["Assets", "Liabilities", "Equity", "Income", "Expenses"];
/// What stands for a payment method or a journal that has no letter and no digit.
const UNSPECIFIED: &str = "Unspecified";
/// Hexadecimal digits that tell apart names of which letters were lost.
const DIGEST: usize = 8;

words! {
    /// What an account of the books is for.
    pub enum AccountRole {
        /// What customers hold that was paid for.
        LiabilityPaid = "liability_paid",
        /// What customers hold that was given to promote sales.
        LiabilityPromotional = "liability_promotional",
        /// What customers hold that was given back for returns.
        LiabilityRefund = "liability_refund",
        /// What customers hold that was given to make up for something.
        LiabilityGoodwill = "liability_goodwill",
        /// What customers hold that was brought over from another system.
        LiabilityImport = "liability_import",
        /// What customers owe by overdraft.
        Receivable = "receivable",
        /// Money that came in, by the payment's method.
        Payments = "payments",
        /// Money that was paid out, by the withdrawal's journal.
        Withdrawals = "withdrawals",
        /// What orders were paid with credit, and what of that was given back.
        Sales = "sales",
        /// Where paid credit comes from that names no payment.
        GrantedPaid = "granted_paid",
        /// Where promotional credit comes from.
        GrantedPromotional = "granted_promotional",
        /// Where credit for returns comes from.
        GrantedRefund = "granted_refund",
        /// Where goodwill comes from.
        GrantedGoodwill = "granted_goodwill",
        /// Where credit of another system comes from.
        GrantedImport = "granted_import",
        /// Where paid credit goes that expired.
        ExpiredPaid = "expired_paid",
        /// Where promotional credit goes that expired.
        ExpiredPromotional = "expired_promotional",
        /// Where credit for returns goes that expired.
        ExpiredRefund = "expired_refund",
        /// Where goodwill goes that expired.
        ExpiredGoodwill = "expired_goodwill",
        /// Where credit of another system goes that expired.
        ExpiredImport = "expired_import",
        /// Where credit goes that the merchant took back: debits and voided lots.
        Adjustments = "adjustments",
    }
}

impl AccountRole {
    /// What customers hold of this category.
    pub fn liability(category: Category) -> Self {
        match category {
            Category::Paid => Self::LiabilityPaid,
            Category::Promotional => Self::LiabilityPromotional,
            Category::Refund => Self::LiabilityRefund,
            Category::Goodwill => Self::LiabilityGoodwill,
            Category::Import => Self::LiabilityImport,
        }
    }

    /// Where credit of this category comes from.
    pub fn granted(category: Category) -> Self {
        match category {
            Category::Paid => Self::GrantedPaid,
            Category::Promotional => Self::GrantedPromotional,
            Category::Refund => Self::GrantedRefund,
            Category::Goodwill => Self::GrantedGoodwill,
            Category::Import => Self::GrantedImport,
        }
    }

    /// Where credit of this category goes that expired.
    pub fn expired(category: Category) -> Self {
        match category {
            Category::Paid => Self::ExpiredPaid,
            Category::Promotional => Self::ExpiredPromotional,
            Category::Refund => Self::ExpiredRefund,
            Category::Goodwill => Self::ExpiredGoodwill,
            Category::Import => Self::ExpiredImport,
        }
    }

    /// The category of what customers hold, if it is that.
    pub fn held(self) -> Option<Category> {
        Category::ALL.iter().copied().find(|category| Self::liability(*category) == self)
    }

    /// The account's name where the merchant gave none. What expires is revenue where money came in, or a return was owed
    /// for; what never brought any takes its expense back.
    pub fn default_name(self) -> &'static str {
        match self {
            Self::LiabilityPaid => "Liabilities:StoreCredit:Paid",
            Self::LiabilityPromotional => "Liabilities:StoreCredit:Promotional",
            Self::LiabilityRefund => "Liabilities:StoreCredit:Refund",
            Self::LiabilityGoodwill => "Liabilities:StoreCredit:Goodwill",
            Self::LiabilityImport => "Liabilities:StoreCredit:Import",
            Self::Receivable => "Assets:Receivable:StoreCredit",
            Self::Payments => "Assets:Clearing:{method}",
            Self::Withdrawals => "Assets:Clearing:{journal}",
            Self::Sales => "Assets:SalesClearing",
            Self::GrantedPaid => "Assets:Clearing:Unspecified",
            Self::GrantedPromotional | Self::ExpiredPromotional => "Expenses:Promotion",
            Self::GrantedRefund => "Income:Refunds",
            Self::GrantedGoodwill | Self::ExpiredGoodwill => "Expenses:Goodwill",
            Self::GrantedImport => "Equity:OpeningBalances",
            Self::ExpiredPaid | Self::ExpiredRefund | Self::ExpiredImport => "Income:Breakage",
            Self::Adjustments => "Income:Adjustments",
        }
    }

    /// The part of its name that what is booked decides, if there may be one.
    fn placeholder(self) -> Option<&'static str> {
        match self {
            Self::Payments => Some("{method}"),
            Self::Withdrawals => Some("{journal}"),
            _ => None,
        }
    }
}

/// The name of an account of the books, or of many: one of its parts may be a placeholder, as in `Assets:Clearing:{method}`.
///
/// Both hledger and beancount take it: a root, `Assets`, `Liabilities`, `Equity`, `Income` or `Expenses`, and behind it at
/// least one part, each behind a colon, of ASCII letters, digits and hyphens, that begins with a capital or a digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName(String);

/// A text is no [`AccountName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an account such as \"Assets:SalesClearing\", of at most 128 characters: Assets, Liabilities, Equity, Income or \
     Expenses, then parts of ASCII letters, digits and hyphens that begin with a capital letter or a digit"
)]
pub struct InvalidAccountName;

impl FromStr for AccountName {
    type Err = InvalidAccountName;

    fn from_str(text: &str) -> Result<Self, InvalidAccountName> {
        let is_placeholder = |part: &str| matches!(part, "{method}" | "{journal}");
        let is_part = |part: &str| {
            part.bytes().next().is_some_and(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let (root, parts) = text.split_once(':').ok_or(InvalidAccountName)?;
        let placeholders = parts.split(':').filter(|part| is_placeholder(part)).count();
        let parts = parts.split(':').all(|part| is_placeholder(part) || is_part(part));
        if ROOTS.contains(&root) && parts && placeholders <= 1 && text.len() <= MAX_ACCOUNT {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAccountName)
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The accounts that the merchant named, by role; all others have their default names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Chart(BTreeMap<AccountRole, AccountName>);

impl Chart {
    /// The name of an account, where `of` is the payment's method or the withdrawal's journal.
    pub fn name(&self, role: AccountRole, of: Option<&Label>) -> Cow<'_, str> {
        let name = self.0.get(&role).map_or(role.default_name(), |AccountName(name)| name);
        match role.placeholder().filter(|placeholder| name.contains(placeholder)) {
            None => Cow::Borrowed(name),
            Some(placeholder) => Cow::Owned(name.replace(placeholder, &part(of))),
        }
    }
}

/// A payment method or a journal as a part of an account's name: its ASCII letters and digits, a hyphen for each run of
/// anything else between them, the first letter as a capital. Where letters were lost that ASCII does not have, a hyphen and
/// eight hexadecimal digits of the name's SHA-256 keep it apart from others. `Unspecified` where nothing is left.
fn part(of: Option<&Label>) -> String {
    let of = of.map_or("", Label::as_str);
    let words = of.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut part = words.collect::<Vec<_>>().join("-");
    if let Some(first) = part.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if of.chars().any(|c| c.is_alphanumeric() && !c.is_ascii()) {
        let mut digest = Hash::of(of.as_bytes()).to_string();
        digest.truncate(DIGEST);
        part = if part.is_empty() { digest.to_ascii_uppercase() } else { format!("{part}-{digest}") };
    }
    if part.is_empty() { UNSPECIFIED.to_owned() } else { part }
}

impl<'de> Deserialize<'de> for Chart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByRole;

        impl<'de> Visitor<'de> for ByRole {
            type Value = Chart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("accounts by role, as {\"sales\": \"Assets:SalesClearing\"}")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Chart, M::Error> {
                let mut names = BTreeMap::new();
                while let Some(role) = map.next_key::<AccountRole>()? {
                    let name = map.next_value_seed(NameFor(role))?;
                    if names.insert(role, name).is_some() {
                        return Err(M::Error::custom(format!("{role} must be given once")));
                    }
                }
                Ok(Chart(names))
            }
        }

        deserializer.deserialize_map(ByRole)
    }
}

/// The name that this role has.
struct NameFor(AccountRole);

impl<'de> DeserializeSeed<'de> for NameFor {
    type Value = AccountName;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AccountName, D::Error> {
        let name = AccountName::deserialize(deserializer)?;
        let own = |placeholder: &str| name.0.contains(placeholder);
        if name.0.contains('{') && !self.0.placeholder().is_some_and(own) {
            return Err(D::Error::custom(
                "only \"payments\" may name {method}, and only \"withdrawals\" {journal}",
            ));
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names_are_those_that_hledger_and_beancount_take() {
        for good in [
            "Assets:A",
            "Liabilities:StoreCredit:Paid",
            "Income:4-8400",
            "Expenses:X-",
            "Equity:0:A1-b:{method}",
            "Assets:{journal}:X",
        ] {
            assert_eq!(good.parse::<AccountName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        let long = format!("Assets:{}", "A".repeat(122));
        for bad in [
            "",
            "Assets",
            "Assets:",
            ":A",
            "Asset:A",
            "assets:A",
            "Assets:a",
            "Assets:-A",
            "Assets:A B",
            "Assets::A",
            "Assets:A:",
            "Assets:Ä",
            "Assets:Aä",
            "Assets:A_b",
            "Assets:A\n",
            "Assets:A;b",
            "Assets:{method}:{method}",
            "Assets:A{method}",
            "Assets:{name}",
            "{method}:A",
            &long,
        ] {
            assert_eq!(bad.parse::<AccountName>(), Err(InvalidAccountName), "{bad:?}");
        }
    }

    #[test]
    fn every_default_is_a_name_that_could_be_given() {
        for role in AccountRole::ALL {
            let chart = format!(r#"{{"{role}": "{}"}}"#, role.default_name());
            assert!(serde_json::from_str::<Chart>(&chart).is_ok(), "{chart}");
        }
        for category in Category::ALL {
            assert_eq!(AccountRole::liability(*category).held(), Some(*category));
            let ends = [
                AccountRole::liability(*category),
                AccountRole::granted(*category),
                AccountRole::expired(*category),
            ];
            assert!(ends.iter().all(|role| role.word().ends_with(&format!("_{category}"))), "{ends:?}");
        }
        assert_eq!(AccountRole::Receivable.held(), None);
    }

    #[test]
    fn methods_become_parts_of_names() {
        for (method, expected) in [
            ("cash", "Cash"),
            ("Cash", "Cash"),
            ("bank transfer", "Bank-transfer"),
            ("  pay_pal/eu (2)  ", "Pay-pal-eu-2"),
            ("3ds", "3ds"),
            ("!!!", "Unspecified"),
            ("€", "Unspecified"),
            ("Überweisung", "Berweisung-5ac24d71"),
            ("現金", "ABFCD7A5"),
        ] {
            let name =
                Chart::default().name(AccountRole::Payments, Some(&method.parse().unwrap())).into_owned();
            // Whatever it is, it can be an account.
            assert!(name.parse::<AccountName>().is_ok(), "{name}");
            assert_eq!(name, format!("Assets:Clearing:{expected}"), "{method}");
        }
        assert_eq!(Chart::default().name(AccountRole::Withdrawals, None), "Assets:Clearing:Unspecified");
    }

    #[test]
    fn a_chart_names_what_it_has_its_own_names_for() {
        let read = |text: &str| serde_json::from_str::<Chart>(text).map_err(|error| error.to_string());
        let chart = read(r#"{"sales": "Assets:1200", "payments": "Assets:Cash"}"#).unwrap();
        let method = "stripe".parse().unwrap();
        assert_eq!(chart.name(AccountRole::Sales, None), "Assets:1200");
        assert_eq!(chart.name(AccountRole::Payments, Some(&method)), "Assets:Cash");
        assert_eq!(chart.name(AccountRole::Withdrawals, Some(&method)), "Assets:Clearing:Stripe");
        let written = serde_json::to_string(&chart).unwrap();
        assert_eq!(written, r#"{"payments":"Assets:Cash","sales":"Assets:1200"}"#);
        assert_eq!(read(&written), Ok(chart));
        for (bad, part) in [
            (r#"{"sale": "Assets:A"}"#, "unknown variant `sale`"),
            (r#"{"sales": "Assets"}"#, "must be an account such as"),
            (r#"{"sales": null}"#, "a string"),
            (r#"{"sales": "Assets:{method}"}"#, "only \"payments\""),
            (r#"{"payments": "Assets:{journal}"}"#, "only \"payments\""),
            (r#"{"withdrawals": "Assets:{method}"}"#, "only \"payments\""),
            (r#"{"sales": "Assets:A", "sales": "Assets:B"}"#, "sales must be given once"),
            (r#"["Assets:A"]"#, "accounts by role"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}
