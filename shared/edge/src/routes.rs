//! Which function answers which method and path, who may call it, and what happens around every call.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use jiff::Timestamp;
use ledger::{CustomerId, Role};
use percent_encoding::percent_decode_str;
use store::Store;

use crate::{Call, Gate, Problem, Published, Reply, Who, call::MAX_BODY};

/// The name of the path's part that says whose credit it is about.
const CUSTOMER: &str = "customer";

/// How long a call may take: less than the 10 s after which Lambda ends the function, and the client is told 500 by somebody who
/// does not know whether it may try again.
const PATIENCE: Duration = Duration::from_secs(8);

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The merchant.
    Admin,
    /// The merchant and the shop's software.
    Staff,
    /// Also a customer, for itself.
    All,
    /// Whoever asks, without a credential.
    Anybody,
}

impl Access {
    fn admits(self, role: Role) -> bool {
        match role {
            Role::Admin => true,
            Role::Store => self != Self::Admin,
            Role::Customer => matches!(self, Self::All | Self::Anybody),
            Role::System => false,
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// One method and path, and what answers it.
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// The path, its variable parts in braces as API Gateway writes them.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    handler: Handler,
}

/// What answers a route.
enum Handler {
    /// A call of somebody who may.
    Called(Box<dyn Fn(Store, Call) -> Answer + Send + Sync>),
    /// Everybody alike.
    Published(Published),
    /// Everybody alike, each at its own of the paths that are of this pattern.
    Files(BTreeMap<String, Published>),
}

/// The routes of one function.
#[derive(Default)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn on<F, A>(mut self, method: Method, path: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Store, Call) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        let handler = Box::new(move |store, call| -> Answer { Box::pin(handler(store, call)) });
        self.0.push(Route { method, path, access, handler: Handler::Called(handler) });
        self
    }

    /// Adds what is the same for whoever asks.
    #[must_use]
    pub fn publishing(mut self, path: &'static str, published: Published) -> Self {
        let handler = Handler::Published(published);
        self.0.push(Route { method: Method::GET, path, access: Access::Anybody, handler });
        self
    }

    /// Adds files that are the same for whoever asks, by their whole paths, all of which are of this pattern. Other paths of it are
    /// not found.
    #[must_use]
    pub fn publishing_files(mut self, path: &'static str, files: BTreeMap<String, Published>) -> Self {
        self.0.push(Route {
            method: Method::GET,
            path,
            access: Access::Anybody,
            handler: Handler::Files(files),
        });
        self
    }

    /// Every one of them.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// The route of this method and path, and the path's variable parts, decoded.
    fn find(&self, method: &Method, path: &str) -> Option<(&Route, Vec<(&'static str, String)>)> {
        self.0
            .iter()
            .filter(|route| route.method == *method)
            .find_map(|route| matched(route.path, path).map(|params| (route, params)))
    }
}

impl Route {
    /// What is published at this path of the route's.
    fn published(&self, path: &str, headers: &HeaderMap) -> Result<Reply, Problem> {
        let published = match &self.handler {
            Handler::Published(published) => Some(published),
            Handler::Files(files) => files.get(path),
            Handler::Called(_) => None,
        };
        published.map(|published| Reply::published(published, headers)).ok_or_else(Problem::route_not_found)
    }
}

/// One request, for the line that the log has of it.
struct Asked<'a> {
    begun: Instant,
    method: Method,
    path: String,
    request_id: &'a str,
}

impl<'a> Asked<'a> {
    fn now(request: &Request<Bytes>, request_id: &'a str) -> Self {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        Self { begun: Instant::now(), method, path, request_id }
    }

    /// Answers it, and logs one line about it.
    fn answer(self, route: &str, who: Option<&Who>, answer: Result<Reply, Problem>) -> Response<Bytes> {
        let Self { begun, method, request_id, .. } = self;
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (role, caller) = who.map_or(("", ""), |who| (who.actor.role.word(), who.actor.id.as_str()));
        match answer {
            Ok(reply) => {
                let (status, replayed) = (reply.status().as_u16(), reply.is_replayed());
                tracing::info!(request_id, %method, route, role, caller, status, replayed, milliseconds, "answered");
                reply.into_response()
            }
            Err(problem) => {
                let (status, code) = (problem.status().as_u16(), problem.code());
                let cause = problem.cause().unwrap_or_default();
                if problem.status().is_server_error() {
                    tracing::error!(request_id, %method, route, role, caller, status, code, cause, milliseconds, "failed");
                } else {
                    tracing::info!(request_id, %method, route, role, caller, status, code, cause, milliseconds, "refused");
                }
                problem.into_response()
            }
        }
    }
}

/// Answers one request by what these routes publish, for which nobody's credential and no store is needed. What is called is not
/// found. It always answers, and logs one line about it.
pub(crate) fn publish(routes: &Routes, request: &Request<Bytes>, request_id: &str) -> Response<Bytes> {
    let asked = Asked::now(request, request_id);
    let found = routes.find(&asked.method, &asked.path).map(|(route, _)| route);
    let answer = found.ok_or_else(Problem::route_not_found);
    let answer = answer.and_then(|route| route.published(&asked.path, request.headers()));
    asked.answer(found.map_or("none", |route| route.path), None, answer)
}

/// One function at work: its routes, the store, and who is let in.
#[derive(Clone)]
pub struct Service {
    routes: Arc<Routes>,
    store: Store,
    gate: Arc<Gate>,
}

impl Service {
    /// Puts them together.
    pub fn new(routes: Routes, store: Store, gate: Arc<Gate>) -> Self {
        Self { routes: Arc::new(routes), store, gate }
    }

    /// Answers one request that came in `at` this moment. It always answers, and logs one line about it.
    pub async fn respond(&self, request: Request<Bytes>, at: Timestamp, request_id: &str) -> Response<Bytes> {
        let asked = Asked::now(&request, request_id);
        // The ledger counts in milliseconds.
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let found = self.routes.find(&asked.method, &asked.path);
        let route = found.as_ref().map_or("none", |(route, _)| route.path);
        let mut who = None;
        let answer = match found {
            None if lacks_customer(&asked.path) => Err(Problem::invalid(CUSTOMER, "is required in the path")),
            None => Err(Problem::route_not_found()),
            Some((route, params)) => match &route.handler {
                Handler::Called(handler) => {
                    let call = Box::pin(self.call(route, handler, params, request, at, &mut who));
                    let answered = tokio::time::timeout(PATIENCE, call).await;
                    answered.unwrap_or_else(|_| Err(Problem::unavailable("the time ran out")))
                }
                _ => route.published(&asked.path, request.headers()),
            },
        };
        asked.answer(route, who.as_ref(), answer)
    }

    async fn call(
        &self,
        route: &Route,
        handler: &(dyn Fn(Store, Call) -> Answer + Send + Sync),
        params: Vec<(&'static str, String)>,
        request: Request<Bytes>,
        at: Timestamp,
        caller: &mut Option<Who>,
    ) -> Result<Reply, Problem> {
        let (parts, body) = request.into_parts();
        // A till with nobody selected is told so before anything is read.
        let customer = match params.iter().find(|(name, _)| *name == CUSTOMER) {
            None => None,
            Some((_, text)) if text.is_empty() => {
                return Err(Problem::invalid(CUSTOMER, "is required in the path"));
            }
            Some((_, text)) => {
                let id: Result<CustomerId, _> = text.parse();
                Some(id.map_err(|error| Problem::invalid(CUSTOMER, error.to_string()))?)
            }
        };
        let who = caller.insert(self.gate.who(&parts.headers, at).await?).clone();
        if !route.access.admits(who.role()) {
            return Err(Problem::forbidden(who.role()));
        }
        if let (Some(own), Some(customer)) = (&who.customer, &customer)
            && own != customer
        {
            return Err(Problem::customer_not_found());
        }
        if body.len() > MAX_BODY {
            return Err(Problem::invalid("body", format!("must be at most {MAX_BODY} bytes")));
        }
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let call = Call { at, who, route: route.path, params, query, headers: parts.headers, body };
        handler(self.store.clone(), call).await
    }
}

/// The variable parts of `path` by their names in `pattern`, if it is of that pattern.
fn matched(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut given = path.split('/');
    let mut params = Vec::new();
    for part in pattern.split('/') {
        let text = given.next()?;
        match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            // What is not UTF-8 then parses as no id at all.
            Some(name) => params.push((name, percent_decode_str(text).decode_utf8_lossy().into_owned())),
            None if part == text => {}
            None => return None,
        }
    }
    given.next().is_none().then_some(params)
}

/// Whether the path has no customer where one belongs.
fn lacks_customer(path: &str) -> bool {
    path.strip_prefix("/v1/customers/").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&[(&str, &str)]>) {
        let params = matched("/v1/customers/{customer}/topups/{topup}/approve", path);
        let expected = expected.map(|params| {
            params.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect::<Vec<_>>()
        });
        let params = params
            .map(|params| params.into_iter().map(|(name, text)| (name.to_owned(), text)).collect::<Vec<_>>());
        assert_eq!(params, expected, "{path}");
    }

    #[test]
    fn paths_match_part_by_part_and_decode() {
        check("/v1/customers/alice/topups/t1/approve", Some(&[("customer", "alice"), ("topup", "t1")]));
        check("/v1/customers/a%40b.c/topups/t%2F1/approve", Some(&[("customer", "a@b.c"), ("topup", "t/1")]));
        check("/v1/customers//topups/t1/approve", Some(&[("customer", ""), ("topup", "t1")]));
        check("/v1/customers/alice/topups/t1/approve/", None);
        check("/v1/customers/alice/topups/t1", None);
        check("/v2/customers/alice/topups/t1/approve", None);
        check("", None);
    }

    #[test]
    fn a_path_without_its_customer_is_told_from_an_unknown_one() {
        assert!(lacks_customer("/v1/customers/"));
        assert!(lacks_customer("/v1/customers//grants"));
        assert!(!lacks_customer("/v1/customers/alice/nothing"));
        assert!(!lacks_customer("/v1/nothing"));
    }
}
