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

    #[test]
    fn show() {
        for tag in [
            "en",
            "en-GB",
            "de",
            "de-CH",
            "fr",
            "es",
            "es-MX",
            "ja",
            "ar",
            "ar-EG",
            "hi",
            "fa",
            "x",
            "xx",
            "en-u-ca-buddhist-nu-thai",
            "abcd",
            "sr-Latn",
            "pt-BR",
            "zh-Hant-TW",
            "tlh",
            "i-klingon",
            "aa",
            "he",
            "en-x-abc",
            "pt",
            "it",
            "nl",
            "sv",
            "da",
            "pl",
            "cs",
            "ru",
            "uk",
            "tr",
            "zh",
            "ko",
            "th",
            "vi",
            "id",
            "el",
            "hu",
            "fi",
            "ro",
            "nb",
            "nn",
            "no",
            "sr",
            "hr",
            "bg",
            "et",
            "lv",
            "lt",
            "sl",
            "sk",
            "ca",
            "eu",
            "gl",
            "ga",
            "cy",
            "is",
            "mt",
            "sw",
            "ms",
            "fil",
            "tl",
            "bn",
            "ta",
            "te",
            "ur",
            "mr",
            "gu",
            "kn",
            "ml",
            "pa",
            "my",
            "km",
            "lo",
            "ka",
            "hy",
            "az",
            "kk",
            "uz",
            "mn",
            "ne",
            "si",
            "am",
            "af",
            "zu",
            "yue",
            "iw",
            "in",
            "zh-CN",
            "zh-HK",
        ] {
            let f = Figures::of([tag]);
            let m: Vec<_> = [
                money(2500, "USD"),
                money(-123456789, "EUR"),
                money(2500, "JPY"),
                money(2500, "KWD"),
                money(1250, "AFN"),
                money(12345, "CLF"),
                money(i64::MIN, "USD"),
                money(-250, "CHF"),
            ]
            .map(|m| f.money(m))
            .into();
            println!("{tag} {:?} {} {}", m, f.day(jiff::civil::date(2030, 12, 31)), f.day(Date::MIN));
        }
    }
}
