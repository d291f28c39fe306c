use serde_json::{Value, json};

use crate::{
    Input, Inputs, Outputs, generate,
    surface::{Changes, Surface},
    table::{json, pairs},
};

const SCHEMA: &str = "/paths/~1images/post/requestBody/content/application~1json/schema";

/// The document of a page; its requests have a model, a prompt and the given properties.
fn page(name: &str, model: &str, properties: Value) -> Value {
    let mut schema = json!({"type": "object", "required": ["model", "prompt"], "properties": {
        "model": {"type": "string", "enum": [model]}, "prompt": {"type": "string"}
    }});
    for (name, property) in properties.as_object().unwrap() {
        schema["properties"][name] = property.clone();
    }
    let response = json!({"type": "object", "description": name, "properties": {
        "url": {"type": "string", "description": name, "example": name}
    }});
    json!({
        "openapi": "3.0.0", "info": {"title": "t", "version": "1"},
        "paths": {"/images": {"post": {
            "operationId": "makeImage",
            "x-codeSamples": [name],
            "requestBody": {"required": true, "content": {"application/json": {"schema": schema}}},
            "responses": {"200": {"description": name, "content": {"application/json": {"schema": response}}}}
        }}}
    })
}

fn edit_page(name: &str, model: &str) -> Value {
    let mut document = page(
        name,
        model,
        json!({
            "image_url": {"type": "string", "format": "uri"},
            "num_images": {"type": "integer", "minimum": 1, "maximum": 4}
        }),
    );
    document.pointer_mut(SCHEMA).unwrap()["x-component"] = json!("EditRequest");
    document
}

fn draw_page() -> Value {
    let mut document = page(
        "draw",
        "maker/draw",
        json!({"size": {"type": "string", "enum": ["1:1"]}}),
    );
    document.pointer_mut(SCHEMA).unwrap()["x-component"] = json!("DrawRequest");
    document
}

/// The three pages that most tests start with, with the stems of their files.
fn three() -> Vec<(&'static str, Value)> {
    vec![
        ("edit-one", edit_page("one", "maker/one/edit")),
        ("edit-two", edit_page("two", "maker/two/edit")),
        ("draw", draw_page()),
    ]
}

fn made(pages: &[(&str, Value)]) -> Result<Outputs, String> {
    let published = pages.iter().map(|(stem, document)| Input {
        file: format!("openapi/published/{stem}.json"),
        text: document.to_string(),
    });
    let inputs = Inputs {
        published: published.collect(),
        overlays: Vec::new(),
    };
    generate(&inputs).map_err(|problems| problems.to_string())
}

fn rust(outputs: &Outputs) -> &str {
    let file = outputs.files.iter().find(|one| one.file.ends_with(".rs"));
    &file.unwrap().text
}

/// Rust without whitespace and trailing commas, which depend on the line length.
fn dense(outputs: &Outputs) -> String {
    let dense: String = rust(outputs).split_whitespace().collect();
    dense.replace(",)", ")")
}

fn changes(old: &[(&str, Value)], new: &[(&str, Value)]) -> Changes {
    let surface = |pages| {
        let outputs = made(pages).unwrap();
        // It is taken before printing; codegen parses the surface of the file on disk.
        assert_eq!(outputs.surface, Surface::parse(rust(&outputs)).unwrap());
        outputs.surface
    };
    surface(old).changes(&surface(new))
}

/// The problem when the second of three pages is changed.
fn problem(change: impl FnOnce(&mut Value)) -> String {
    let mut pages = three();
    change(&mut pages[1].1);
    made(&pages).unwrap_err()
}

#[test]
fn request_body_is_union_discriminated_by_model() {
    let outputs = made(&three()).unwrap();
    let body = outputs.effective.pointer(SCHEMA).unwrap();
    assert_eq!(
        body["discriminator"],
        json!({"propertyName": "model", "mapping": {
            "maker/draw": "#/components/schemas/DrawRequest",
            "maker/one/edit": "#/components/schemas/EditOneRequest",
            "maker/two/edit": "#/components/schemas/EditTwoRequest"
        }})
    );
    assert_eq!(body["oneOf"].as_array().unwrap().len(), 3);
    let rust = dense(&outputs);
    for part in [
        "pubenumMakeImageRequest{///Arequestforoneof[`DrawModel`].Draw(DrawRequest),///Arequestforoneof[`EditModel`].Edit(EditRequest),}",
        "pubconstALL:&'static[Self]=&[Self::MakerOneEdit,Self::MakerTwoEdit];",
        "Some(\"maker/one/edit\"|\"maker/two/edit\")=>{::serde_json::from_value(request).map(Self::Edit)}",
        "body:&'acrate::types::MakeImageRequest",
        "implFrom<EditRequest>forMakeImageRequest",
    ] {
        assert!(rust.contains(part), "{part}");
    }
    assert!(!rust.contains("deny_unknown_fields"));
    let unnamed: Vec<&str> = outputs
        .unnamed
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(unnamed, ["DrawRequestSize"]);
}

#[test]
fn effective_document_generates_same_types() {
    let outputs = made(&three()).unwrap();
    let again = made(&[("effective", outputs.effective.clone())]).unwrap();
    let body = |text: &str| text.split_once("pub mod types").unwrap().1.to_owned();
    assert_eq!(body(rust(&outputs)), body(rust(&again)));
    assert_eq!(outputs.contract, again.contract);
}

#[test]
fn new_page_adds_struct_and_variant_without_renames() {
    let flux = page(
        "flux",
        "maker/flux-2",
        json!({
            "image_size": {"anyOf": [
                {"type": "object", "required": ["width"], "properties": {"width": {"type": "integer", "minimum": 256}}},
                {"type": "string", "enum": ["square"]}
            ]},
            "num_images": {"type": "number", "minimum": 1, "maximum": 8}
        }),
    );
    let gpt = page(
        "gpt",
        "openai/gpt-image",
        json!({
            "n": {"type": "integer", "minimum": 1, "maximum": 10},
            "size": {"type": "string", "enum": ["1024x1024", "auto"]}
        }),
    );
    for (fifth, name, added) in [
        (
            flux,
            "flux-2",
            "+ types::Flux2Model\n+ types::Flux2Request\n+ types::Flux2RequestImageSize\n",
        ),
        (
            gpt,
            "gpt-image",
            "+ types::GptImageModel\n+ types::GptImageRequest\n+ types::GptImageRequestSize\n",
        ),
    ] {
        let mut five = three();
        five.push((name, fifth));
        let changes = changes(&three(), &five);
        let changes_text = changes.to_string();
        assert_eq!(
            (changes.removed, changes.changed),
            (vec![], vec![]),
            "{changes_text}"
        );
        assert!(changes_text.contains(added), "{changes_text}");
        let variants = changes_text.matches("+ types::MakeImageRequest::").count();
        assert_eq!(variants, 1, "{changes_text}");
        // The price is known, whatever name the page uses for the number of images.
        let count = match name {
            "flux-2" => "Self::Flux2(request)=>{request.num_images.map(|count|count.ceil()asu64)}",
            _ => "Self::GptImage(request)=>request.n",
        };
        assert!(dense(&made(&five).unwrap()).contains(count), "{name}");
        // The hashes of the other pages, and so their recordings, don't change.
        let hashes = |pages: &[(&str, Value)]| {
            let contract = made(pages).unwrap().contract;
            let hashes = contract["operations"][0]["request"]["sha256"].as_object();
            hashes.unwrap().clone()
        };
        let (three, five) = (hashes(&three()), hashes(&five));
        assert_eq!((three.len(), five.len()), (3, 4));
        assert!(three.iter().all(|(model, hash)| five[model] == *hash));
        assert_ne!(three["maker/one/edit"], three["maker/draw"]);
    }
}

#[test]
fn folded_page_adds_only_its_model() {
    let mut four = three();
    four.push(("edit-three", edit_page("three", "maker/three/edit")));
    assert_eq!(
        changes(&three(), &four).to_string(),
        "+ types::EditModel::MakerThreeEdit"
    );
}

#[test]
fn limits_depend_on_model() {
    let mut pages = three();
    let schema = pages[1].1.pointer_mut(SCHEMA).unwrap();
    schema["properties"]["num_images"]["maximum"] = json!(2);
    schema["properties"]["prompt"]["maxLength"] = json!(9);
    schema["properties"]
        .as_object_mut()
        .unwrap()
        .remove("image_url");
    let outputs = made(&pages).unwrap();
    let rust = dense(&outputs);
    for part in [
        "matchmodel.map(|model|model.as_str()){Some(\"maker/one/edit\")=>{check.optional(\"num_images\",num_images,|value,check|{check.whole_number(*value).at_least(1).at_most(4);});}Some(\"maker/two/edit\")=>{check.optional(\"num_images\",num_images,|value,check|{check.whole_number(*value).at_least(1).at_most(2);});}_=>{}}",
        "Some(\"maker/two/edit\")=>{check.not_taken(\"image_url\",image_url,model.map(|model|model.as_str()));}",
        "Limits:atleast1,atmost4(maker/one/edit);atleast1,atmost2(maker/two/edit).",
        // Properties of other structs are checked, even if set by name in `extra`.
        "check.not_taken(\"size\",extra.get(\"size\"),model.map(|model|model.as_str()));",
        "check.not_of(value.as_str(),&[\"maker/draw\"])",
    ] {
        assert!(rust.contains(part), "{part}");
    }
}

#[test]
fn contract_rejects_properties_of_other_pages() {
    let contract = made(&three()).unwrap().contract;
    let operation = &contract["operations"][0];
    let mut schema = operation["request"]["content"]["application/json"].clone();
    schema["$defs"] = operation["$defs"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (more, is_valid) in [
        (json!({}), true),
        (json!({"size": "1:1"}), true),
        (json!({"other": 1}), true),
        (json!({"image_url": "https://example.com/"}), false),
        (json!({"num_images": 1}), false),
        (json!({"model": "maker/two/edit", "num_images": 5}), false),
        (json!({"model": "maker/unknown"}), false),
    ] {
        let mut request = json!({"model": "maker/draw", "prompt": "p"});
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_eq!(validator.is_valid(&request), is_valid, "{request}");
    }
}

#[test]
fn conflicting_pages_are_reported_with_both_places() {
    let post = "/paths/~1images/post";
    let cases = r##"
responses/200/content/application~1json/schema/properties/url/type "integer"
    "integer" differs from "string"
responses/404 {"description": "none"}
    {"description":"none"} differs from nothing
security [{"key": []}]
    [{"key":[]}] differs from nothing
operationId "other"
    "other" differs from "makeImage"
requestBody/required false
    false differs from true
"##;
    for (change, message) in pairs(cases) {
        let (place, value) = change.split_once(' ').unwrap();
        let error = problem(|document| {
            let scheme = json!({"type": "http", "scheme": "bearer"});
            document["components"] = json!({"securitySchemes": {"key": scheme}});
            let at = format!("{post}/{place}");
            let (parent, name) = at.rsplit_once('/').unwrap();
            document.pointer_mut(parent).unwrap()[name] = json(value);
        });
        let start = format!(
            "openapi/published/edit-two.json: {post}/{place}: {message} at {post}/{place} of \
             openapi/published/edit-one.json\n"
        );
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn folded_types_must_be_equal() {
    let properties = format!("{SCHEMA}/properties");
    let cases = r##"
num_images {"type": "number"}
    num_images/type: "number" differs from "integer"
# Unsigned and signed are two types.
num_images {"type": "integer"}
    num_images: {"type":"integer"} differs from
image_url {"type": "string"}
    image_url/format: nothing differs from "uri"
"##;
    for (change, message) in pairs(cases) {
        let (name, schema) = change.split_once(' ').unwrap();
        let (place, _) = message.split_once(':').unwrap();
        let error =
            problem(|document| document.pointer_mut(&properties).unwrap()[name] = json(schema));
        let start = format!("openapi/published/edit-two.json: {properties}/{message}");
        assert!(error.starts_with(&start), "{error}");
        let end = format!(
            "at {properties}/{place} of openapi/published/edit-one.json, which folds into EditRequest, too"
        );
        assert!(error.contains(&end), "{error}");
    }
    // Equal pages are only folded if an overlay gives them one name.
    let mut pages = three();
    pages[1]
        .1
        .pointer_mut(SCHEMA)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("x-component");
    assert!(rust(&made(&pages).unwrap()).contains("pub struct EditTwoRequest {"));
}

#[test]
fn pages_without_distinct_models_are_rejected() {
    let model = format!("{SCHEMA}/properties/model");
    let cases = r##"
{"type": "string"}
    nothing tells its requests apart: expected a required property model
{"type": "string", "enum": ["maker/one/edit"]}
    "maker/one/edit" is a model of
{"type": "string", "enum": ["a"], "x-component": "Model"}
    the enum of models is named after the struct of the page
{"type": "string", "enum": ["maker/one/edit", "maker/one.edit"]}
    both give the Rust variant MakerOneEdit
"##;
    for (change, message) in pairs(cases) {
        let error = problem(|document| *document.pointer_mut(&model).unwrap() = json(change));
        assert!(error.contains(message), "{error}");
        assert!(
            error.starts_with("openapi/published/edit-two.json: "),
            "{error}"
        );
    }
    let twice = [("openapi/described/a", draw_page()), ("a", draw_page())];
    let inputs = twice.map(|(file, document)| Input {
        file: format!("{file}.json"),
        text: document.to_string(),
    });
    let inputs = Inputs {
        published: inputs.to_vec(),
        overlays: Vec::new(),
    };
    let error = generate(&inputs).unwrap_err().to_string();
    assert!(
        error.starts_with("a.json: openapi/described/a.json is the same page"),
        "{error}"
    );
}

#[test]
fn shared_components_must_be_equal() {
    let with = |document: &mut Value, kind: &str| {
        document["components"] = json!({"schemas": {"Size": {"type": "string", "enum": [kind]}}});
        let properties = document
            .pointer_mut(&format!("{SCHEMA}/properties"))
            .unwrap();
        properties["size"] = json!({"$ref": "#/components/schemas/Size"});
    };
    let pages = |other: &str| {
        let mut pages = three();
        with(&mut pages[0].1, "small");
        with(&mut pages[1].1, other);
        made(&pages)
    };
    assert!(pages("small").is_ok());
    let error = pages("large").unwrap_err();
    let start = "openapi/published/edit-two.json: /components/schemas/Size/enum: [\"large\"] differs from [\"small\"] at /components/schemas/Size/enum of openapi/published/edit-one.json\n";
    assert!(error.starts_with(start), "{error}");
}
