use serde_json::{Value, json};

use super::check;
use crate::table::{json, pairs};

/// A document with one operation whose request and response contain `schema`.
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
fn rejects_unsupported_schemas() {
    let cases = r##"
{"type": "tuple"}
    /type: expected one of string, number, integer, boolean, array, object, found "tuple"
{"type": ["string", "integer"]}
    /type: expected one type; several are a union, which is anyOf, found ["string","integer"]
{"type": "string", "maxLength": -1}
    /maxLength: expected a whole number from 0, found -1
{"type": "number", "exclusiveMinimum": 1}
    /exclusiveMinimum: expected true or false, as in OpenAPI 3.0, found 1
{"const": 1}
    /const: expected nothing: OpenAPI 3.0 has no such keyword, found 1
{"type": "array"}
    : a list without items, so there is no type for its items
{"type": "object", "properties": {"a": true}}
    /properties/a: expected a schema, which is an object, found true
{"type": "object", "properties": {"a-b": {}, "a_b": {}}}
    /properties/a_b: "a_b" and "a-b" both give the Rust field a_b
{"type": "object", "required": ["a"]}
    /required: requires "a", which is not a property
{"anyOf": [{}], "oneOf": [{}]}
    : anyOf beside oneOf, which no generator takes
{"type": "string", "enum": ["a", 1]}
    /enum/1: expected a value of type string, found 1
{"type": "integer", "enum": [1, 2]}
    /enum: only strings can be enumerated in a request
{"type": "integer", "maximum": 4, "default": 5}
    /default: the default does not conform to its own schema: 5 is greater than the maximum of 4
{"type": "string", "enum": ["a b", "a-b"]}
    /enum: "a b" and "a-b" both give the Rust variant AB
{"type": "string", "enum": ["a"], "x-enum-names": {"b": "B"}}
    /x-enum-names/b: names "b", which is not a value of the enum
{"type": "string", "enum": ["a"], "x-enum-names": {"a": "a_b"}}
    /x-enum-names/a: "a_b" is not a name that a Rust variant may have
{"type": "string", "x-enum-names": {"a": "B"}}
    /x-enum-names: expected an object with a name for each of some values of the enum beside it, found {"a":"B"}
{"type": "string", "enum": ["a", "b"], "x-enum-names": {"a": "C", "b": "C"}}
    /enum: "a" and "b" both give the Rust variant C
{"type": "string", "enum": ["abc"], "maxLength": 2}
    /enum/0: the value does not conform to the schema beside it: "abc" is longer than 2 characters
{"type": "integer", "minimum": 5, "maximum": 4}
    /minimum: minimum 5 is above maximum 4, so no value is allowed
{"type": "number", "minimum": 4, "maximum": 4, "exclusiveMaximum": true}
    /minimum: minimum and maximum are 4 and one excludes it, so no value is allowed
{"type": "integer", "minimum": 1.2, "maximum": 1.8}
    /minimum: no whole number is between minimum and maximum, so no value is allowed
{"type": "integer", "minimum": 1e30}
    /minimum: the minimum is beyond 64 bits, so no value is allowed
{"type": "string", "minLength": 5, "maxLength": 4}
    /minLength: minLength 5 is above maxLength 4, so no value is allowed
{"type": "array", "items": {}, "minItems": 5, "maxItems": 4}
    /minItems: minItems 5 is above maxItems 4, so no value is allowed
{"type": "object", "properties": {"a'b": {}, "ab": {}}}
    /properties/ab: "ab" and "a'b" both give the Rust field ab
{"type": "object", "properties": {"+1": {}, "plus1": {}}}
    /properties/plus1: "plus1" and "+1" both give the Rust field plus1
{"anyOf": [{"type": "string"}, {"type": "string", "enum": ["a"]}]}
    /anyOf/1: the branches of a union in a request must have different types
{"allOf": [{"type": "object"}, {"type": "object"}]}
    /allOf: a request made of several parts can't be checked before sending
{"allOf": [{"type": "string"}], "maxLength": 3}
    /allOf: a request made of several parts can't be checked before sending
{"maxLength": 3}
    : limits without a type can't be checked before sending
{"anyOf": [{"type": "string"}], "maxLength": 3}
    : limits beside a union can't be checked before sending
"##;
    for (schema, expected) in pairs(cases) {
        let schema = json(schema);
        let body = json!({"type": "object", "properties": {"p": schema}});
        assert_eq!(
            first_problem(&document(&body)),
            format!("{REQUEST}/properties/p{expected}")
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
fn rejects_unsatisfiable_all_of() {
    let cases = r##"
[{"type": "string"}, {"type": "integer"}]
    the parts have different types
[{"$ref": "#/components/schemas/Text"}, {"type": "object"}]
    the parts have different types
[{"anyOf": [{"type": "string"}, {"type": "boolean"}]}, {"type": "integer"}]
    the parts have different types
[{"allOf": [{"$ref": "#/components/schemas/Text"}]}, {"allOf": [{"type": "array", "items": {}}]}]
    the parts have different types
[{"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b"]}]
    the parts have no value of an enum in common
[{"type": "integer", "minimum": 5}, {"type": "integer", "maximum": 4}]
    minimum 5 is above maximum 4
[{"type": "object", "properties": {"p": {"type": "string"}}}, {"type": "object", "properties": {"p": {"type": "integer"}}}]
    property p: the parts have different types
"##;
    for (parts, message) in pairs(cases) {
        let parts = json(parts);
        let mut document = document(&json!({"type": "object"}));
        document["components"] = json!({"schemas": {"Text": {"type": "string"}}});
        let response = &mut document["paths"]["/x"]["post"]["responses"]["200"];
        response["content"]["application/json"]["schema"] = json!({"allOf": parts});
        assert_eq!(
            first_problem(&document),
            format!(
                "/paths/~1x/post/responses/200/content/application~1json/schema/allOf: \
                 {message}, so no value is allowed"
            )
        );
    }
    // An integer is a number, and two parts may have the same type.
    for parts in [
        json!([{"type": "number"}, {"type": "integer", "minimum": 1}]),
        json!([{"type": "object"}, {"type": "object", "properties": {"p": {"type": "string"}}}]),
    ] {
        let mut document = document(&json!({"type": "object"}));
        let response = &mut document["paths"]["/x"]["post"]["responses"]["200"];
        response["content"]["application/json"]["schema"] = json!({"allOf": parts});
        assert_eq!(check("p.json", &document), Ok(()));
    }
    // Recursive parts end, however many properties they have.
    let properties: Value = (0..10)
        .map(|index| {
            (
                format!("p{index}"),
                json!({"allOf": [reference("A"), {"type": "object"}]}),
            )
        })
        .collect();
    let part = |name: &str| json!({"type": "object", "title": name, "properties": properties});
    let recursive = with_components(
        "A",
        json!({"A": {"allOf": [part("a"), part("b"), part("c")]}}),
    );
    assert_eq!(check("p.json", &recursive), Ok(()));
}

/// A document whose response refers to the component named `first`.
fn with_components(first: &str, components: Value) -> Value {
    let mut document = document(&json!({"type": "object"}));
    document["components"] = json!({"schemas": components});
    let response = &mut document["paths"]["/x"]["post"]["responses"]["200"];
    response["content"]["application/json"]["schema"] =
        json!({"$ref": format!("#/components/schemas/{first}")});
    document
}

fn reference(name: impl std::fmt::Display) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[test]
fn rejects_cycles_through_composition() {
    for (components, expected) in [
        (
            json!({"A": {"allOf": [reference("A"), {"type": "object"}]}}),
            "/components/schemas/A: refers to itself without ever describing a value: A → A",
        ),
        (
            json!({"A": {"oneOf": [reference("B"), {"type": "string"}]}, "B": {"anyOf": [reference("A")]}}),
            "/components/schemas/A: refers to itself without ever describing a value: A → B → A",
        ),
        (
            json!({"A": reference("B"), "B": reference("C"), "C": reference("B")}),
            "/components/schemas/B: refers to itself without ever describing a value: B → C → B",
        ),
        (
            json!({"A": {"allOf": [reference("B")], "nullable": true}, "B": {"allOf": [reference("A")]}}),
            "/components/schemas/A: refers to itself without ever describing a value: A → B → A",
        ),
    ] {
        assert_eq!(first_problem(&with_components("A", components)), expected);
    }
}

#[test]
fn long_chains_and_many_parts_terminate() {
    // Chains of 300 and 5,000: too deep for the compiler, but they must not overflow the
    // stack.
    for count in [300, 5_000] {
        let chain: Value = (0..count)
            .map(|index| {
                let inner = json!({"type": "object", "properties": {"a": reference(format!("A{}", index + 1))}});
                (format!("A{index}"), inner)
            })
            .chain([(format!("A{count}"), json!({"type": "string"}))])
            .collect();
        assert_eq!(
            first_problem(&with_components("A0", chain)),
            "/components/schemas/A0: more than 32 components refer to one another in a row"
        );
    }
    // A chain of aliases is a single schema.
    let aliases: Value = (0..300)
        .map(|index| (format!("A{index}"), reference(format!("A{}", index + 1))))
        .chain([("A300".to_owned(), json!({"type": "string"}))])
        .collect();
    assert_eq!(check("p.json", &with_components("A0", aliases)), Ok(()));
    // Each one doubles the number of parts.
    let parts: Value = (0..15)
        .map(|index| {
            let next = reference(format!("A{}", index + 1));
            (format!("A{index}"), json!({"allOf": [next, next]}))
        })
        .chain([("A15".to_owned(), json!({"type": "object"}))])
        .collect();
    assert_eq!(
        first_problem(&with_components("A0", parts)),
        "/components/schemas/A0: is made of 65535 schemas, references followed; at most 10000 are supported"
    );
}

#[test]
fn rejects_alias_cycles_and_recursive_requests() {
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
    let body = recursive["paths"]["/x"]["post"]["requestBody"].take();
    recursive["components"]["requestBodies"] = json!({"Body": body});
    recursive["paths"]["/x"]["post"]["requestBody"] =
        json!({"$ref": "#/components/requestBodies/Body"});
    assert_eq!(
        first_problem(&recursive),
        "/components/requestBodies/Body/content/application~1json/schema: the request contains \
         itself: A → A"
    );
    // Responses have no types and may be recursive, also in one of several parts.
    let own = json!({"type": "object", "properties": {"a": reference("A")}});
    for schema in [own.clone(), json!({"allOf": [own, {"type": "object"}]})] {
        let response = with_components("A", json!({"A": schema}));
        assert_eq!(check("p.json", &response), Ok(()));
    }
}

#[test]
fn rejects_unsupported_operations() {
    let good = document(&json!({"type": "object"}));
    let post = "/paths/~1x/post";
    let cases = r##"
/operationId null
    /operationId: no operationId, which names the method of the client
/operationId "é"
    /operationId: "é" gives the name ""; it must begin with a letter of a to z
/operationId "fn"
    /operationId: "fn" gives the method name "fn", which is not a Rust identifier
/requestBody/content {"application/json": {"schema": {}}, "multipart/form-data": {"schema": {}}}
    /requestBody/content: the media types are application/json and multipart/form-data, expected application/json alone
/requestBody/content {}
    /requestBody/content: no media type, expected application/json
/requestBody/content {"application/json": {}}
    /requestBody/content/application~1json/schema: no schema, so there is no type for this body
/responses {"2XX": {}}
    /responses/2XX: expected a status code or "default", found "2XX"
/responses {"default": {}}
    /responses: no 2xx response; "default" alone does not tell success from failure
/operationId "new"
    /operationId: "new" gives the method name new, which the client has already
/parameters [{"in": "query"}]
    /parameters: not supported: [{"in":"query"}]
/servers ["x"]
    /servers: not supported: ["x"]
/summary 7
    : not as OpenAPI 3.0 has it: invalid type: integer `7`, expected a string
"##;
    for (change, expected) in pairs(cases) {
        let (pointer, value) = change.split_once(' ').unwrap();
        let value = json(value);
        let mut document = good.clone();
        let operation = &mut document["paths"]["/x"]["post"];
        // Indexing creates missing members, such as /parameters.
        let place = pointer
            .split('/')
            .skip(1)
            .fold(operation, |at, key| &mut at[key]);
        *place = value;
        assert_eq!(first_problem(&document), format!("{post}{expected}"));
    }
}

#[test]
fn rejects_unsupported_paths_and_documents() {
    let good = document(&json!({"type": "object"}));
    let cases = r##"
/paths/~1x 7
    /paths/~1x: expected an object with operations, found 7
/paths/~1x/parameters []
    /paths/~1x/parameters: not supported: []
/paths/~1x/trace {}
    /paths/~1x/trace: not supported: {}
/paths/x {"get": {}}
    /paths/x: expected a path that starts with "/", found "x"; its operations would be left out
/paths/~1y?z=1 {}
    /paths/~1y?z=1: the path contains '?', which no path of a URL can
/servers [{"url": "https://example.com"}, {"url": "https://example.com/v1/"}]
    /servers/1/url: not supported: a server with a base path, "/v1"; requests would be sent without it
/servers [{"url": "/v1"}]
    /servers/0/url: not supported: a server with a base path, "/v1"; requests would be sent without it
/servers [{"url": "https://example.com"}, {"url": "//example.com"}, {"url": "v1/"}]
    /servers/2/url: not supported: a server with a base path, "v1"; requests would be sent without it
/servers [{"url": "https://{region}.example.com"}]
    /servers/0/url: not supported: variables in the URL of a server, "https://{region}.example.com"
/paths/~1x/post/responses {"201": {"description": "made"}}
    /paths/~1x/post/responses/201/content: the 201 response has no content, so there is nothing to decode
/servers 7
    /servers: not as OpenAPI 3.0 has it: invalid type: integer `7`, expected a sequence
/info/contact 7
    /info: not as OpenAPI 3.0 has it: invalid type: integer `7`, expected struct Contact
"##;
    for (change, expected) in pairs(cases) {
        let (pointer, value) = change.split_once(' ').unwrap();
        let value = json(value);
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
fn accepts_default_response_beside_success() {
    let mut document = document(&json!({"type": "object"}));
    document["paths"]["/x"]["post"]["responses"]["default"] = json!({"description": "an error"});
    assert_eq!(check("p.json", &document), Ok(()));
}
