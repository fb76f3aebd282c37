//! The embedded database beside the simulated table: whatever takes effect is asked of both, and both answer the same.

use local::Database;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::table::Refused;

/// An embedded database that is asked whatever the simulated table is.
pub struct Shadow {
    database: Database,
    /// What it runs on: its clock goes on while the simulation's stands.
    _runtime: Runtime,
}

impl Shadow {
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let database = runtime.block_on(Database::start(None, 0)).unwrap();
        Self { database, _runtime: runtime }
    }

    /// Asks the same, and holds what the table answered against it; but for what was read late on purpose.
    pub fn compare(&mut self, operation: &str, body: &Value, answer: &Result<Value, Refused>, late: bool) {
        let mut theirs = ureq::post(self.database.endpoint())
            .config()
            .http_status_as_error(false)
            .build()
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
            .header("x-amz-date", "20261122T100000Z")
            .send(body.to_string())
            .unwrap();
        let status = theirs.status().as_u16();
        let theirs: Value = serde_json::from_str(&theirs.body_mut().read_to_string().unwrap()).unwrap();
        match answer {
            Ok(_) if late && operation == "Query" => {}
            Ok(ours) => {
                assert_eq!((status, in_order(&theirs)), (200, in_order(ours)), "{operation} {body}");
            }
            Err(Refused(ours, why)) => {
                let kind = |body: &Value| {
                    body["__type"].as_str().unwrap_or("").rsplit('#').next().unwrap().to_owned()
                };
                let reasons = |body: &Value| -> Vec<String> {
                    let reasons = body["CancellationReasons"].as_array().cloned().unwrap_or_default();
                    reasons.iter().map(|reason| reason["Code"].to_string()).collect()
                };
                assert_eq!(
                    (status, kind(&theirs), reasons(&theirs)),
                    (*ours, kind(why), reasons(why)),
                    "{operation} {body}"
                );
            }
        }
    }
}

/// The same, where the order of what a batch answers means nothing.
fn in_order(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(tables) = answer.get_mut("Responses").and_then(Value::as_object_mut) {
        for items in tables.values_mut() {
            items.as_array_mut().unwrap().sort_by_key(ToString::to_string);
        }
    }
    answer
}
