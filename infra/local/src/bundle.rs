//! All functions behind one door, which finds them by the template's routes as API Gateway does.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use console::Site;
use edge::{Gate, Reach, Routes, Service};
use http::{Method, Request, Response};
use jiff::Timestamp;
use store::Store;

use crate::{Failure, Template, TemplateRoute};

/// Every function that answers HTTP, by its binary's name.
///
/// # Errors
/// When the site's pages cannot be made.
pub fn functions(site: &Site) -> Result<Vec<(&'static str, Routes)>, Failure> {
    Ok(vec![
        ("approve", approve::routes()),
        ("console", console::routes(site)?),
        ("grant", grant::routes()),
        ("history", history::routes()),
        ("redeem", redeem::routes()),
        ("reports", reports::routes()),
        ("request-topup", request_topup::routes()),
        ("settings", settings::routes(Reach::Anywhere)),
        ("withdraw", withdraw::routes()),
    ])
}

/// All functions behind one door.
#[derive(Clone)]
pub struct Bundle {
    by_path: matchit::Router<BTreeMap<String, Service>>,
    default: Service,
}

impl Bundle {
    /// Puts the template's routes before the functions.
    ///
    /// # Errors
    /// When the template names a function that there is none of, or the site's pages cannot be made.
    pub fn new(store: &Store, gate: Gate, site: &Site) -> Result<Self, Failure> {
        let gate = Arc::new(gate);
        let service = |(name, routes): (&str, Routes)| {
            (name.to_owned(), Service::new(routes, store.clone(), Arc::clone(&gate)))
        };
        let services: BTreeMap<String, Service> = functions(site)?.into_iter().map(service).collect();

        let mut paths: BTreeMap<String, BTreeMap<String, Service>> = BTreeMap::new();
        let mut default = None;
        for TemplateRoute { function, method, path } in Template::read()?.routes()? {
            let service =
                services.get(&function).ok_or_else(|| format!("there is no function {function}"))?.clone();
            if method == "$default" {
                default = Some(service);
            } else {
                paths.entry(path).or_default().insert(method, service);
            }
        }
        let mut by_path = matchit::Router::new();
        for (path, methods) in paths {
            by_path.insert(path, methods)?;
        }
        Ok(Self { by_path, default: default.ok_or("the template has no default route")? })
    }

    /// Answers one request that came in `at` this moment.
    pub async fn respond(&self, request: Request<Bytes>, at: Timestamp, request_id: &str) -> Response<Bytes> {
        self.function(request.method(), request.uri().path()).respond(request, at, request_id).await
    }

    fn function(&self, method: &Method, path: &str) -> &Service {
        let methods = self.by_path.at(path).ok().map(|found| found.value);
        methods.and_then(|methods| methods.get(method.as_str())).unwrap_or(&self.default)
    }
}
