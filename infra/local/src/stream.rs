//! The table's stream, delivered to a function that follows it as Lambda would.

use std::time::Duration;

use aws_lambda_events::dynamodb;
use dynoxide::actions::{
    describe_stream::DescribeStreamRequest, get_records::GetRecordsRequest,
    get_shard_iterator::GetShardIteratorRequest, list_streams::ListStreamsRequest,
};
use edge::{Batch, StreamRecord};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

use crate::{Failure, TABLE};

/// How often the stream is looked at here.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a function may take for one batch here.
const PATIENCE: Duration = Duration::from_secs(50);
/// Records of one batch, as the template says.
const BATCH: usize = 100;

/// A place in the table's stream.
pub struct Stream {
    database: dynoxide::Database,
    arn: String,
    shard: String,
    place: String,
}

impl Stream {
    /// The stream of this database, from its beginning: what is listed twice is the same.
    ///
    /// # Errors
    /// When the table has no stream.
    pub fn of(database: dynoxide::Database) -> Result<Self, Failure> {
        let streams = database
            .list_streams(serde_json::from_value::<ListStreamsRequest>(json!({"TableName": TABLE}))?)?;
        let streams = serde_json::to_value(streams)?;
        let arn = streams
            .pointer("/Streams/0/StreamArn")
            .and_then(Value::as_str)
            .ok_or("the table has no stream")?;
        let description = serde_json::from_value::<DescribeStreamRequest>(json!({"StreamArn": arn}))?;
        let description = serde_json::to_value(database.describe_stream(description)?)?;
        let shard = description.pointer("/StreamDescription/Shards/0/ShardId").and_then(Value::as_str);
        let shard = shard.ok_or("the stream has no shard")?.to_owned();
        let mut stream = Self { database, arn: arn.to_owned(), shard, place: String::new() };
        stream.place = stream.iterator(&json!({"ShardIteratorType": "TRIM_HORIZON"}))?;
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
        let answer = self.database.get_records(serde_json::from_value::<GetRecordsRequest>(request)?)?;
        let next = answer.next_shard_iterator.ok_or("the stream ended")?;
        let event: dynamodb::Event = serde_json::from_value(json!({"Records": answer.records}))?;
        if event.records.is_empty() {
            return Ok(false);
        }
        let failed = function(store.clone(), Batch::read(&event, at, PATIENCE)?).await;
        let first = failed.into_iter().map(|record| record.sequence_number).min();
        let delivered = first.is_none();
        self.place = match first {
            None => next,
            Some(first) => {
                self.iterator(&json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": first}))?
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
    fn iterator(&self, place: &Value) -> Result<String, Failure> {
        let mut request = json!({"StreamArn": self.arn, "ShardId": self.shard});
        if let (Some(request), Some(place)) = (request.as_object_mut(), place.as_object()) {
            request.extend(place.clone());
        }
        let request = serde_json::from_value::<GetShardIteratorRequest>(request)?;
        Ok(self.database.get_shard_iterator(request)?.shard_iterator.ok_or("the stream has no such place")?)
    }
}
