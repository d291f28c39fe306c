use serde_json::{Value, json};

use super::check;

/// A document with one operation whose request and response hold `schema`.
fn document(schema: &Value) -> Value {
    json!({
        "openapi": "3.0.0", "info": {"title": "t", "version": "1"},
        "paths": {"/x": {"post": {
            "operationId": "x",
            "requestBody": {"content": {"application/json": {"schema": schema}}},
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}}}
        }}}
    })
}

fn first_problem(document: &Value) -> String {
    let problems = check("p.json", document).unwrap_err().0;
    format!("{}: {}", problems[0].place, problems[0].message)
}

const REQUEST: &str = "/paths/~1x/post/requestBody/content/application~1json/schema";

#[test]
fn schemas_that_cannot_be_taken() {
    let several = "a request made of several parts can't be checked before sending";
    for (schema, place, message) in [
        (
            json!({"type": "tuple"}),
            "/type",
            "expected one of string, number, integer, boolean, array, object, found \"tuple\"",
        ),
        (
            json!({"type": ["string", "integer"]}),
            "/type",
            "expected one type; several are a union, which is anyOf, found [\"string\",\"integer\"]",
        ),
        (
            json!({"type": "string", "maxLength": -1}),
            "/maxLength",
            "expected a whole number from 0, found -1",
        ),
        (
            json!({"type": "number", "exclusiveMinimum": 1}),
            "/exclusiveMinimum",
            "expected true or false, as in OpenAPI 3.0, found 1",
        ),
        (
            json!({"const": 1}),
            "/const",
            "expected nothing: OpenAPI 3.0 has no such keyword, found 1",
        ),
        (
            json!({"type": "array"}),
            "",
            "a list without items, so there is no type for its items",
        ),
        (
            json!({"type": "object", "properties": {"a": true}}),
            "/properties/a",
            "expected a schema, which is an object, found true",
        ),
        (
            json!({"type": "object", "properties": {"a-b": {}, "a_b": {}}}),
            "/properties/a_b",
            "\"a_b\" and \"a-b\" both give the Rust field a_b",
        ),
        (
            json!({"type": "object", "required": ["a"]}),
            "/required",
            "requires \"a\", which is not a property",
        ),
        (
            json!({"anyOf": [{}], "oneOf": [{}]}),
            "",
            "anyOf beside oneOf, which no generator takes",
        ),
        (
            json!({"type": "string", "enum": ["a", 1]}),
            "/enum/1",
            "expected a value of type string, found 1",
        ),
        (
            json!({"type": "integer", "enum": [1, 2]}),
            "/enum",
            "only strings can be enumerated in a request",
        ),
        (
            json!({"type": "integer", "maximum": 4, "default": 5}),
            "/default",
            "the default does not conform to its own schema: 5 is greater than the maximum of 4",
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "string", "enum": ["a"]}]}),
            "/anyOf/1",
            "the branches of a union in a request must have different types",
        ),
        (
            json!({"allOf": [{"type": "object"}, {"type": "object"}]}),
            "/allOf",
            several,
        ),
        (
            json!({"allOf": [{"type": "string"}], "maxLength": 3}),
            "/allOf",
            several,
        ),
        (
            json!({"maxLength": 3}),
            "",
            "limits without a type can't be checked before sending",
        ),
        (
            json!({"anyOf": [{"type": "string"}], "maxLength": 3}),
            "",
            "limits beside a union can't be checked before sending",
        ),
    ] {
        let body = json!({"type": "object", "properties": {"p": schema}});
        assert_eq!(
            first_problem(&document(&body)),
            format!("{REQUEST}/properties/p{place}: {message}")
        );
    }
    assert_eq!(
        first_problem(&document(&json!({"type": "string"}))),
        format!(
            "{REQUEST}: the body of a request must be an object, found {{\"type\":\"string\"}}"
        )
    );
}

#[test]
fn cycles_are_found_and_end() {
    let mut alias = document(&json!({"$ref": "#/components/schemas/A"}));
    alias["components"] = json!({"schemas": {
        "A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}
    }});
    assert_eq!(
        first_problem(&alias),
        "/components/schemas/A: refers to itself without ever describing a value: A → B → A"
    );
    let mut recursive = document(&json!({"$ref": "#/components/schemas/A"}));
    recursive["components"] = json!({"schemas": {
        "A": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}}
    }});
    assert_eq!(
        first_problem(&recursive),
        format!("{REQUEST}: the request contains itself: A → A")
    );
    // A response may contain itself: its type is boxed.
    let mut response = document(&json!({"type": "object"}));
    response["components"] = recursive["components"].clone();
    response["paths"]["/x"]["post"]["responses"]["200"]["content"]["application/json"]["schema"] =
        json!({"$ref": "#/components/schemas/A"});
    assert_eq!(check("p.json", &response), Ok(()));
}

#[test]
fn operations_that_cannot_be_taken() {
    let good = document(&json!({"type": "object"}));
    let post = "/paths/~1x/post";
    for (pointer, value, expected) in [
        (
            "/operationId",
            json!(null),
            "/operationId: no operationId, which names the method of the client",
        ),
        (
            "/operationId",
            json!("fn"),
            "/operationId: \"fn\" gives the method name \"fn\", which is not a Rust identifier",
        ),
        (
            "/requestBody/content",
            json!({"application/json": {"schema": {}}, "multipart/form-data": {"schema": {}}}),
            "/requestBody/content: the media types are application/json and multipart/form-data, expected application/json alone",
        ),
        (
            "/requestBody/content",
            json!({}),
            "/requestBody/content: no media type, expected application/json",
        ),
        (
            "/requestBody/content",
            json!({"application/json": {}}),
            "/requestBody/content/application~1json/schema: no schema, so there is no type for this body",
        ),
        (
            "/responses",
            json!({"2XX": {}}),
            "/responses/2XX: expected a status code or \"default\", found \"2XX\"",
        ),
        (
            "/responses",
            json!({"default": {}}),
            "/responses: no 2xx response; \"default\" alone does not tell success from failure",
        ),
        (
            "/operationId",
            json!("new"),
            "/operationId: \"new\" gives the method name new, which the client has already",
        ),
        (
            "/parameters",
            json!([{"in": "query"}]),
            "/parameters: not supported: [{\"in\":\"query\"}]",
        ),
        ("/servers", json!(["x"]), "/servers: not supported: [\"x\"]"),
        (
            "/summary",
            json!(7),
            ": not as OpenAPI 3.0 has it: invalid type: integer `7`, expected a string",
        ),
    ] {
        let mut document = good.clone();
        let operation = &mut document["paths"]["/x"]["post"];
        // Indexing creates what is not there yet, as /parameters.
        let place = pointer
            .split('/')
            .skip(1)
            .fold(operation, |at, key| &mut at[key]);
        *place = value;
        assert_eq!(first_problem(&document), format!("{post}{expected}"));
    }
}

#[test]
fn paths_and_parts_that_cannot_be_taken() {
    let good = document(&json!({"type": "object"}));
    for (pointer, value, expected) in [
        (
            "/paths/~1x",
            json!(7),
            "/paths/~1x: expected an object with operations, found 7",
        ),
        (
            "/paths/~1x/parameters",
            json!([]),
            "/paths/~1x/parameters: not supported: []",
        ),
        (
            "/paths/~1x/trace",
            json!({}),
            "/paths/~1x/trace: not supported: {}",
        ),
        (
            "/servers",
            json!(7),
            "/servers: not as OpenAPI 3.0 has it: invalid type: integer `7`, expected a sequence",
        ),
        (
            "/info/contact",
            json!(7),
            "/info: not as OpenAPI 3.0 has it: invalid type: integer `7`, expected struct Contact",
        ),
    ] {
        let mut document = good.clone();
        let place = pointer
            .split('/')
            .skip(1)
            .fold(&mut document, |at, key| &mut at[key.replace("~1", "/")]);
        *place = value;
        assert_eq!(first_problem(&document), expected);
    }
}

#[test]
fn a_default_response_beside_a_success_is_taken() {
    let mut document = document(&json!({"type": "object"}));
    document["paths"]["/x"]["post"]["responses"]["default"] = json!({"description": "an error"});
    assert_eq!(check("p.json", &document), Ok(()));
}
