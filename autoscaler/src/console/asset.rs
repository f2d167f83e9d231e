use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::page::{self, Refusal};

/// The style sheet, the script and the icon: all that pages load.
pub(super) async fn show(page::Named(name): page::Named<String>) -> Response {
    let (kind, body): (_, &'static str) = match &*name {
        "console.css" => (
            "text/css; charset=utf-8",
            include_str!("assets/console.css"),
        ),
        "console.js" => (
            "text/javascript; charset=utf-8",
            include_str!("assets/console.js"),
        ),
        "icon.svg" => ("image/svg+xml", include_str!("assets/icon.svg")),
        _ => {
            let refusal = Refusal::new(StatusCode::NOT_FOUND, "There is no such file.");
            return refusal.into_response();
        }
    };
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}
