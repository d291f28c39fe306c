use serde_json::{Value, json};

use super::View;
use crate::{Input, Problems, effective::effective};

/// The view of a document with one operation.
fn of(request: Value, components: Value) -> View {
    view(&document(request, components)).unwrap()
}

fn view(document: &Value) -> Result<View, Problems> {
    let input = Input {
        file: "openapi/published/p.json".to_owned(),
        text: document.to_string(),
    };
    super::view(&effective(&[input], &[]).unwrap())
}

fn document(request: Value, components: Value) -> Value {
    // A request could not have this property.
    let response = object(json!({"extra": {"type": "string", "enum": ["a"]}}));
    json!({
        "openapi": "3.0.0", "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://example.com"}],
        "paths": {"/x": {"post": {
            "operationId": "makeThing",
            "security": [{"key": []}],
            "requestBody": {"content": {"application/json": {"schema": request}}},
            "responses": {
                "201": {"description": "made", "content": {"application/json": {"schema": response}}},
                "400": {"description": "wrong", "content": {"application/json": {"schema": {}}}},
                "default": {"description": "other"}
            }
        }}},
        "components": {"schemas": components, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    })
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

/// The view of a property of a request.
fn sent(schema: Value) -> Value {
    let view = of(object(json!({"p": schema})), json!({}));
    view.document["components"]["schemas"]["MakeThingRequest"]["properties"]["p"].clone()
}

#[test]
fn success_becomes_bytes_and_errors_are_dropped() {
    let view = of(object(json!({})), json!({}));
    assert_eq!(
        view.document["paths"]["/x"]["post"],
        json!({
            "operationId": "makeThing",
            "requestBody": {"required": true, "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/MakeThingRequest"}
            }}},
            "responses": {"201": {"description": "made", "content": {"application/octet-stream": {
                "schema": {"type": "string", "format": "binary"}
            }}}}
        })
    );
    assert!(view.document.get("servers").is_none());
    // Inline bodies are named after their operation. Responses have no types.
    let names: Vec<_> = view.document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(names, ["MakeThingRequest"]);
}

#[test]
fn drops_defaults_limits_titles_and_extensions() {
    assert_eq!(
        sent(json!({
            "type": "string", "default": "a", "minLength": 1, "maxLength": 2, "pattern": "a",
            "title": "T", "example": "a", "x-note": 1, "description": "A <b>."
        })),
        json!({"type": "string", "description": "A &lt;b>."})
    );
    assert_eq!(
        sent(json!({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2})),
        json!({"type": "array", "items": {"type": "boolean"}})
    );
    assert_eq!(
        sent(json!({"type": "string", "format": "uri", "maxLength": 9})),
        json!({"type": "string", "format": "uri"})
    );
}

#[test]
fn integers_are_64_bit() {
    for (schema, format) in [
        (
            json!({"type": "integer", "minimum": 1, "maximum": 4}),
            "uint64",
        ),
        (
            json!({"type": "integer", "minimum": -1, "format": "int32"}),
            "int64",
        ),
        (json!({"type": "integer"}), "int64"),
    ] {
        assert_eq!(sent(schema), json!({"type": "integer", "format": format}));
    }
}

#[test]
fn objects_keep_unknown_properties() {
    let shared = json!({"Shared": object(json!({"a": {}})), "Unused": {}});
    let request = object(json!({"s": {"$ref": "#/components/schemas/Shared"}}));
    let view = of(request, shared);
    let schemas = &view.document["components"]["schemas"];
    for name in ["MakeThingRequest", "Shared"] {
        assert_eq!(schemas[name]["additionalProperties"], json!({}), "{name}");
    }
    assert!(schemas.get("Unused").is_none());
    // typify would drop unknown members if this is `true` or `false`.
    for closed in [true, false] {
        let mut object = object(json!({}));
        object["additionalProperties"] = json!(closed);
        let view = of(object, json!({}));
        let request = &view.document["components"]["schemas"]["MakeThingRequest"];
        assert_eq!(request["additionalProperties"], json!({}));
    }
}

#[test]
fn enums_are_typed() {
    let values = json!({"type": "string", "enum": ["a", "b"], "default": "a", "x-enum-names": {"b": "Best"}});
    let view = of(object(json!({"look": values})), json!({}));
    let named = |value: &str, name: &str| (value.to_owned(), name.to_owned());
    assert_eq!(
        view.enums["MakeThingRequestLook"].values,
        [named("a", "A"), named("b", "Best")]
    );
    assert_eq!(
        view.document["components"]["schemas"]["MakeThingRequest"]["properties"]["look"],
        json!({"$ref": "#/components/schemas/MakeThingRequestLook"})
    );
}

#[test]
fn inline_schemas_are_named_after_their_place() {
    let request = object(json!({
        "a": object(json!({"b": {"type": "array", "items": object(json!({"c": {}}))}})),
        "u": {"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["x"]}]}
    }));
    let view = of(request, json!({}));
    let objects: Vec<_> = view.sent.keys().collect();
    assert_eq!(
        objects,
        [
            "MakeThingRequest",
            "MakeThingRequestA",
            "MakeThingRequestAbItem",
            "MakeThingRequestU"
        ]
    );
    // Named by type, not position: inserting a branch renames nothing.
    assert!(view.enums.contains_key("MakeThingRequestUString"));
}

#[test]
fn duplicate_type_names_are_rejected() {
    let values = |value: &str| json!({"type": "string", "enum": [value]});
    let error = |request: Value, components: Value| {
        view(&document(request, components)).unwrap_err().0[0].to_string()
    };
    let twice = object(json!({"a": object(json!({"b": values("x")})), "a_b": values("y")}));
    assert!(error(twice, json!({})).starts_with(
        "openapi/published/p.json: /paths/~1x/post/requestBody/content/application~1json/schema/properties/a_b: \
         would be named MakeThingRequestAb, as /paths/~1x/post/requestBody/content/application~1json/schema/properties/a/properties/b is"
    ));
    let taken = json!({"MakeThingRequestA": {"type": "string"}});
    let both = json!({"a": values("x"), "b": {"$ref": "#/components/schemas/MakeThingRequestA"}});
    assert!(error(object(both), taken).contains("would be named MakeThingRequestA, as"));
    assert!(
        error(object(json!({"builder": values("x")})), json!({}))
            .contains("would be named MakeThingRequestBuilder, which no type may have")
    );
}

#[test]
fn extra_is_rejected_as_property_name() {
    let error = view(&document(object(json!({"Extra": {}})), json!({}))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "openapi/published/p.json: /paths/~1x/post/requestBody/content/application~1json/schema/properties/Extra: \
         a field of this name holds the members that have no property\n  \
         help: remove the property with an overlay; it is then one of them"
    );
}
