//! The table's stream, delivered to a function that follows it as Lambda would.

use std::time::Duration;

use aws_lambda_events::dynamodb;
use edge::{Batch, StreamRecord};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

use crate::{Failure, database::call};

/// How often the stream is looked at here.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a function may take for one batch here.
const PATIENCE: Duration = Duration::from_secs(50);
/// Records of one batch, as the template says.
const BATCH: usize = 100;

/// A place in the table's stream.
pub struct Stream {
    endpoint: String,
    arn: String,
    shard: String,
    place: String,
}

impl Stream {
    /// The stream of this table, from its beginning: what is listed twice is the same.
    ///
    /// # Errors
    /// When the table has no stream.
    pub(crate) async fn of(endpoint: &str, table: &str) -> Result<Self, Failure> {
        let text =
            |value: Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let streams = ask(endpoint, "ListStreams", json!({"TableName": table})).await?;
        let arn = text(streams, "/Streams/0/StreamArn").ok_or("the table has no stream")?;
        let described = ask(endpoint, "DescribeStream", json!({"StreamArn": arn})).await?;
        let shard =
            text(described, "/StreamDescription/Shards/0/ShardId").ok_or("the stream has no shard")?;
        let mut stream = Self { endpoint: endpoint.to_owned(), arn, shard, place: String::new() };
        stream.place = stream.iterator(&json!({"ShardIteratorType": "TRIM_HORIZON"})).await?;
        Ok(stream)
    }

    /// Delivers one batch to a function, and tells whether there was one that was taken whole. What fails is delivered again,
    /// with all that follows it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliver<F, A>(&mut self, store: &Store, at: Timestamp, function: F) -> Result<bool, Failure>
    where
        F: Fn(Store, Batch) -> A,
        A: Future<Output = Vec<StreamRecord>>,
    {
        let request = json!({"ShardIterator": self.place, "Limit": BATCH});
        let answer = ask(&self.endpoint, "GetRecords", request).await?;
        let next =
            answer.get("NextShardIterator").and_then(Value::as_str).ok_or("the stream ended")?.to_owned();
        let event: dynamodb::Event = serde_json::from_value(json!({"Records": answer.get("Records")}))?;
        if event.records.is_empty() {
            return Ok(false);
        }
        let failed = function(store.clone(), Batch::read(&event, at, PATIENCE)?).await;
        let first = failed.into_iter().map(|record| record.sequence_number).min();
        let delivered = first.is_none();
        self.place = match first {
            None => next,
            Some(first) => {
                let place = json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": first});
                self.iterator(&place).await?
            }
        };
        Ok(delivered)
    }

    /// Delivers what comes to a function, until it is dropped.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn follow<F, A>(mut self, store: Store, function: F) -> Result<(), Failure>
    where
        F: Fn(Store, Batch) -> A,
        A: Future<Output = Vec<StreamRecord>>,
    {
        loop {
            if !self.deliver(&store, Timestamp::now(), &function).await? {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// The place that these words name.
    async fn iterator(&self, place: &Value) -> Result<String, Failure> {
        let mut request = json!({"StreamArn": self.arn, "ShardId": self.shard});
        if let (Some(request), Some(place)) = (request.as_object_mut(), place.as_object()) {
            request.extend(place.clone());
        }
        let answer = ask(&self.endpoint, "GetShardIterator", request).await?;
        let place = answer.get("ShardIterator").and_then(Value::as_str);
        Ok(place.ok_or("the stream has no such place")?.to_owned())
    }
}

/// Asks the database's streams for one thing.
async fn ask(endpoint: &str, operation: &str, body: Value) -> Result<Value, Failure> {
    call(endpoint, &format!("DynamoDBStreams_20120810.{operation}"), body).await
}
