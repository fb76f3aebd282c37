//! Exact amounts: a count of a currency's smallest units, never a float, never rounded silently.

use std::{cmp::Ordering, fmt, num::IntErrorKind, str::FromStr};

use rust_decimal::{Decimal, RoundingStrategy};

/// Digits that an amount may have before the point (contract, section 1).
const MAX_INTEGER_DIGITS: usize = 12;

/// Digits that an amount may have after the point, before its currency is known: no currency of ISO 4217 has more.
const MAX_FRACTION_DIGITS: usize = 4;

/// Digits behind the point that another system's amount may have.
const MAX_FOREIGN_DIGITS: usize = 12;

/// An ISO 4217 currency that has a smallest unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

/// Why a text is not a [`Currency`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CurrencyError {
    /// Not three capital letters.
    #[error("must be an ISO 4217 code of three capital letters, such as \"USD\"")]
    Malformed,
    /// Three capital letters that name no currency with a smallest unit.
    #[error("{0} is not a currency of ISO 4217 with a smallest unit")]
    Unknown(String),
}

impl Currency {
    /// US dollar, the store's currency until settings say otherwise.
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// The code, such as `USD`.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimals of the smallest unit: USD 2, JPY 0, BHD 3.
    pub fn decimals(self) -> u32 {
        // `parse` lets no currency in that has none.
        self.0.exponent().map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(code: &str) -> Result<Self, CurrencyError> {
        if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(CurrencyError::Malformed);
        }
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or_else(|| CurrencyError::Unknown(code.to_owned()))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code().cmp(other.code())
    }
}

/// A decimal text such as `"12.50"`, checked for form but not yet for its currency.
///
/// What a request says before it is known in which currency it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(Decimal);

/// Why a text is not an [`Amount`], or an amount not [`Money`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a plain decimal.
    #[error("must be a decimal in a string, such as \"12.50\", without sign, exponent or spaces")]
    Malformed,
    /// Not a plain decimal, where it may be negative.
    #[error("must be a decimal in a string, such as \"12.50\" or \"-12.50\", without exponent or spaces")]
    MalformedSigned,
    /// More than 12 digits before the point.
    #[error("must have at most {MAX_INTEGER_DIGITS} digits before the point")]
    TooLarge,
    /// More decimals than any currency has.
    #[error("must have at most {MAX_FRACTION_DIGITS} decimals, and no more than its currency has")]
    TooManyDecimals,
    /// More decimals than the currency has.
    #[error("must have at most {decimals} decimals, as {currency} has")]
    TooPrecise {
        /// The currency that was asked for.
        currency: Currency,
        /// The decimals that it has.
        decimals: u32,
    },
    /// Zero where something has to move.
    #[error("must be more than zero")]
    Zero,
}

impl Amount {
    /// The amount as money, exactly.
    ///
    /// # Errors
    /// [`AmountError::TooPrecise`] when the currency has fewer decimals.
    pub fn of(self, currency: Currency) -> Result<Money, AmountError> {
        let decimals = currency.decimals();
        let mut amount = self.0;
        // Zeros at the end count: "1.00" in a currency without cents is likely meant in another.
        if amount.scale() > decimals {
            return Err(AmountError::TooPrecise { currency, decimals });
        }
        amount.rescale(decimals);
        let minor = i64::try_from(amount.mantissa()).map_err(|_| AmountError::TooLarge)?;
        Ok(Money { minor, currency })
    }

    /// As [`Amount::of`], and more than zero.
    ///
    /// # Errors
    /// Also [`AmountError::Zero`].
    pub fn positive(self, currency: Currency) -> Result<Money, AmountError> {
        let money = self.of(currency)?;
        if money.is_positive() { Ok(money) } else { Err(AmountError::Zero) }
    }

    fn digits(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) =
            text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let is_plain = digits(whole) && fraction.is_none_or(digits);
        if !is_plain || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(AmountError::Malformed);
        }
        if whole.len() > MAX_INTEGER_DIGITS {
            return Err(AmountError::TooLarge);
        }
        if fraction.is_some_and(|fraction| fraction.len() > MAX_FRACTION_DIGITS) {
            return Err(AmountError::TooManyDecimals);
        }
        Decimal::from_str_exact(text).map(Self).map_err(|_| AmountError::Malformed)
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::digits(text)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An [`Amount`] that may be negative, as an order's coupon line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedAmount {
    negative: bool,
    amount: Amount,
}

impl SignedAmount {
    /// The amount as money, exactly.
    ///
    /// # Errors
    /// As [`Amount::of`].
    pub fn of(self, currency: Currency) -> Result<Money, AmountError> {
        let money = self.amount.of(currency)?;
        Ok(if self.negative { money.negated() } else { money })
    }
}

impl FromStr for SignedAmount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let amount = Amount::digits(digits).map_err(|error| match error {
            AmountError::Malformed => AmountError::MalformedSigned,
            other => other,
        })?;
        Ok(Self { negative, amount })
    }
}

impl fmt::Display for SignedAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        self.amount.fmt(f)
    }
}

/// A percentage above 0 and up to 100, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(Decimal);

impl Percent {
    /// This share of `money`, rounded toward zero to the smallest unit: a cap is never exceeded.
    ///
    /// # Errors
    /// [`OutOfRange`] when the product leaves the decimal's range.
    pub fn of(self, money: Money) -> Result<Money, OutOfRange> {
        let share = Decimal::new(money.minor()?, money.currency.decimals())
            .checked_mul(self.0)
            .and_then(|p| p.checked_div(Decimal::ONE_HUNDRED))
            .ok_or(OutOfRange)?;
        let mut amount = share.round_dp_with_strategy(money.currency.decimals(), RoundingStrategy::ToZero);
        amount.rescale(money.currency.decimals());
        let minor = i64::try_from(amount.mantissa()).map_err(|_| OutOfRange)?;
        Ok(Money { minor, currency: money.currency })
    }
}

impl FromStr for Percent {
    type Err = PercentError;

    fn from_str(text: &str) -> Result<Self, PercentError> {
        let Amount(percent) = text.parse().map_err(|_| PercentError)?;
        if percent.is_zero() || percent > Decimal::ONE_HUNDRED {
            Err(PercentError)
        } else {
            Ok(Self(percent.normalize()))
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text is no percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a percentage in a string, more than \"0\" and at most \"100\", with at most 4 decimals")]
pub struct PercentError;

/// An exact result does not fit, or two currencies were mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the exact result is out of range")]
pub struct OutOfRange;

/// An exact amount in a currency, with exactly that currency's decimals. May be negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Smallest units. `i64::MIN`, which has no negation, is an amount for nobody: whoever asks for it, or adds to it, is
    /// told [`OutOfRange`].
    minor: i64,
    currency: Currency,
}

impl Money {
    /// Nothing.
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// From a count of smallest units (cents), as it is stored.
    pub fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// From its own text, as [`fmt::Display`] writes it: a sum may have more digits than an [`Amount`] is let in with.
    ///
    /// # Errors
    /// [`AmountError`] for any other text.
    pub fn from_text(text: &str, currency: Currency) -> Result<Self, AmountError> {
        let minor =
            text.replacen('.', "", 1).parse().map_err(|error: std::num::ParseIntError| {
                match error.kind() {
                    IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => AmountError::TooLarge,
                    _ => AmountError::Malformed,
                }
            })?;
        let money = Self { minor, currency };
        money.minor().map_err(|OutOfRange| AmountError::TooLarge)?;
        if money.to_string() == text { Ok(money) } else { Err(AmountError::Malformed) }
    }

    /// What another system wrote with decimals of its own, perhaps below zero: exactly, or rounded half to even to the
    /// currency's decimals; and whether it was rounded.
    ///
    /// # Errors
    /// [`AmountError`] for what is no plain decimal, or has too many digits.
    pub fn rounded(text: &str, currency: Currency) -> Result<(Self, bool), AmountError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(AmountError::MalformedSigned);
        }
        if whole.len() > MAX_INTEGER_DIGITS || fraction.len() > MAX_FOREIGN_DIGITS {
            return Err(AmountError::TooLarge);
        }
        let exact = Decimal::from_str_exact(text).map_err(|_| AmountError::MalformedSigned)?;
        let decimals = currency.decimals();
        let mut amount = exact.round_dp_with_strategy(decimals, RoundingStrategy::MidpointNearestEven);
        let rounded = amount != exact;
        amount.rescale(decimals);
        let minor = i64::try_from(amount.mantissa()).map_err(|_| AmountError::TooLarge)?;
        Ok((Self { minor, currency }, rounded))
    }

    /// The count of smallest units (cents).
    ///
    /// # Errors
    /// [`OutOfRange`] beyond 63 bits: some 92,000 times the largest amount of a currency with two decimals.
    pub fn minor(self) -> Result<i64, OutOfRange> {
        if self.minor == i64::MIN { Err(OutOfRange) } else { Ok(self.minor) }
    }

    /// Its currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// More than zero.
    pub fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// Exactly zero.
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`OutOfRange`] on overflow or mixed currencies.
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        if self.currency != other.currency {
            return Err(OutOfRange);
        }
        let minor = self.minor()?.checked_add(other.minor()?).ok_or(OutOfRange)?;
        let sum = Self { minor, currency: self.currency };
        sum.minor()?;
        Ok(sum)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`OutOfRange`] on overflow or mixed currencies.
    pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        self.plus(other.negated())
    }

    /// With the other sign.
    pub fn negated(self) -> Self {
        // What has no negation stays what it is, and out of range.
        Self { minor: self.minor.wrapping_neg(), currency: self.currency }
    }

    /// Itself, or zero when negative.
    pub fn or_zero(self) -> Self {
        if self.is_positive() { self } else { Self::zero(self.currency) }
    }

    /// The sum of many, zero for none.
    ///
    /// # Errors
    /// As [`Money::plus`].
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, OutOfRange> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::plus)
    }
}

/// Amounts of one currency compare; of two currencies they have no order.
impl PartialOrd for Money {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.currency == other.currency).then(|| self.minor.cmp(&other.minor))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::new(self.minor, self.currency.decimals()).fmt(f)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {}", self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_stand_in_the_order_of_their_codes() {
        let [eur, usd] = ["EUR", "USD"].map(|code| code.parse::<Currency>().unwrap());
        assert!(eur < usd);
    }

    #[track_caller]
    fn check(text: &str, currency: &str, expected: Result<&str, AmountError>) {
        let currency: Currency = currency.parse().unwrap();
        let money = text.parse::<Amount>().and_then(|amount| amount.positive(currency));
        assert_eq!(money.map(|money| money.to_string()), expected.map(str::to_owned), "{text} {currency}");
    }

    #[test]
    fn amounts_keep_exactly_the_decimals_of_their_currency() {
        check("12.5", "USD", Ok("12.50"));
        check("12", "USD", Ok("12.00"));
        check("12", "JPY", Ok("12"));
        check("0.001", "BHD", Ok("0.001"));
        check("999999999999.99", "USD", Ok("999999999999.99"));
    }

    #[test]
    fn more_decimals_than_the_currency_has_are_never_rounded_away() {
        let too_precise =
            |currency: Currency| Err(AmountError::TooPrecise { currency, decimals: currency.decimals() });
        check("0.001", "USD", too_precise(Currency::USD));
        check("1.00000000000000000000000000000000000000001", "USD", Err(AmountError::TooManyDecimals));
        check("0.5", "JPY", too_precise("JPY".parse().unwrap()));
        // Zeros too.
        check("12.0", "JPY", too_precise("JPY".parse().unwrap()));
        check("12.500", "USD", too_precise(Currency::USD));
        check("12.50000", "USD", Err(AmountError::TooManyDecimals));
        check("0.0005", "BHD", too_precise("BHD".parse().unwrap()));
    }

    #[test]
    fn a_stored_amount_that_is_too_large_is_told_from_one_that_is_none() {
        let read = |text: &str| Money::from_text(text, Currency::USD);
        for large in ["92233720368547758.08", "-92233720368547758.09", "99999999999999999999.00"] {
            assert_eq!(read(large), Err(AmountError::TooLarge), "{large}");
        }
        for none in ["", "-", "1", "1.0", "01.00", "+1.00", "1.00 "] {
            assert_eq!(read(none), Err(AmountError::Malformed), "{none}");
        }
    }

    #[test]
    fn only_plain_decimals_are_amounts() {
        for text in [
            "", " ", "1 ", "-1", "+1", "1e3", ".5", "5.", "1,00", "0x1", "NaN", "inf", "1.2.3", "01", "١",
            "1_000",
        ] {
            check(text, "USD", Err(AmountError::Malformed));
        }
        check("1000000000000", "USD", Err(AmountError::TooLarge));
        check(&"9".repeat(5000), "USD", Err(AmountError::TooLarge));
        check("0.00", "USD", Err(AmountError::Zero));
    }

    #[test]
    fn currencies_are_those_with_a_smallest_unit() {
        assert_eq!("USD".parse::<Currency>().unwrap().decimals(), 2);
        assert_eq!("JPY".parse::<Currency>().unwrap().decimals(), 0);
        assert_eq!("BHD".parse::<Currency>().unwrap().decimals(), 3);
        assert_eq!("usd".parse::<Currency>(), Err(CurrencyError::Malformed));
        assert_eq!("US".parse::<Currency>(), Err(CurrencyError::Malformed));
        assert_eq!("ZZZ".parse::<Currency>(), Err(CurrencyError::Unknown("ZZZ".into())));
        assert_eq!("XAU".parse::<Currency>(), Err(CurrencyError::Unknown("XAU".into())));
    }

    #[test]
    fn percentages_round_toward_zero() {
        let share = |percent: &str, amount: &str, currency: &str| {
            let money = amount.parse::<SignedAmount>().unwrap().of(currency.parse().unwrap()).unwrap();
            percent.parse::<Percent>().unwrap().of(money).unwrap().to_string()
        };
        assert_eq!(share("25", "140.00", "USD"), "35.00");
        assert_eq!(share("33.3333", "0.02", "USD"), "0.00");
        assert_eq!(share("50", "0.03", "USD"), "0.01");
        assert_eq!(share("50", "-0.03", "USD"), "-0.01");
        assert_eq!(share("99.9999", "999999999999", "JPY"), "999998999999");
        for text in ["0", "100.0001", "-1", "25%", ""] {
            assert_eq!(text.parse::<Percent>(), Err(PercentError), "{text}");
        }
    }

    #[test]
    fn what_money_prints_it_reads_however_large_it_grew() {
        for minor in [0, 1, -1, 250, i64::MAX, -i64::MAX] {
            for currency in ["USD", "JPY", "BHD"].map(|code| code.parse().unwrap()) {
                let money = Money::from_minor(minor, currency);
                assert_eq!(Money::from_text(&money.to_string(), currency), Ok(money));
            }
        }
        for text in
            ["", "1", "1.0", "1.000", "+1.00", "01.00", "1e2", ".10", "-0.00", "99999999999999999999.00"]
        {
            assert!(Money::from_text(text, Currency::USD).is_err(), "{text}");
        }
    }

    #[test]
    fn two_currencies_never_add_up() {
        let (usd, jpy) = (Money::zero(Currency::USD), Money::zero("JPY".parse().unwrap()));
        assert_eq!(usd.plus(jpy), Err(OutOfRange));
        assert_eq!(usd.partial_cmp(&jpy), None);
        assert_eq!(
            Money::from_minor(i64::MAX, Currency::USD).plus(Money::from_minor(1, Currency::USD)),
            Err(OutOfRange)
        );
    }

    #[test]
    fn what_has_no_negation_is_no_amount() {
        let cent = Money::from_minor(1, Currency::USD);
        let most = Money::from_minor(i64::MAX, Currency::USD);
        let beyond = Money::from_minor(i64::MIN, Currency::USD);
        for beyond in [beyond, beyond.negated()] {
            assert_eq!(beyond.minor(), Err(OutOfRange));
            assert_eq!(beyond.plus(cent), Err(OutOfRange));
            assert_eq!(cent.plus(beyond), Err(OutOfRange));
            assert_eq!(cent.minus(beyond), Err(OutOfRange));
            assert_eq!("100".parse::<Percent>().unwrap().of(beyond), Err(OutOfRange));
            assert!(Money::from_text(&beyond.to_string(), Currency::USD).is_err());
        }
        assert_eq!(most.negated().minus(cent), Err(OutOfRange));
        assert_eq!(most.negated().negated(), most);
    }
}
