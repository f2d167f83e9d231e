//! The API's own description: OpenAPI 3.1, gathered from the handlers and their types.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    ToSchema,
    openapi::{
        Components, Content, Info, License, OpenApi, Ref, ResponseBuilder, SecurityRequirement,
        path::{Operation, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{public_routes, wire::FaultBody};

/// Name of the security scheme.
const TOKEN: &str = "token";

/// Every route that is not the balancer's, with what it takes and answers.
pub fn document() -> OpenApi {
    let mut document = public_routes().into_openapi();
    document.info = info();
    let components = document.components.get_or_insert_default();
    describe_faults(components);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer));
    // Only where the API listens on more than this machine.
    document.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new(TOKEN, [""; 0]),
    ]);
    for path in document.paths.paths.values_mut() {
        operations(path).for_each(answers_faults);
    }
    document
}

fn info() -> Info {
    let mut info = Info::new("minicloud control API", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "AWS's words in snake_case. Durations are whole seconds, times RFC 3339 in UTC. Answers \
         may gain members; requests are refused where they have one that is not described."
            .to_owned(),
    );
    info.license = Some(License::new(env!("CARGO_PKG_LICENSE")));
    info
}

fn describe_faults(components: &mut Components) {
    let mut schemas = vec![(
        FaultBody::name().into_owned(),
        <FaultBody as utoipa::PartialSchema>::schema(),
    )];
    FaultBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut path.get,
        &mut path.put,
        &mut path.post,
        &mut path.patch,
        &mut path.delete,
    ]
    .into_iter()
    .flatten()
}

/// Whatever is refused is answered alike.
fn answers_faults(operation: &mut Operation) {
    let body = Content::new(Some(Ref::from_schema_name(FaultBody::name())));
    let fault = ResponseBuilder::new()
        .description("Refused, and nothing is changed.")
        .content("application/json", body)
        .build();
    let responses = &mut operation.responses.responses;
    responses.insert("default".to_owned(), fault.into());
}

/// This description.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "DescribeApi",
    tag = "status",
    responses((status = 200, body = Object))
)]
pub(super) async fn show() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        document()
            .to_json()
            .expect("a description is made of strings and numbers")
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, DOCUMENT.as_str()).into_response()
}
