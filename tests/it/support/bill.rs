//! What calls cost in dollars: AWS's list prices and what cannot be measured here, from `prices.toml`, on units that were measured.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use toml::Table;

/// Read and write units, and trips one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    pub read: Decimal,
    pub written: Decimal,
    pub trips: u32,
}

/// Prices, and what a shop calls.
pub struct Bill(Table);

/// A month of a shop, in dollars.
pub struct Month {
    pub shop: String,
    /// At list prices.
    pub list: Decimal,
    /// With what AWS gives away each month to each account.
    pub free: Decimal,
}

impl Bill {
    pub fn read() -> Self {
        Self(include_str!("../prices.toml").parse().unwrap())
    }

    fn number(&self, part: &str, name: &str) -> Decimal {
        let number = self.0[part].get(name).unwrap_or_else(|| panic!("prices.toml lacks {part}.{name}"));
        number.as_str().unwrap().parse().unwrap()
    }

    /// Memory of the functions that answer calls, in megabytes.
    pub fn memory(&self) -> Decimal {
        self.number("assumed", "memory_mb")
    }

    /// Millions of gigabyte-seconds of a million runs of so many milliseconds.
    fn gigabyte_seconds(&self, milliseconds: Decimal) -> Decimal {
        milliseconds / Decimal::from(1000) * self.memory() / Decimal::from(1024)
    }

    /// A million units.
    pub fn database(&self, units: Units) -> Decimal {
        units.read * self.number("prices", "dynamodb_million_reads")
            + units.written * self.number("prices", "dynamodb_million_writes")
    }

    fn milliseconds(&self, trips: u32) -> Decimal {
        Decimal::from(trips) * self.number("assumed", "milliseconds_a_trip")
            + self.number("assumed", "milliseconds_besides")
    }

    /// A million runs of a function, each of so many milliseconds.
    fn runs(&self, milliseconds: Decimal) -> Decimal {
        self.number("prices", "lambda_million")
            + self.gigabyte_seconds(milliseconds) * self.number("prices", "lambda_million_gb_seconds")
    }

    /// A million calls: API, function, database.
    pub fn call(&self, units: Units) -> Decimal {
        self.number("prices", "api_million")
            + self.runs(self.milliseconds(units.trips))
            + self.database(units)
    }

    /// What comes behind a million entries: lists and journal, who is told, the functions that see to it.
    pub fn behind(&self, following: &[Units]) -> Decimal {
        following.iter().map(|units| self.database(*units)).sum::<Decimal>()
            + self.number("prices", "events_million")
            + self.number("assumed", "stream_runs") * self.runs(self.number("assumed", "stream_milliseconds"))
    }

    /// The logs of a million calls.
    pub fn logs(&self) -> Decimal {
        self.gigabytes("log_bytes") * self.number("prices", "logs_gb")
    }

    /// Gigabytes of a million of something of so many bytes.
    fn gigabytes(&self, bytes: &str) -> Decimal {
        self.number("assumed", bytes) / Decimal::from(1000)
    }

    /// A month of each shop, by what each call takes and whether it makes an entry; after a year, with so many alarms.
    pub fn months(
        &self,
        calls: &BTreeMap<&str, (Units, bool)>,
        following: &[Units],
        alarms: u32,
    ) -> Vec<Month> {
        let million = Decimal::from(1_000_000);
        let price = |name: &str| self.number("prices", name);
        let shops = self.0["shops"].as_array().unwrap().iter().map(|shop| {
            let (mut list, mut runs, mut seconds, mut logs, mut stored) =
                (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
            for (call, times) in shop["calls"].as_table().unwrap() {
                let millions = Decimal::from(times.as_integer().unwrap()) / million;
                let (units, enters) = calls.get(call.as_str()).unwrap_or_else(|| panic!("no call is {call}"));
                list += millions * (self.call(*units) + self.logs());
                runs += millions;
                seconds += millions * self.gigabyte_seconds(self.milliseconds(units.trips));
                logs += millions * self.gigabytes("log_bytes");
                if *enters {
                    list += millions * self.behind(following);
                    let behind = millions * self.number("assumed", "stream_runs");
                    runs += behind;
                    seconds += behind * self.gigabyte_seconds(self.number("assumed", "stream_milliseconds"));
                    stored += millions * Decimal::from(12) * self.gigabytes("entry_bytes");
                }
            }
            let (alarms, polls) = (Decimal::from(alarms), self.number("assumed", "queue_million_idle"));
            list += stored * (price("dynamodb_gb") + price("backup_gb"))
                + alarms * price("alarm")
                + polls * price("queue_million");
            let spared =
                |used: Decimal, free: &str, dear: &str| used.min(self.number("free", free)) * price(dear);
            let spared = spared(runs, "lambda_million", "lambda_million")
                + spared(seconds, "lambda_million_gb_seconds", "lambda_million_gb_seconds")
                + spared(logs, "logs_gb", "logs_gb")
                + spared(polls, "queue_million", "queue_million")
                + spared(stored, "dynamodb_gb", "dynamodb_gb")
                + spared(alarms, "alarms", "alarm");
            Month { shop: shop["name"].as_str().unwrap().to_owned(), list, free: list - spared }
        });
        shops.collect()
    }
}
