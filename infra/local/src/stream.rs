//! The table's stream, delivered to a function that follows it as Lambda would.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

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

/// How long to wait after the database failed.
const RECOVERY: Duration = Duration::from_secs(1);

/// A place in the table's stream.
pub struct Stream {
    endpoint: String,
    arn: String,
    shard: String,
    place: String,
    kept: Option<PathBuf>,
}

impl Stream {
    /// The stream of this table: from behind the record that this file names, else from its beginning, since what is delivered twice
    /// changes nothing.
    ///
    /// # Errors
    /// When the table has no stream.
    pub(crate) async fn of(endpoint: &str, table: &str, kept: Option<&Path>) -> Result<Self, Failure> {
        let text =
            |value: Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let streams = ask(endpoint, "ListStreams", json!({"TableName": table})).await?;
        let arn = text(streams, "/Streams/0/StreamArn").ok_or("the table has no stream")?;
        let described = ask(endpoint, "DescribeStream", json!({"StreamArn": arn})).await?;
        let shard =
            text(described, "/StreamDescription/Shards/0/ShardId").ok_or("the stream has no shard")?;
        let (endpoint, kept) = (endpoint.to_owned(), kept.map(Path::to_owned));
        let mut stream = Self { endpoint, arn, shard, place: String::new(), kept };
        if let Some(last) = stream.kept.as_ref().and_then(|file| fs::read_to_string(file).ok()) {
            let after = json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last});
            // A file that was kept beside another database names nothing in this one.
            if let Ok(place) = stream.iterator(&after).await {
                return Ok(Self { place, ..stream });
            }
        }
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
            None => {
                let last = event.records.last().and_then(|record| record.change.sequence_number.as_ref());
                if let (Some(file), Some(last)) = (&self.kept, last) {
                    fs::write(file, last)?;
                }
                next
            }
            Some(first) => {
                let place = json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": first});
                self.iterator(&place).await?
            }
        };
        Ok(delivered)
    }

    /// Delivers what comes to a function, until it is dropped. Where the database fails, as when it takes too long, it asks again.
    ///
    /// # Errors
    /// Never: it is a task beside others that may fail.
    pub async fn follow<F, A>(mut self, store: Store, function: F) -> Result<(), Failure>
    where
        F: Fn(Store, Batch) -> A,
        A: Future<Output = Vec<StreamRecord>>,
    {
        loop {
            match self.deliver(&store, Timestamp::now(), &function).await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    tracing::warn!(error, "the stream could not be read; it is tried again");
                    tokio::time::sleep(RECOVERY).await;
                }
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
