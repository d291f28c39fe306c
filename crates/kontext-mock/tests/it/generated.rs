//! `--match generate`, from the request to the decoded picture.

use std::{collections::BTreeSet, io::Cursor, net::SocketAddr};

use kontext_mock::{Contract, Generate, MatchMode, MockServer, Shape};
use serde_json::{Value, json};
use zune_jpeg::JpegDecoder;

use crate::{
    http::{self, Answer, add_bird_with, post},
    process::{Process, command},
    wire::{admin_json, post_with},
};

async fn server() -> MockServer {
    server_with(Generate::default()).await
}

async fn server_with(settings: Generate) -> MockServer {
    let builder = MockServer::builder().match_mode(MatchMode::Generate);
    builder.generate(settings).start().await.unwrap()
}

/// Sends a request that is not recorded.
fn ask(address: SocketAddr, changes: Value) -> Answer {
    let mut body: Value = serde_json::from_str(&add_bird_with(json!({"seed": 7}))).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    let answer = post(address, body.to_string());
    assert_eq!(
        (answer.status, answer.found()),
        (200, (Some("generated"), None)),
        "{answer:?}"
    );
    answer
}

/// The URLs in a response of any shape.
fn urls(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let list = body.get("images").or_else(|| body.get("data")).unwrap();
    let urls = list.as_array().unwrap().iter();
    urls.map(|image| image["url"].as_str().unwrap().to_owned())
        .collect()
}

fn download(address: SocketAddr, url: &str) -> Answer {
    // The requests of these tests use the host `mock`.
    let path = url
        .strip_prefix("http://mock/")
        .unwrap_or_else(|| panic!("{url}"));
    let file = http::send(address, "GET", &format!("/{path}"), &[], b"");
    assert_eq!(file.status, 200, "{url}");
    file
}

/// Decodes a picture by its content type; returns its size and its pixels.
fn decode(file: &Answer) -> (usize, usize, Vec<u8>) {
    match file.header("content-type").unwrap() {
        "image/png" => {
            let mut reader = png::Decoder::new(Cursor::new(&file.body))
                .read_info()
                .unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            (info.width as usize, info.height as usize, pixels)
        }
        "image/jpeg" => {
            let mut decoder = JpegDecoder::new(Cursor::new(&file.body[..]));
            let pixels = decoder.decode().unwrap();
            let (width, height) = decoder.dimensions().unwrap();
            (width, height, pixels)
        }
        other => panic!("{other}"),
    }
}

/// The size in the header of a picture. Decoding the pixels takes longer, and is done
/// only where they matter.
fn size(file: &Answer) -> (usize, usize) {
    match file.header("content-type").unwrap() {
        "image/png" => {
            let reader = png::Decoder::new(Cursor::new(&file.body))
                .read_info()
                .unwrap();
            (reader.info().width as usize, reader.info().height as usize)
        }
        _ => {
            let mut decoder = JpegDecoder::new(Cursor::new(&file.body[..]));
            decoder.decode_headers().unwrap();
            decoder.dimensions().unwrap()
        }
    }
}

#[tokio::test]
async fn generates_four_distinct_images_of_stated_size() {
    let server = server().await;
    for (format, extension) in [("jpeg", ".jpg"), ("png", ".png")] {
        let asked = json!({"num_images": 4, "output_format": format, "aspect_ratio": "21:9"});
        let answer = ask(server.address(), asked);
        let body = answer.json();
        let images = body["images"].as_array().unwrap();
        assert_eq!((images.len(), &body["seed"]), (4, &json!(7)));
        assert_eq!(
            body["has_nsfw_concepts"],
            json!([false, false, false, false])
        );
        let mut pictures = BTreeSet::new();
        for image in images {
            let url = image["url"].as_str().unwrap();
            assert!(url.ends_with(extension), "{url}");
            let file = download(server.address(), url);
            assert_eq!(image["content_type"], format!("image/{format}"));
            assert_eq!(file.header("content-type"), image["content_type"].as_str());
            let (width, height) = size(&file);
            assert_eq!(
                (&image["width"], &image["height"]),
                (&json!(width), &json!(height))
            );
            if pictures.is_empty() {
                let (width, height, pixels) = decode(&file);
                assert_eq!((width, height, pixels.len()), (1568, 672, 1568 * 672 * 3));
            }
            assert_eq!((width, height), (1568, 672));
            pictures.insert(file.body);
        }
        assert_eq!(pictures.len(), 4, "each is another one");
    }
    assert_eq!(server.billed().images, 8);
    assert_eq!(server.counts().generated, 2);
}

#[tokio::test]
async fn every_aspect_ratio_has_its_size() {
    let server = server().await;
    let text = include_str!("../../contract.json");
    let contract: Value = serde_json::from_str(text).unwrap();
    assert!(Contract::embedded().is_ok());
    let ratios = contract["operations"][0]["$defs"]["AspectRatio"]["enum"]
        .as_array()
        .unwrap();
    assert_eq!(ratios.len(), 9);
    for ratio in ratios {
        let answer = ask(server.address(), json!({"aspect_ratio": ratio}));
        let (width, height) = size(&download(server.address(), &urls(&answer)[0]));
        let (across, down) = ratio.as_str().unwrap().split_once(':').unwrap();
        let asked = across.parse::<f64>().unwrap() / down.parse::<f64>().unwrap();
        let got = width as f64 / height as f64;
        assert!(
            (got / asked - 1.0).abs() < 0.025,
            "{ratio}: {width}x{height}"
        );
        assert!(
            (width * height).abs_diff(1 << 20) < 1 << 15,
            "{ratio}: {width}x{height}"
        );
    }
    let answer = ask(server.address(), json!({}));
    let (width, height) = size(&download(server.address(), &urls(&answer)[0]));
    assert_eq!((width, height), (1184, 880), "without one");
}

/// How many of a hundred samples of two pictures differ clearly.
fn differing(one: &[u8], other: &[u8]) -> usize {
    assert_eq!(one.len(), other.len());
    let step = one.len() / 100;
    let clearly = |index: &usize| one[*index].abs_diff(other[*index]) > 8;
    (0..one.len()).step_by(step).filter(clearly).count()
}

#[tokio::test]
async fn equal_requests_get_equal_pictures() {
    let (server, second) = (server().await, server().await);
    let small = json!({"aspect_ratio": "1:1"});
    let picture = |server: &MockServer, changes: Value| {
        let mut asked = small.clone();
        asked
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        let answer = ask(server.address(), asked);
        let file = download(server.address(), &urls(&answer)[0]);
        (answer.body, file)
    };
    let (body, first) = picture(&server, json!({}));
    // The same for the next request, on another server, and with another key order.
    assert_eq!(ask(server.address(), small.clone()).body, body);
    let (second_body, second_file) = picture(&second, json!({}));
    assert!(second_body == body && second_file.body == first.body);
    let first = decode(&first).2;
    let reordered = r#"{"aspect_ratio":"1:1", "seed":7.0,
        "prompt":"Add a bird to the foreground of the photo.",
        "image_url":"https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.png",
        "model":"flux/kontext-pro/image-to-image"}"#;
    let again = post(server.address(), reordered);
    assert_eq!(urls(&again), urls(&ask(server.address(), small.clone())));
    for change in [
        json!({"prompt": "Add a cat."}),
        json!({"seed": 8}),
        json!({"image_url": ["https://a.example/1"]}),
    ] {
        let (_, other) = picture(&server, change.clone());
        let differing = differing(&first, &decode(&other).2);
        assert!(
            differing > 30,
            "{change}: {differing} of 100 samples differ"
        );
    }
    // A difference this small would be detected.
    let mut nearly = first.clone();
    nearly[..30_000].iter_mut().for_each(|byte| *byte ^= 0xff);
    assert!(differing(&first, &nearly) <= 30);
}

#[tokio::test]
async fn sessions_share_answers_but_not_charges() {
    let server = server().await;
    let body = add_bird_with(json!({"prompt": "x", "num_images": 3}));
    let of = |session| post_with(server.address(), &[("x-kontext-session", session)], &body);
    assert_eq!(of("one").body, of("two").body);
    let one = server.session("one").unwrap();
    assert_eq!((one.billed().images, one.counts().generated), (3, 1));
    assert_eq!(one.billed().credits, 3 * 91_000);
    assert_eq!(server.billed().images, 6);
    assert_eq!(of("one").header("x-aimlapi-credits-used"), Some("273000"));
}

#[tokio::test]
async fn recording_takes_precedence_over_generated_answer() {
    let server = server().await;
    let answer = post(server.address(), add_bird_with(json!({})));
    assert_eq!(
        answer.found(),
        (Some("exact"), Some("generate-image/add-bird"))
    );
    // The contract takes precedence over both.
    assert_eq!(
        post(server.address(), add_bird_with(json!({"num_images": 5}))).status,
        400
    );
}

#[tokio::test]
async fn seed_setting_changes_answers() {
    let body = json!({"prompt": "x"});
    let zero = urls(&ask(server().await.address(), body.clone()));
    let one = urls(&ask(
        server_with(Generate::default().with_seed(1))
            .await
            .address(),
        body,
    ));
    assert_ne!(zero, one);
}

#[tokio::test]
async fn every_shape_yields_same_pictures() {
    let asked = json!({"num_images": 2});
    let mut all = BTreeSet::new();
    for shape in Shape::ALL {
        let server = server_with(Generate::default().with_shape(shape)).await;
        let answer = ask(server.address(), asked.clone());
        let body = answer.json();
        let there: Vec<_> = ["images", "data", "meta"]
            .into_iter()
            .filter(|key| body.get(key).is_some())
            .collect();
        let expected: &[&str] = match shape {
            Shape::Images => &["images"],
            Shape::Data | Shape::B64 => &["data", "meta"],
            _ => &["images", "data", "meta"],
        };
        assert_eq!(there, expected, "{shape:?}");
        if shape == Shape::Both {
            assert_eq!(body["images"][1]["url"], body["data"][1]["url"]);
        }
        if shape != Shape::Images {
            assert_eq!(body["meta"]["usage"]["credits_used"], 182_000);
        }
        // Inline images have no URL.
        let urls = if shape == Shape::B64 {
            Vec::new()
        } else {
            urls(&answer)
        };
        for url in urls {
            assert_eq!(size(&download(server.address(), &url)), (1184, 880));
            all.insert(url);
        }
        // The same images in two lists are charged once.
        assert_eq!(
            (server.billed().images, server.billed().credits),
            (2, 182_000),
            "{shape:?}"
        );
    }
    assert_eq!(all.len(), 2);
}

#[test]
fn serve_accepts_seed_and_shape() {
    let start = |options: &[&str]| {
        let mut arguments = vec![
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--quiet",
            "--match",
            "generate",
        ];
        arguments.extend(options);
        Process::serve(&mut command(&arguments))
    };
    let (plain, seed, shape) = (
        start(&[]),
        start(&["--seed", "5"]),
        start(&["--shape", "data"]),
    );
    let ask = |serving: &Process| urls(&ask(serving.address, json!({"output_format": "png"})));
    assert_ne!(ask(&plain), ask(&seed));
    assert_eq!(ask(&plain), ask(&shape));
    let (width, height) = size(&download(shape.address, &ask(&shape)[0]));
    assert_eq!((width, height), (1184, 880));
    assert_eq!(admin_json(plain.address, "health")["match"], "generate");
    let output = command(&["serve", "--shape", "round"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("[possible values: images, data, both, b64]"),
        "{errors}"
    );
}
