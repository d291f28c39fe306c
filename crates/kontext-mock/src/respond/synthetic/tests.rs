#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonschema::Validator;
use proptest::{option, prelude::*};
use serde_json::{Value, json};
use strum::VariantArray as _;

use super::{Generate, PICTURES_PATH, Shape, answer, image_count};
use crate::{
    contract::{Contract, Operation},
    respond::picture::{Format, Picture, Size},
};
use kontext_recording::{Canonical, readable};

const BASE_URL: &str = "http://127.0.0.1:4010";

fn generated(request: &str, settings: Generate) -> String {
    let canonical = readable(Canonical::of(request).unwrap().marked());
    let value: Value = serde_json::from_str(request).unwrap();
    let takes_images = value.get("image_url").is_some();
    let body = answer(&value, takes_images, &settings, &canonical, BASE_URL).unwrap();
    String::from_utf8(body).unwrap()
}

fn generated_json(request: &str, settings: Generate) -> Value {
    serde_json::from_str(&generated(request, settings)).unwrap()
}

fn request(change: &Value) -> String {
    let mut request = json!({
        "model": "flux/kontext-pro/image-to-image",
        "prompt": "Add a bird.",
        "image_url": "https://example.com/t-rex.png",
    });
    for (key, value) in change.as_object().unwrap() {
        request[key] = value.clone();
    }
    request.to_string()
}

fn operation(contract: &Contract) -> &Operation {
    contract
        .operation("POST", "/v1/images/generations")
        .unwrap()
}

/// The strict schema of a successful response.
fn success(operation: &Operation) -> &Validator {
    let closed = &operation.response(200).unwrap()["application/json"];
    closed.validator().unwrap()
}

/// The URLs of the response's pictures, which are the same in both of its lists.
fn urls(answer: &Value) -> Vec<String> {
    let of = |list: &str| -> Option<Vec<String>> {
        let images = answer.get(list)?.as_array().unwrap().iter();
        Some(
            images
                .map(|image| image["url"].as_str().unwrap().to_owned())
                .collect(),
        )
    };
    match (of("images"), of("data")) {
        (Some(images), Some(data)) => {
            assert_eq!(images, data);
            images
        }
        (images, data) => images.or(data).expect("images or data"),
    }
}

fn pictures(answer: &Value) -> Vec<Picture> {
    let prefix = format!("{BASE_URL}{PICTURES_PATH}");
    urls(answer)
        .iter()
        .map(|url| Picture::from_file_name(url.strip_prefix(&prefix).unwrap()).unwrap())
        .collect()
}

/// A request that the contract allows, as text, and what to expect in the response.
#[derive(Debug)]
struct Asked {
    text: String,
    count: usize,
    size: Size,
    format: Format,
    seed: Option<String>,
    prompt: String,
}

prop_compose! {
    fn asked()(
        prompt in "\\PC{0,200}|.{0,50}",
        model in prop::sample::select(vec!["flux/kontext-pro/", "flux/kontext-max/"]),
        // Without an image, the picture is generated from text alone.
        image_url in option::weighted(0.7, prop_oneof![
            Just(json!("https://example.com/a.png")),
            Just(json!("data:image/png;base64,iVBORw0KGgo=")),
            (1..=4usize).prop_map(|count| json!(vec!["https://example.com/a?b=c"; count])),
        ]),
        // As text, because a `Value` does not keep a number's notation.
        num_images in option::of((1..=4usize, prop::sample::select(vec!["", ".0", "e0"]))),
        seed in option::of(prop_oneof![
            "[1-9][0-9]{0,19}",
            "[1-9][0-9]{20,60}",
            Just("3959063143".to_owned()),
            Just("18446744073709551617".to_owned()),
        ]),
        ratio in option::of(prop::sample::select(vec![
            "21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21",
        ])),
        format in option::of(prop::sample::select(Format::VARIANTS)),
        guidance_scale in option::of(1.0..20.0f64),
        safety_tolerance in option::of("[1-6]"),
        unknown in option::of(any::<i64>()),
    ) -> Asked {
        let (kind, default) = match &image_url {
            Some(_) => ("image-to-image", Size::DEFAULT),
            None => ("text-to-image", Size::new(1024, 1024).unwrap()),
        };
        let mut members = vec![
            format!(r#""model":"{model}{kind}""#),
            format!(r#""prompt":{}"#, json!(prompt)),
        ];
        let mut add = |key: &str, value: Option<String>| {
            members.extend(value.map(|value| format!("\"{key}\":{value}")));
        };
        add("image_url", image_url.map(|url| url.to_string()));
        add("num_images", num_images.map(|(count, end)| format!("{count}{end}")));
        add("seed", seed.clone());
        add("aspect_ratio", ratio.map(|ratio| json!(ratio).to_string()));
        add("output_format", format.map(|format| json!(<&str>::from(format)).to_string()));
        add("guidance_scale", guidance_scale.map(|scale| json!(scale).to_string()));
        add("safety_tolerance", safety_tolerance.map(|level| json!(level).to_string()));
        add("unknown", unknown.map(|value| value.to_string()));
        Asked {
            text: format!("{{{}}}", members.join(",")),
            count: num_images.map_or(1, |(count, _)| count),
            size: ratio.map_or(default, |ratio| Size::of_ratio(ratio).unwrap()),
            format: format.unwrap_or(Format::Jpeg),
            seed,
            prompt,
        }
    }
}

#[test]
fn synthetic_answers_satisfy_contract() {
    let contract = Contract::embedded().unwrap();
    let operation = operation(&contract);
    let (request, closed) = (operation.request().unwrap(), success(operation));
    // Without [`Shape::B64`], because drawing the images is slow.
    let settings = (any::<u64>(), prop::sample::select(&Shape::ALL[..3]));
    proptest!(|(asked in asked(), (seed, shape) in settings)| {
        let body = serde_json::from_str(&asked.text).unwrap();
        prop_assert!(request.page(&body).unwrap().open.is_valid(&body));
        let settings = Generate { seed, shape };
        let text = generated(&asked.text, settings);
        prop_assert_eq!(&text, &generated(&asked.text, settings));
        let answer: Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<_> = closed.iter_errors(&answer).map(|error| error.to_string()).collect();
        prop_assert!(errors.is_empty(), "{}: {:?}", text, errors);

        let pictures = pictures(&answer);
        prop_assert_eq!(pictures.len(), asked.count);
        let distinct: BTreeSet<_> = urls(&answer).into_iter().collect();
        prop_assert_eq!(distinct.len(), asked.count);
        for picture in &pictures {
            prop_assert_eq!((picture.size, picture.format), (asked.size, asked.format));
        }
        prop_assert_eq!(answer.get("images").is_some(), shape != Shape::Data);
        prop_assert_eq!(answer.get("data").is_some(), shape != Shape::Images);
        if shape != Shape::Data {
            for (image, picture) in answer["images"].as_array().unwrap().iter().zip(&pictures) {
                prop_assert_eq!(&image["width"], &json!(asked.size.width));
                prop_assert_eq!(&image["height"], &json!(asked.size.height));
                prop_assert_eq!(&image["content_type"], asked.format.content_type());
                prop_assert_eq!(&image["file_name"], &json!(picture.file_name()));
            }
            prop_assert_eq!(&answer["prompt"], &json!(asked.prompt));
            match &asked.seed {
                Some(seed) => {
                    let spelled = format!("\"seed\":{},", spelled_canonically(seed));
                    prop_assert!(text.contains(&spelled), "{} {}", spelled, text);
                }
                None => prop_assert!((1..=u64::from(u32::MAX)).contains(&answer["seed"].as_u64().unwrap())),
            }
        }
    });
}

/// The canonical form, in which 1 followed by many zeros has an exponent.
fn spelled_canonically(number: &str) -> String {
    readable(Canonical::of(number).unwrap().marked())
}

#[test]
fn answer_validation_detects_errors() {
    let contract = Contract::embedded().unwrap();
    let closed = success(operation(&contract));
    let answer = generated_json(&request(&json!({})), Generate::default());
    assert!(closed.is_valid(&answer));
    for (pointer, key, value) in [
        ("", "created", json!(1)),
        ("", "seed", json!(1.5)),
        ("/images/0", "size", json!("1024x1024")),
        ("/images/0", "width", json!("1024")),
    ] {
        let mut wrong = answer.clone();
        wrong.pointer_mut(pointer).unwrap()[key] = value;
        assert!(!closed.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn answers_have_documented_shapes() {
    let request = request(&json!({"num_images": 3, "seed": 7, "aspect_ratio": "21:9"}));
    let answer = |shape| generated(&request, Generate::default().with_shape(shape));
    let [images, data, both, _] = Shape::ALL.map(answer);
    let file = |index: usize| {
        let file_name = urls(&serde_json::from_str(&images).unwrap())[index]
            .rsplit_once('/')
            .map(|(_, name)| name.to_owned())
            .unwrap();
        let url = format!("{BASE_URL}/__mock/files/generated/{file_name}");
        (url, file_name)
    };
    let image = |(url, name): (String, String)| {
        format!(
            r#"{{"url":"{url}","content_type":"image/jpeg","file_name":"{name}","file_size":null,"width":1568,"height":672}}"#
        )
    };
    let datum = |(url, _): (String, String)| format!(r#"{{"url":"{url}","b64_json":null}}"#);
    let list = |entry: &dyn Fn((String, String)) -> String| {
        [0, 1, 2].map(|index| entry(file(index))).join(",")
    };
    let images_part = format!(
        r#""images":[{}],"timings":{{}},"seed":7,"has_nsfw_concepts":[false,false,false],"prompt":"Add a bird.""#,
        list(&image)
    );
    let data_part = format!(
        r#""data":[{}],"meta":{{"usage":{{"credits_used":273000,"usd_spent":0.1365}}}},"model":"flux/kontext-pro/image-to-image""#,
        list(&datum)
    );
    assert_eq!(images, format!("{{{images_part}}}"));
    assert_eq!(data, format!("{{{data_part}}}"));
    assert_eq!(both, format!("{{{images_part},{data_part}}}"));
}

#[test]
fn prompt_seed_and_settings_change_pictures() {
    let first = |change: Value, settings: Generate| {
        pictures(&generated_json(&request(&change), settings))[0].seed
    };
    let mut seen = BTreeSet::new();
    for (change, seed) in [
        (json!({}), 0),
        (json!({}), 1),
        (json!({"prompt": "Add a bird!"}), 0),
        (json!({"prompt": "add a bird."}), 0),
        (json!({"seed": 1}), 0),
        (json!({"seed": 2}), 0),
        (json!({"image_url": "https://example.com/mug.png"}), 0),
        (json!({"image_url": ["https://example.com/t-rex.png"]}), 0),
        (json!({"guidance_scale": 3.5}), 0),
    ] {
        let settings = Generate::default().with_seed(seed);
        assert_eq!(
            first(change.clone(), settings),
            first(change.clone(), settings)
        );
        assert!(
            seen.insert(first(change.clone(), settings)),
            "{change} {seed}"
        );
    }
}

#[test]
fn equal_requests_get_equal_answers() {
    let settings = Generate::default().with_shape(Shape::Both);
    assert_eq!(
        generated(r#"{"prompt":"a\u0062","num_images":2,"seed":70}"#, settings),
        generated(
            r#"{ "seed": 7.0e1, "num_images": 2.0, "prompt": "ab" }"#,
            settings
        ),
    );
}

#[test]
fn shape_changes_neither_seed_nor_pictures() {
    let [images, data, both, b64] = Shape::ALL.map(|shape| {
        generated_json(
            &request(&json!({"num_images": 2})),
            Generate::default().with_shape(shape),
        )
    });
    assert_eq!(images["seed"], both["seed"]);
    assert_eq!(urls(&images), urls(&both));
    assert_eq!(urls(&images), urls(&data));
    for (index, url) in urls(&images).iter().enumerate() {
        let (_, name) = url.rsplit_once('/').unwrap();
        let picture = Picture::from_file_name(name).unwrap().render().unwrap();
        let datum = &b64["data"][index];
        assert_eq!(datum["b64_json"], STANDARD.encode(picture));
        assert_eq!((&datum["url"], b64.get("images")), (&Value::Null, None));
    }
}

#[test]
fn non_integer_seeds_are_replaced() {
    for (seed, stated) in [
        ("7", Some("7")),
        ("7.0", Some("7")),
        ("0.7e1", Some("7")),
        ("0", Some("0")),
        ("18446744073709551617", Some("18446744073709551617")),
        ("1e30", Some("1e30")),
        ("7.5", None),
        ("1e-30", None),
        ("-7", None),
        ("\"7\"", None),
        ("null", None),
        ("[7]", None),
        ("true", None),
    ] {
        let text = generated(
            &format!(r#"{{"prompt":"a","seed":{seed}}}"#),
            Generate::default(),
        );
        let (_, rest) = text.split_once("\"seed\":").unwrap();
        let (spelled, _) = rest.split_once(',').unwrap();
        match stated {
            Some(stated) => assert_eq!(spelled, stated),
            None => {
                let derived: u64 = spelled.parse().expect(&text);
                assert!((1..=u64::from(u32::MAX)).contains(&derived), "{text}");
                assert_ne!(spelled, "7");
            }
        }
    }
}

#[test]
fn unvalidated_request_still_gets_valid_answer() {
    let contract = Contract::embedded().unwrap();
    let closed = success(operation(&contract));
    let odd = [
        "null", "true", "-1", "0", "1.5", "5", "1e300", "\"\"", "\"a\"", "[]", "{}",
    ];
    let keys = [
        "model",
        "prompt",
        "num_images",
        "seed",
        "aspect_ratio",
        "output_format",
        "image_url",
    ];
    let requests = odd
        .iter()
        .flat_map(|odd| keys.map(|key| format!("{{\"{key}\":{odd}}}")))
        .chain(odd.map(str::to_owned));
    for request in requests {
        let answer = generated_json(&request, Generate::default().with_shape(Shape::Both));
        assert!(closed.is_valid(&answer), "{request} {answer}");
        assert_eq!(pictures(&answer).len(), 1, "{request}");
    }
    let unreadable = answer(
        &json!({"seed": 9}),
        true,
        &Generate::default(),
        "no JSON",
        BASE_URL,
    );
    let unreadable: Value = serde_json::from_slice(&unreadable.unwrap()).unwrap();
    assert_eq!(unreadable["seed"], 9);
}

#[test]
fn invalid_image_count_means_one() {
    for (asked, count) in [
        (json!(1), 1),
        (json!(4), 4),
        (json!(2.0), 2),
        (json!(2.5), 1),
        (json!(0), 1),
        (json!(5), 1),
        (json!("2"), 1),
        (json!(null), 1),
    ] {
        assert_eq!(image_count(&json!({"num_images": asked})), count, "{asked}");
    }
    assert_eq!(image_count(&json!({})), 1);
}

#[test]
fn shape_name_round_trips() {
    for shape in Shape::ALL {
        assert_eq!(shape.to_string().parse(), Ok(shape));
    }
    assert!("Both".parse::<Shape>().is_err());
}
