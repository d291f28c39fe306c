//! The mock's own endpoints do what their description says, and a running mock
//! answers nothing else.

use std::{collections::BTreeSet, net::SocketAddr};

use jsonschema::Validator;
use kontext_mock::{Match, MatchMode, MockServer};
use serde_json::{Map, Value, json};

use crate::{
    files::folder_with_picture,
    http::{self, Answer, add_bird_with, post},
    wire::{admin, admin_json},
};

/// What `/__mock/openapi.json` says, in a form that answers are judged by.
struct Description {
    document: Value,
}

impl Description {
    fn of(address: SocketAddr) -> Self {
        let mut document = admin_json(address, "openapi.json");
        translate(&mut document);
        Self { document }
    }

    /// Every path with every method, such as `GET /__mock/health`.
    fn operations(&self) -> BTreeSet<String> {
        let methods = ["get", "put", "post", "delete", "head", "patch"];
        let paths = self.document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, operations)| {
                let there = methods
                    .iter()
                    .filter(|method| operations.get(method).is_some());
                there.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect()
    }

    /// Every status of an operation.
    fn statuses(&self, operation: &str) -> BTreeSet<u16> {
        let responses = self.operation(operation)["responses"].as_object().unwrap();
        responses
            .keys()
            .map(|status| status.parse().unwrap())
            .collect()
    }

    fn operation(&self, operation: &str) -> &Value {
        let (method, path) = operation.split_once(' ').unwrap();
        &self.document["paths"][path][method.to_lowercase()]
    }

    fn schema(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        jsonschema::draft202012::new(&schema).unwrap()
    }

    /// Whether an answer is one that the operation has, and why not.
    fn judge(&self, operation: &str, answer: &Answer) -> Result<(), String> {
        let status = answer.status.to_string();
        let response = self.operation(operation)["responses"]
            .get(&status)
            .ok_or_else(|| format!("{operation} has no response {status}"))?;
        let content = response.get("content").and_then(Value::as_object);
        let Some(content) = content.filter(|_| !operation.starts_with("HEAD ")) else {
            return match answer.body.as_slice() {
                [] => Ok(()),
                _ => Err(format!("{operation} {status} has a body")),
            };
        };
        let media_type = answer.header("content-type").unwrap_or_default();
        let media = content
            .get(media_type)
            .ok_or_else(|| format!("{operation} {status} has no {media_type:?}"))?;
        if media_type != "application/json" {
            return Ok(());
        }
        let body = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("{operation} {status}: {error}"))?;
        let errors: Vec<_> = self
            .schema(&media["schema"])
            .iter_errors(&body)
            .map(|error| format!("{operation} {status} {}: {error}", error.instance_path()))
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.join("\n"))
        }
    }
}

/// Makes JSON Schema of OpenAPI 3.0's own: `nullable`. Objects are closed, so
/// that a member that is not described is noticed.
fn translate(value: &mut Value) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(translate),
        Value::Object(members) => {
            members.values_mut().for_each(translate);
            if members.remove("nullable") == Some(json!(true)) {
                let kind = members.remove("type").unwrap();
                members.insert("type".to_owned(), json!([kind, "null"]));
            }
            if members.get("type") == Some(&json!("object")) && members.get("properties").is_some()
            {
                members
                    .entry("additionalProperties")
                    .or_insert(json!(false));
            }
        }
        _ => {}
    }
}

/// Every `$ref` of a document.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Array(entries) => entries.iter().for_each(|entry| references(entry, found)),
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members
                .values()
                .for_each(|member| references(member, found));
        }
        _ => {}
    }
}

fn unresolved(document: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    references(document, &mut found);
    assert!(found.len() > 10);
    let mut missing: Vec<_> = found.into_iter().map(str::to_owned).collect();
    missing.retain(|reference| {
        let pointer = reference.strip_prefix('#');
        pointer
            .and_then(|pointer| document.pointer(pointer))
            .is_none()
    });
    missing
}

#[tokio::test]
async fn the_description_is_one_of_openapi_3_0() {
    let server = MockServer::start().await.unwrap();
    let mut document = admin_json(server.address(), "openapi.json");
    assert!(document["openapi"].as_str().unwrap().starts_with("3.0."));
    for key in ["title", "version"] {
        assert!(document["info"][key].is_string());
    }
    let mut ids = BTreeSet::new();
    let empty = Map::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap()),
                "{method} {path}"
            );
            let in_path = operation["parameters"].as_array().into_iter().flatten();
            let in_path = in_path.filter(|one| one["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
            for response in operation["responses"]
                .as_object()
                .unwrap_or(&empty)
                .values()
            {
                assert!(response["description"].is_string(), "{method} {path}");
            }
        }
    }
    assert_eq!(unresolved(&document), [""; 0]);
    // That would be noticed.
    document["components"]["schemas"]
        .as_object_mut()
        .unwrap()
        .remove("Charge");
    assert_eq!(unresolved(&document), ["#/components/schemas/Charge"]);
}

/// A request that brings about each answer that is described: the operation, the
/// path and query, headers, and the body.
type Request<'a> = (&'a str, u16, String, &'a [(&'a str, &'a str)], String);

const FOREIGN: &[(&str, &str)] = &[("origin", "http://elsewhere.example")];

fn requests(generated: &str) -> Vec<Request<'static>> {
    let mut all: Vec<Request<'static>> = Vec::new();
    let mut add = |operation: &'static str, status, query: &str, body: &str| {
        let path = operation.split_once(' ').unwrap().1;
        let headers = if status == 403 { FOREIGN } else { &[] };
        all.push((
            operation,
            status,
            format!("{path}{query}"),
            headers,
            body.to_owned(),
        ));
    };
    for operation in [
        "GET /__mock/health",
        "HEAD /__mock/health",
        "GET /__mock/openapi.json",
        "HEAD /__mock/openapi.json",
        "GET /__mock/recordings",
    ] {
        add(operation, 200, "", "");
        add(operation, 200, "?_=1700000000", "");
        add(operation, 403, "", "");
    }
    for operation in [
        "GET /__mock/requests",
        "GET /__mock/billed",
        "GET /__mock/faults",
        "GET /__mock/rules",
    ] {
        add(operation, 200, "", "");
        add(operation, 200, "?session=one", "");
        add(operation, 400, "?session=two%20words", "");
        add(operation, 400, "?sesion=one", "");
        add(operation, 403, "", "");
    }
    add("GET /__mock/requests", 200, "?misses=true&since=1", "");
    add("GET /__mock/requests", 400, "?misses=yes", "");
    add("GET /__mock/requests", 400, "?since=-1", "");
    for (operation, good, bad) in [
        (
            "PUT /__mock/faults",
            r#"{"faults":["429=7,times=3"]}"#,
            r#"{"faults":["429=x"]}"#,
        ),
        (
            "PUT /__mock/rules",
            r#"{"rules":[{"name":"n","operation":"generate-image","request":{"a":1},"headers":{"b":"c"},"priority":2,"times":3,"answers":["match",{"answer":"generate","faults":["garbage"]}]}]}"#,
            r#"{"rules":[{"answers":[]}]}"#,
        ),
    ] {
        add(operation, 200, "?session=one", good);
        add(operation, 400, "", bad);
        add(operation, 400, "", "");
        add(operation, 400, "?session=", good);
        add(operation, 403, "", good);
        add(operation, 413, "", &"x".repeat(1024 * 1024 + 1));
    }
    add("GET /__mock/faults", 200, "?session=one", "");
    add("GET /__mock/rules", 200, "?session=one", "");
    for operation in [
        "DELETE /__mock/faults",
        "DELETE /__mock/rules",
        "DELETE /__mock/requests",
        "POST /__mock/reset",
    ] {
        // The requests of others are still to be listed.
        add(operation, 204, "?session=nobody", "");
        add(operation, 400, "?misses=true", "");
        add(operation, 403, "", "");
    }
    add("POST /__mock/recordings/reload", 200, "", "");
    add("POST /__mock/recordings/reload", 403, "", "");
    for (operation, there) in [
        (
            "GET /__mock/files/{operation}/{case}/{file}",
            "/__mock/files/generate-image/add-bird/file-1.jpg",
        ),
        (
            "HEAD /__mock/files/{operation}/{case}/{file}",
            "/__mock/files/generate-image/add-bird/file-1.jpg",
        ),
        ("GET /__mock/files/generated/{file}", generated),
        ("HEAD /__mock/files/generated/{file}", generated),
    ] {
        all.push((operation, 200, there.to_owned(), &[], String::new()));
        // Pages may show pictures.
        all.push((operation, 200, there.to_owned(), FOREIGN, String::new()));
        all.push((operation, 404, format!("{there}x"), &[], String::new()));
    }
    all
}

#[tokio::test]
async fn every_answer_of_every_endpoint_is_as_described() {
    let folder = folder_with_picture();
    let server = MockServer::builder()
        .recordings(folder.path())
        .match_mode(MatchMode::Generate)
        .start()
        .await
        .unwrap();
    let address = server.address();
    let description = Description::of(address);
    // Something of everything to be listed.
    post(address, add_bird_with(json!({})));
    let made = post(address, add_bird_with(json!({"prompt": "x"})));
    post(address, "{");
    let differs = [
        ("prefer", "example=add-bird"),
        ("x-kontext-session", "one"),
        ("x-kontext-fault", "delay=1ms"),
    ];
    crate::wire::post_with(address, &differs, add_bird_with(json!({"seed": 1})));
    http::send(address, "GET", "/other?query=1", &[], b"");
    let url = made.json()["images"][0]["url"].as_str().unwrap().to_owned();
    let generated = url.strip_prefix("http://mock").unwrap();

    let mut seen = BTreeSet::new();
    let mut check = |operation: &str, status: u16, answer: &Answer| {
        assert_eq!(answer.status, status, "{operation}: {answer:?}");
        description.judge(operation, answer).unwrap();
        seen.insert((operation.to_owned(), status));
    };
    for (operation, status, path, headers, body) in requests(generated) {
        let method = operation.split_once(' ').unwrap().0;
        let answer = http::send(address, method, &path, headers, body.as_bytes());
        check(operation, status, &answer);
    }
    // At last a folder that cannot be read, which health and the list then say.
    folder.write("generate-image/add-bird/recording.json", "{");
    let operation = "POST /__mock/recordings/reload";
    check(
        operation,
        409,
        &admin(address, "POST", "recordings/reload", ""),
    );
    check(
        "GET /__mock/health",
        200,
        &admin(address, "GET", "health", ""),
    );
    check(
        "GET /__mock/recordings",
        200,
        &admin(address, "GET", "recordings", ""),
    );

    let described: BTreeSet<_> = description
        .operations()
        .into_iter()
        .flat_map(|operation| {
            let statuses = description.statuses(&operation);
            statuses
                .into_iter()
                .map(move |status| (operation.clone(), status))
        })
        .collect();
    assert_eq!(
        seen, described,
        "every described answer is brought about, and no other"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_as_described_would_be_noticed() {
    let server = MockServer::start().await.unwrap();
    let description = Description::of(server.address());
    let good = admin(server.address(), "GET", "health", "");
    let judge = |change: &dyn Fn(&mut Answer, &mut Value)| {
        let mut body = good.json();
        let mut answer = Answer {
            status: 200,
            headers: good.headers.clone(),
            body: Vec::new(),
        };
        change(&mut answer, &mut body);
        answer.body = body.to_string().into();
        description.judge("GET /__mock/health", &answer)
    };
    assert_eq!(judge(&|_, _| {}), Ok(()));
    assert_eq!(judge(&|_, body| body["reload_error"] = "x".into()), Ok(()));
    assert!(judge(&|_, body| body["stale"] = "0".into()).is_err());
    assert!(judge(&|_, body| body["status"] = "down".into()).is_err());
    assert!(judge(&|_, body| body["reload_error"] = 1.into()).is_err());
    assert!(judge(&|_, body| body["version"] = Value::Null).is_err());
    assert!(judge(&|_, body| body["new"] = 1.into()).is_err());
    assert!(judge(&|_, body| body["contract"][0]["sha256"] = 1.into()).is_err());
    assert!(judge(&|_, body| drop(body.as_object_mut().unwrap().remove("misses"))).is_err());
    assert!(judge(&|answer, _| answer.status = 201).is_err());
    assert!(judge(&|answer, _| answer.headers.clear()).is_err());
    let head = |body: &[u8]| Answer {
        status: 200,
        headers: Vec::new(),
        body: body.to_vec(),
    };
    assert_eq!(description.judge("HEAD /__mock/health", &head(b"")), Ok(()));
    assert!(
        description
            .judge("HEAD /__mock/health", &head(b"x"))
            .is_err()
    );
}

#[tokio::test]
async fn the_values_that_are_described_are_those_that_there_are() {
    let server = MockServer::start().await.unwrap();
    let schemas = &admin_json(server.address(), "openapi.json")["components"]["schemas"];
    let modes = MatchMode::ALL.map(|mode| json!(mode.name()));
    assert_eq!(
        schemas["Health"]["properties"]["match"]["enum"],
        json!(modes)
    );
    let found = [
        Match::Exact,
        Match::Nearest,
        Match::Fallback,
        Match::Generated,
        Match::Miss,
    ];
    let found: Vec<_> = found
        .map(|found| json!(found.name()))
        .into_iter()
        .chain([Value::Null])
        .collect();
    assert_eq!(
        schemas["Request"]["properties"]["match"]["enum"],
        json!(found)
    );
}
