//! Events of the table's stream, of queues and of schedules, as Lambda hands them over.
#![no_main]

use std::time::Duration;

use aws_lambda_events::{dynamodb, eventbridge::EventBridgeEvent, sqs::SqsEvent};
use edge::{Batch, Event, Messages};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let (at, time_left) = (Timestamp::UNIX_EPOCH, Duration::ZERO);
    if let Ok(event) = serde_json::from_slice::<dynamodb::Event>(bytes)
        && let Ok(batch) = Batch::read(&event, at, time_left)
    {
        batch.records.iter().for_each(|record| drop(record.news()));
    }
    if let Ok(event) = serde_json::from_slice::<SqsEvent>(bytes) {
        drop(Messages::read(event, at, time_left));
    }
    if let Ok(event) = serde_json::from_slice::<EventBridgeEvent<Value>>(bytes) {
        drop(Event::read(&event, time_left));
    }
});
