//! Events of anything: what Lambda hands over is read or refused, and never ends the process.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::json;

use super::*;

/// A record of the stream as DynamoDB sends it, a message of a queue, and a scheduled event.
fn events() -> Vec<String> {
    let image = json!({
        "pk": {"S": "C#alice"}, "sk": {"S": "A"}, "v": {"N": "1"}, "version": {"N": "1"}, "group": {"S": "vip"},
        "frozen": {"BOOL": true}, "lots": {"B": "AAA="}, "life": {"L": [{"N": "1"}, {"M": {"x": {"NULL": true}}}]},
    });
    let stream = json!({"Records": [{
        "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "eu-central-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_341_600, "Keys": {"pk": {"S": "C#alice"}, "sk": {"S": "A"}}, "NewImage": image,
            "OldImage": image, "SequenceNumber": "111", "SizeBytes": 26, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:1:table/scrip/stream/2026",
    }]});
    let queue = json!({"Records": [{
        "messageId": "m-1", "receiptHandle": "r", "body": "{}", "attributes": {"ApproximateReceiveCount": "3"},
        "messageAttributes": {}, "md5OfBody": "x", "eventSource": "aws:sqs", "eventSourceARN": "arn", "awsRegion": "eu-central-1",
    }]});
    let schedule = json!({
        "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "1",
        "time": "2026-11-22T10:00:00Z", "region": "eu-central-1", "resources": ["arn"], "detail": "{}",
    });
    [stream, queue, schedule].iter().map(Value::to_string).collect()
}

/// Reads this as each kind of event, as far as its handlers do; answers how many it was read as.
fn read(text: &str) -> usize {
    let (at, time_left) = (Timestamp::UNIX_EPOCH, Duration::ZERO);
    let stream = serde_json::from_str::<dynamodb::Event>(text).ok();
    let stream = stream.and_then(|event| Batch::read(&event, at, time_left).ok());
    let records = stream.iter().flat_map(|batch| &batch.records);
    records.for_each(|record| drop(record.news()));
    let queue = serde_json::from_str::<SqsEvent>(text).ok();
    let queue = queue.and_then(|event| Messages::read(event, at, time_left).ok());
    let schedule = serde_json::from_str::<EventBridgeEvent<Value>>(text).ok();
    let schedule = schedule.and_then(|event| Event::read(&event, time_left).ok());
    let of_something = [
        stream.is_some_and(|batch| !batch.records.is_empty()),
        queue.is_some_and(|messages| !messages.messages.is_empty()),
        schedule.is_some(),
    ];
    of_something.into_iter().filter(|read| *read).count()
}

#[test]
fn whole_events_are_read_as_what_they_are() {
    for event in events() {
        assert_eq!(read(&event), 1, "{event}");
    }
}

#[test]
fn a_message_says_how_often_it_came() {
    let of = |count: Option<&str>| {
        let mut message = json!({"messageId": "m", "attributes": {}});
        if let Some(count) = count {
            message["attributes"] = json!({"ApproximateReceiveCount": count});
        }
        let event = serde_json::from_value(json!({"Records": [message]})).unwrap();
        Messages::read(event, Timestamp::UNIX_EPOCH, Duration::ZERO).unwrap().messages[0].deliveries
    };
    for (count, deliveries) in [(Some("3"), 3), (Some("-1"), 1), (Some("many"), 1), (None, 1)] {
        assert_eq!(of(count), deliveries, "{count:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_of_anything_is_read_or_refused(
        event in prop::sample::select(events()),
        damages in vec((any::<Index>(), any::<Index>(), prop_oneof![
            Just(String::new()), Just("null".to_owned()), Just("1".to_owned()), Just("\"\"".to_owned()),
            Just("-1e300".to_owned()), Just("{}".to_owned()), "\\PC{0,3}",
        ]), 0..3),
        text in any::<String>(),
    ) {
        read(&text);
        let mut event = event;
        for (from, length, other) in damages {
            // Between one quotation mark and another of the same event, so that what comes out is JSON as often as not.
            let marks: Vec<usize> = event.match_indices(['"', ',', ':', '{', '}']).map(|(at, _)| at).collect();
            let Some(&from) = marks.get(from.index(marks.len().max(1))) else { break };
            let Some(&to) = marks.iter().filter(|at| **at >= from).nth(length.index(4)) else { continue };
            event.replace_range(from..to, &other);
        }
        read(&event);
    }
}
