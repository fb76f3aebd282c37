//! Amounts and days, as a language writes them.

use icu_calendar::{Date as CalendarDate, Gregorian};
use icu_datetime::{
    FixedCalendarDateTimeFormatter,
    fieldsets::YMD,
    provider::{
        Baked as BakedDates, names::DatetimeNamesMonthGregorianV1, semantic_skeletons::marker_attrs::WIDE,
    },
};
use icu_decimal::{
    input::Decimal,
    provider::{Baked as BakedDecimal, DecimalDigitsV1, DecimalSymbolsV1},
};
use icu_experimental::{
    dimension::{
        currency::{CurrencyType, formatter::CurrencyFormatter},
        provider::currency::{
            essentials::CurrencyEssentialsV1,
            fractions::{CurrencyFractions, CurrencyFractionsV1, FractionInfo},
            no_currency::CurrencyPatternsNoCurrencyV1,
            symbols::{CurrencyDecimalSymbolsV1, CurrencySymbolsV1},
        },
    },
    provider::Baked,
};
use icu_locale_core::{Locale, locale};
use icu_provider::{
    DataError, DataIdentifierBorrowed, DataPayload, DataProvider, DataRequest, DataResponse,
    marker::DataMarkerExt,
};
use jiff::civil::Date;
use ledger::{Currency, Money};

/// How one language writes amounts and days.
pub(crate) struct Figures(Locale);

impl Figures {
    /// Of the first of these tags whose language is known, or of English.
    pub(crate) fn of<'a>(tags: impl IntoIterator<Item = &'a str>) -> Self {
        let known = tags.into_iter().filter_map(|tag| Locale::try_from_str(tag).ok()).find(is_known);
        Self(known.unwrap_or(locale!("en")))
    }

    /// An amount with its currency's sign, all of its decimals, and a minus if it is negative.
    pub(crate) fn money(&self, money: Money) -> String {
        self.written(money).unwrap_or_else(|| format!("{money}\u{a0}{}", money.currency()))
    }

    fn written(&self, money: Money) -> Option<String> {
        let exact = Exact::of(money.currency())?;
        let currency = CurrencyType::try_from_str(&money.currency().code().to_ascii_lowercase()).ok()?;
        let preferences = (&self.0).into();
        let formatter =
            CurrencyFormatter::try_new_symbol_unstable(&exact, preferences, currency, Default::default());
        let amount: Decimal = money.to_string().parse().ok()?;
        Some(formatter.ok()?.format_fixed_decimal(&amount).to_string())
    }

    /// A day of the calendar in full, its month in letters.
    pub(crate) fn day(&self, day: Date) -> String {
        self.spelled(day).unwrap_or_else(|| day.to_string())
    }

    fn spelled(&self, day: Date) -> Option<String> {
        let [month, of_month] = [day.month(), day.day()].map(|part| u8::try_from(part).ok());
        let day = CalendarDate::try_new_gregorian(i32::from(day.year()), month?, of_month?).ok()?;
        // The calendar is named, as a customer's tag may ask for another and the order's date is of this one.
        let formatter =
            FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new((&self.0).into(), YMD::long()).ok()?;
        Some(formatter.format(&day).to_string())
    }
}

/// Whether the months have names in it: what is left out of the data is what all languages share, and they share none.
fn is_known(locale: &Locale) -> bool {
    let locale = DatetimeNamesMonthGregorianV1::make_locale(locale.into());
    let id = DataIdentifierBorrowed::for_marker_attributes_and_locale(WIDE, &locale);
    let found: Result<DataResponse<DatetimeNamesMonthGregorianV1>, DataError> =
        BakedDates.load(DataRequest { id, ..Default::default() });
    found.is_ok_and(|found| found.metadata.locale.is_none_or(|locale| !locale.is_unknown()))
}

/// Unicode's data, but with the decimals that ISO 4217 gives the currency: Unicode's own are those of the coins in
/// use, to which an amount in AFN or IQD would be rounded.
struct Exact {
    decimals: u8,
}

impl Exact {
    fn of(currency: Currency) -> Option<Self> {
        u8::try_from(currency.decimals()).ok().map(|decimals| Self { decimals })
    }
}

impl DataProvider<CurrencyFractionsV1> for Exact {
    fn load(&self, _: DataRequest<'_>) -> Result<DataResponse<CurrencyFractionsV1>, DataError> {
        let default = FractionInfo { digits: self.decimals, ..Default::default() };
        let fractions = CurrencyFractions { fractions: Default::default(), default };
        Ok(DataResponse { metadata: Default::default(), payload: DataPayload::from_owned(fractions) })
    }
}

macro_rules! as_baked {
    ($($marker:ty => $baked:expr),+ $(,)?) => {$(
        impl DataProvider<$marker> for Exact {
            fn load(&self, mut request: DataRequest<'_>) -> Result<DataResponse<$marker>, DataError> {
                // Most currencies have no sign and are written with their code, which is no mishap to print.
                request.metadata.silent = true;
                $baked.load(request)
            }
        }
    )+};
}

as_baked!(
    CurrencyDecimalSymbolsV1 => Baked,
    CurrencyEssentialsV1 => Baked,
    CurrencyPatternsNoCurrencyV1 => Baked,
    CurrencySymbolsV1 => Baked,
    DecimalDigitsV1 => BakedDecimal,
    DecimalSymbolsV1 => BakedDecimal,
);

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::from_minor(minor, code.parse().unwrap())
    }

    #[track_caller]
    fn check(tag: &str, money: Money, expected: &str) {
        let written = Figures::of([tag]).money(money);
        let plain = |c: char| if matches!(c, '\u{a0}' | '\u{202f}') { ' ' } else { c };
        assert_eq!(written.chars().map(plain).collect::<String>(), expected, "{tag} {money:?}");
    }

    #[test]
    fn amounts_have_the_decimals_of_their_currency_and_the_form_of_the_language() {
        check("en", money(2500, "USD"), "$25.00");
        check("en", money(2500, "JPY"), "¥2,500");
        check("en", money(2500, "KWD"), "KWD 2.500");
        check("de", money(123_456, "EUR"), "1.234,56 €");
        check("de", money(2500, "JPY"), "2.500 ¥");
        check("de", money(1, "KWD"), "0,001 KWD");
        check("fr", money(123_456_789, "EUR"), "1 234 567,89 €");
        check("fr-CA", money(2500, "CAD"), "25,00 $");
        check("pt-BR", money(2500, "BRL"), "R$ 25,00");
        check("ja", money(2500, "JPY"), "￥2,500");
        check("hi", money(123_456_789, "INR"), "₹12,34,567.89");
        check("en", money(0, "USD"), "$0.00");
        check("en", money(i64::MAX, "USD"), "$92,233,720,368,547,758.07");
    }

    #[test]
    fn no_amount_is_rounded_to_the_coins_in_use() {
        check("en", money(1250, "AFN"), "AFN 12.50");
        check("en", money(12_345, "IQD"), "IQD 12.345");
        check("en", money(12_345, "CLF"), "CLF 1.2345");
        for code in [
            "AFN", "ALL", "HUF", "IDR", "IQD", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "PKR", "RSD", "TWD",
            "UYW", "YER",
        ] {
            let money = money(-123_456_789, code);
            let digits: String =
                Figures::of(["en"]).money(money).chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits, "123456789", "{code}");
        }
    }

    #[test]
    fn what_is_owed_has_a_minus() {
        check("en", money(-2500, "USD"), "-$25.00");
        check("de", money(-2500, "EUR"), "-25,00 €");
        check("sv", money(-2500, "SEK"), "−25,00 kr");
        check("de-CH", money(-250, "CHF"), "CHF-2.50");
        check("en", money(-1, "KWD"), "-KWD 0.001");
    }

    #[test]
    fn days_are_spelled() {
        for (tag, expected) in [
            ("en", "December 31, 2030"),
            ("en-GB", "31 December 2030"),
            ("de", "31. Dezember 2030"),
            ("fr", "31 décembre 2030"),
            ("es", "31 de diciembre de 2030"),
            ("pt-BR", "31 de dezembro de 2030"),
            ("ja", "2030年12月31日"),
            ("th-u-ca-buddhist", "31 ธันวาคม ค.ศ. 2030"),
        ] {
            assert_eq!(Figures::of([tag]).day(jiff::civil::date(2030, 12, 31)), expected, "{tag}");
        }
    }

    #[test]
    fn a_language_of_which_nothing_is_known_gives_way_to_the_next() {
        for odd in ["", "x", "xx", "i-klingon", "tlh", "abcd", "de_DE.UTF-8", "🦀"] {
            assert_eq!(Figures::of([odd, "de"]).money(money(2500, "EUR")), "25,00\u{a0}€", "{odd}");
            assert_eq!(Figures::of([odd]).money(money(2500, "EUR")), "€25.00", "{odd}");
        }
    }
}
