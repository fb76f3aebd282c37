//! What one would build instead: an item for each lot. It is there to be measured beside, and nothing else uses it.
//!
//! It promises what the ledger promises of a redemption, and no more than that: one effect for a key, no double spend, a
//! numbered entry, lots in their order. It has no rules, no hashes, no holds, no limits, no expiry index, and knows one
//! currency; all of that would cost it more.

use std::collections::HashMap;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Region},
    types::{AttributeValue, Delete, KeysAndAttributes, Put, TransactWriteItem},
};

/// As DynamoDB takes them in one transaction, beside the account and the entry.
const MOST_LOTS: usize = 98;

type Item = HashMap<String, AttributeValue>;

/// A store with an item for each lot.
#[derive(Clone, Debug)]
pub struct Control {
    client: Client,
    table: String,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It took effect, as the entry of this number.
    Done(u64),
    /// Somebody was there since it read: it may be tried again.
    Conflict,
}

impl Control {
    /// One in this table of the database at this address.
    pub fn new(endpoint: &str, table: &str) -> Self {
        Self { client: client(endpoint), table: table.to_owned() }
    }

    /// Gives credit, as a new lot.
    pub async fn grant(&self, customer: &str, key: &str, cents: i64) -> Told {
        let (account, _) = self.read(customer, key, false).await;
        let number = account.number + 1;
        let balance = account.balance + cents;
        let lot = (lot(customer, number, cents), None);
        let entry = entry(customer, key, number, cents, balance, &[(number, cents)]);
        self.write(customer, &account, balance, vec![lot], entry).await
    }

    /// Spends credit of the oldest lots.
    pub async fn redeem(&self, customer: &str, key: &str, cents: i64) -> Told {
        let (account, lots) = self.read(customer, key, true).await;
        assert!(account.balance >= cents, "{customer} has {} and wants {cents}", account.balance);
        let (mut due, mut parts, mut changed) = (cents, Vec::new(), Vec::new());
        for (number, remaining) in lots {
            if due == 0 {
                break;
            }
            let taken = remaining.min(due);
            due -= taken;
            parts.push((number, taken));
            // Read beside the account, and so perhaps of another moment.
            changed.push((lot(customer, number, remaining - taken), Some(remaining)));
        }
        assert!(parts.len() <= MOST_LOTS, "{} lots are more than a transaction takes", parts.len());
        let balance = account.balance - cents;
        let entry = entry(customer, key, account.number + 1, -cents, balance, &parts);
        self.write(customer, &account, balance, changed, entry).await
    }

    /// Gives a redemption's credit back, as far as this, to the lot that it was last taken of.
    pub async fn refund(&self, customer: &str, key: &str, redemption: &str, cents: i64) -> Told {
        let (account, _) = self.read(customer, key, false).await;
        let found = self.client.get_item().table_name(&self.table).consistent_read(true);
        let found = found.set_key(Some(place(customer, &format!("K#{redemption}")))).send().await.unwrap();
        let spent = found.item.expect("it was redeemed");
        let AttributeValue::L(parts) = &spent["parts"] else { panic!("it has parts") };
        let AttributeValue::S(last) = parts.last().unwrap() else { panic!("a part is text") };
        let number: u64 = last.split(':').next().unwrap().parse().unwrap();
        let key_of_lot = place(customer, &lot_place(number));
        let found = self.client.get_item().table_name(&self.table).consistent_read(true);
        let found = found.set_key(Some(key_of_lot)).send().await.unwrap().item;
        let remaining = found.map_or(0, |lot| number_in(&lot, "left"));
        let balance = account.balance + cents;
        let entry = entry(customer, key, account.number + 1, cents, balance, &[(number, cents)]);
        self.write(customer, &account, balance, vec![(lot(customer, number, remaining + cents), None)], entry)
            .await
    }

    /// What a customer has, and whether its lots say the same.
    pub async fn balance(&self, customer: &str) -> i64 {
        let (account, lots) = self.read(customer, "none", true).await;
        assert_eq!(lots.iter().map(|lot| lot.1).sum::<i64>(), account.balance);
        account.balance
    }

    /// The key, the account and what makes its policy in one batch, as the ledger does, and its open lots beside.
    async fn read(&self, customer: &str, key: &str, with_lots: bool) -> (Account, Vec<(u64, i64)>) {
        let keys = [
            place(customer, "A"),
            place(customer, &format!("K#{key}")),
            place(customer, "PROFILE"),
            Item::from([text("pk", "STORE"), text("sk", "SETTINGS")]),
        ];
        let request = KeysAndAttributes::builder().set_keys(Some(keys.into())).consistent_read(true).build();
        let batch = self.client.batch_get_item().request_items(&self.table, request.unwrap()).send();
        let lots = async {
            if !with_lots {
                return Vec::new();
            }
            let query = self.client.query().table_name(&self.table).consistent_read(true);
            let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :lots)");
            let query = query.expression_attribute_values(":pk", AttributeValue::S(partition(customer)));
            let query = query.expression_attribute_values(":lots", AttributeValue::S("L#".to_owned()));
            query.send().await.unwrap().items.unwrap_or_default()
        };
        let (batch, lots) = tokio::join!(batch, lots);
        let found = batch.unwrap().responses.unwrap_or_default();
        let account = found.values().flatten().find(|item| item["sk"] == AttributeValue::S("A".to_owned()));
        let account = account.map_or(Account::default(), |item| Account {
            number: number_in(item, "num").cast_unsigned(),
            balance: number_in(item, "bal"),
        });
        let open = |item: &Item| (number_in(item, "no").cast_unsigned(), number_in(item, "left"));
        (account, lots.iter().map(open).filter(|(_, left)| *left > 0).collect())
    }

    async fn write(
        &self,
        customer: &str,
        before: &Account,
        balance: i64,
        lots: Vec<(Item, Option<i64>)>,
        entry: Item,
    ) -> Told {
        let mut account = place(customer, "A");
        account.extend([number("num", before.number + 1), number("bal", balance)]);
        let is_as_read = Put::builder().table_name(&self.table).set_item(Some(account));
        let is_as_read = match before.number {
            0 => is_as_read.condition_expression("attribute_not_exists(pk)"),
            was => is_as_read
                .condition_expression("num = :was")
                .expression_attribute_values(":was", AttributeValue::N(was.to_string())),
        };
        let is_new = Put::builder().table_name(&self.table).set_item(Some(entry));
        let is_new = is_new.condition_expression("attribute_not_exists(pk)");
        // A lot that is used up goes, or reading the open ones would cost more with each that ever was.
        let lot = |(item, was): (Item, Option<i64>)| {
            let condition = was.map(|_| "#left = :left".to_owned());
            let names = was.map(|_| HashMap::from([("#left".to_owned(), "left".to_owned())]));
            let values = was.map(|was| Item::from([number(":left", was)]));
            if number_in(&item, "left") > 0 {
                let put = Put::builder().table_name(&self.table).set_item(Some(item));
                let put = put.set_condition_expression(condition);
                let put = put.set_expression_attribute_names(names).set_expression_attribute_values(values);
                return TransactWriteItem::builder().put(put.build().unwrap()).build();
            }
            let key: Item = item.into_iter().filter(|(name, _)| name == "pk" || name == "sk").collect();
            let delete = Delete::builder().table_name(&self.table).set_key(Some(key));
            let delete = delete.set_condition_expression(condition);
            let delete = delete.set_expression_attribute_names(names).set_expression_attribute_values(values);
            TransactWriteItem::builder().delete(delete.build().unwrap()).build()
        };
        let puts =
            [is_as_read, is_new].map(|put| TransactWriteItem::builder().put(put.build().unwrap()).build());
        let items = puts.into_iter().chain(lots.into_iter().map(lot)).collect();
        if transact(&self.client, items).await { Told::Done(before.number + 1) } else { Told::Conflict }
    }
}

/// A client of the database at this address.
pub(crate) fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "bench"))
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

/// Writes these items in one transaction; false where it met somebody else. It fails on any other end.
pub(crate) async fn transact(client: &Client, items: Vec<TransactWriteItem>) -> bool {
    let token = format!("{:032x}", fastrand::u128(..));
    let sent = client.transact_write_items().set_transact_items(Some(items)).client_request_token(token);
    let Err(error) = sent.send().await else { return true };
    let told = format!("{:?}", error.into_service_error());
    assert!(told.contains("ConditionalCheckFailed"), "{told}");
    false
}

#[derive(Default)]
struct Account {
    number: u64,
    balance: i64,
}

fn partition(customer: &str) -> String {
    format!("X#{customer}")
}

fn place(customer: &str, sk: &str) -> Item {
    Item::from([text("pk", &partition(customer)), text("sk", sk)])
}

fn lot_place(number: u64) -> String {
    format!("L#{number:012}")
}

fn lot(customer: &str, at: u64, left: i64) -> Item {
    let mut item = place(customer, &lot_place(at));
    item.extend([
        number("no", at),
        number("left", left),
        text("cat", "refund"),
        text("src", "store"),
        number("at", 1_795_341_600_000_i64),
        number("exp", 1_798_761_600_000_i64),
    ]);
    item
}

fn entry(customer: &str, key: &str, at: u64, cents: i64, balance: i64, parts: &[(u64, i64)]) -> Item {
    let mut item = place(customer, &format!("K#{key}"));
    let parts = parts.iter().map(|(lot, cents)| AttributeValue::S(format!("{lot}:{cents}"))).collect();
    item.extend([
        // The history is the index by number, as the ledger's.
        text("n", &format!("E#{at:012}")),
        number("amount", cents),
        number("after", balance),
        text("who", "key_75014a22b4d80825fbbdd0f1"),
        number("at", 1_795_341_600_000_i64),
        ("parts".to_owned(), AttributeValue::L(parts)),
    ]);
    item
}

pub(crate) fn text(name: &str, value: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_owned()))
}

fn number(name: &str, value: impl ToString) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::N(value.to_string()))
}

fn number_in(item: &Item, name: &str) -> i64 {
    let AttributeValue::N(number) = &item[name] else { panic!("{name} is a number") };
    number.parse().unwrap()
}
