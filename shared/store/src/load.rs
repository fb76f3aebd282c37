//! Items put into a table as an export has them, by an operator's command. No function writes so.
//!
//! Nothing is written over: an item is put where there is none, and one that is there has to be the same.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::{
    operation::{create_table::CreateTableError, put_item::PutItemError},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        LocalSecondaryIndex, Projection, ProjectionType, ReturnValuesOnConditionCheckFailure,
        ScalarAttributeType, TableStatus,
    },
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    Error, Record, Store,
    items::{BY_NUMBER, Item, Key, LISTS, WORK},
};

/// Items that are put at the same time.
const CONCURRENCY: usize = 32;
/// How often a new table is asked whether it is ready, and the pause before each time.
const MAX_LOOKS: u32 = 600;
const LOOK: Duration = Duration::from_millis(500);
/// What the index of entries holds of them beside the keys: what the history shows.
const PROJECTED: [&str; 7] = ["v", "c", "h", "f", "note", "internal_note", "reason"];

/// What became of some items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// How many were there already, and the same.
    pub there: u64,
    /// How many were put.
    pub put: u64,
    /// The keys of those that are there and differ. They stay as they are.
    pub differing: Vec<(String, String)>,
}

impl Store {
    /// Holds some items, at most 100, against the table, and puts those that are missing there if told to.
    ///
    /// # Errors
    /// When the database does not answer. What was put until then stays, and is found to be there when this is called again.
    pub async fn place(&self, records: &[Record], write: bool) -> Result<Placed, Error> {
        let mut placed = Placed::default();
        let mut due: BTreeMap<(String, String), &Item> = BTreeMap::new();
        for Record(item) in records {
            let Key { pk, sk } = Key::of(item)?;
            match due.get(&(pk.clone(), sk.clone())) {
                Some(other) if *other != item => placed.differing.push((pk, sk)),
                _ => drop(due.insert((pk, sk), item)),
            }
        }
        let keys: Vec<Key> = due.keys().map(|(pk, sk)| Key { pk: pk.clone(), sk: sk.clone() }).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.batch_get(keys).await? };
        for (Key { pk, sk }, item) in found {
            let key = (pk, sk);
            match due.remove(&key) {
                Some(same) if *same == item => placed.there = placed.there.saturating_add(1),
                _ => placed.differing.push(key),
            }
        }
        if !write {
            return Ok(placed);
        }
        let puts = stream::iter(due)
            .map(|(key, item)| async move { self.put_alone(item).await.map(|is_same| (is_same, key)) });
        let mut puts = puts.buffer_unordered(CONCURRENCY);
        while let Some((is_same, key)) = puts.try_next().await? {
            if is_same {
                placed.put = placed.put.saturating_add(1);
            } else {
                placed.differing.push(key);
            }
        }
        Ok(placed)
    }

    /// Puts an item where none is; tells whether it stands there now, as it does after a try whose answer was lost.
    async fn put_alone(&self, item: &Item) -> Result<bool, Error> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match put.send().await {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item() == Some(item)),
            _ => Err(Error::from_sdk(error)),
        }
    }

    /// Whether whatever is written to the table is told to those who follow it.
    ///
    /// # Errors
    /// When the database does not answer, or there is no such table.
    pub async fn has_stream(&self) -> Result<bool, Error> {
        let described = self.client.describe_table().table_name(&self.table).send().await;
        let table = described.map_err(Error::from_sdk)?.table;
        let specification = table.and_then(|table| table.stream_specification);
        Ok(specification.is_some_and(|stream| stream.stream_enabled))
    }

    /// Makes the table, with the keys and the indexes of the template and without a stream, unless there is one of its name;
    /// and waits until it can be written to.
    ///
    /// # Errors
    /// When the database does not answer, or refuses.
    pub async fn create_table(&self) -> Result<(), Error> {
        let refused = |error: aws_sdk_dynamodb::error::BuildError| Error::Refused(error.to_string());
        let attributes = ["pk", "sk", "n", "wq", "wk", "lq", "lk"].map(|name| {
            let text = AttributeDefinition::builder().attribute_name(name);
            text.attribute_type(ScalarAttributeType::S).build()
        });
        let attributes = attributes.into_iter().collect::<Result<_, _>>().map_err(refused)?;
        let of_entries = Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(PROJECTED.map(str::to_owned).to_vec()));
        let by_number = LocalSecondaryIndex::builder()
            .index_name(BY_NUMBER)
            .set_key_schema(Some(keyed("pk", "n")?))
            .projection(of_entries.build());
        let sparse = |name, hash, range| {
            let keys = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
            let index = GlobalSecondaryIndex::builder().index_name(name).projection(keys);
            index.set_key_schema(Some(keyed(hash, range)?)).build().map_err(refused)
        };
        let asked = self
            .client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes))
            .set_key_schema(Some(keyed("pk", "sk")?))
            .local_secondary_indexes(by_number.build().map_err(refused)?)
            .global_secondary_indexes(sparse(WORK, "wq", "wk")?)
            .global_secondary_indexes(sparse(LISTS, "lq", "lk")?)
            .send()
            .await;
        match asked {
            Err(error)
                if !matches!(error.as_service_error(), Some(CreateTableError::ResourceInUseException(_))) =>
            {
                return Err(Error::from_sdk(error));
            }
            _ => {}
        }
        for _ in 0..MAX_LOOKS {
            let described = self.client.describe_table().table_name(&self.table).send().await;
            let table = described.map_err(Error::from_sdk)?.table;
            if table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Error::Unavailable("the table was made and is not ready".to_owned()))
    }
}

fn keyed(hash: &str, range: &str) -> Result<Vec<KeySchemaElement>, Error> {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let elements = [element(hash, KeyType::Hash), element(range, KeyType::Range)];
    elements.into_iter().collect::<Result<_, _>>().map_err(|error| Error::Refused(error.to_string()))
}
