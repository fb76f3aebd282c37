//! The journal of the books, and reports: what the store's credit came to at the end of any day.

mod journal;
mod reports;

use edge::{Access, Routes};
use http::Method;

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::GET, "/v1/journal", Access::Admin, journal::journal)
        .on(Method::GET, "/v1/reports/liability", Access::Admin, reports::liability)
        .on(Method::GET, "/v1/reports/ageing", Access::Admin, reports::ageing)
        .on(Method::GET, "/v1/reports/expiring", Access::Admin, reports::expiring)
        .on(Method::GET, "/v1/reports/movements", Access::Admin, reports::movements)
}
