//! Generated requests: the contract accepts what the client accepts and rejects what the
//! client rejects. Exceptions are listed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use jsonschema::Validator;
use kontext_api::{
    Client, Error, GenerateImageRequest, ImageToImageRequest, InvalidRequestError,
    TextToImageRequest, Uri,
    types::{
        AspectRatio, ImageToImageModel, ImageUrl, OutputFormat, SafetyTolerance, TextToImageModel,
    },
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use reqwest::Url;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

use super::contract;
use crate::support::{client, is_whole, snapshot};

/// The values set on a request.
#[derive(Clone, Debug, Default)]
struct Draft {
    prompt: Option<String>,
    image_url: Option<Images>,
    model: Option<Model>,
    num_images: Option<u64>,
    seed: Option<u64>,
    guidance_scale: Option<f64>,
    aspect_ratio: Option<AspectRatio>,
    output_format: Option<OutputFormat>,
    safety_tolerance: Option<SafetyTolerance>,
}

/// A model, which selects the request struct.
#[derive(Clone, Debug)]
enum Model {
    Image(ImageToImageModel),
    Text(TextToImageModel),
}

#[derive(Clone, Debug)]
enum Images {
    One(String),
    List(Vec<String>),
}

impl Images {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::One(text) => text.as_str().into(),
            Self::List(texts) => texts.clone().into(),
        }
    }
}

impl Draft {
    /// A valid draft, but for this image URL.
    fn of_image(text: &str) -> Self {
        Self {
            prompt: Some("Add a bird.".to_owned()),
            model: Some(Model::Image(ImageToImageModel::FluxKontextProImageToImage)),
            image_url: Some(Images::One(text.to_owned())),
            ..Self::default()
        }
    }

    /// The body that the builder would send, and the builder's result.
    fn built(&self) -> (Value, Result<GenerateImageRequest, InvalidRequestError>) {
        macro_rules! build {
            ($builder:expr) => {{
                let mut builder = $builder;
                build!(builder: prompt num_images seed guidance_scale aspect_ratio output_format
                    safety_tolerance);
                let body = serde_json::to_value(&builder).unwrap();
                (body, builder.build().map(Into::into))
            }};
            ($builder:ident: $($name:ident)*) => {$(
                if let Some(value) = self.$name.clone() {
                    $builder = $builder.$name(value);
                }
            )*};
        }
        if let Some(Model::Text(model)) = &self.model {
            let builder = TextToImageRequest::builder().model(model.clone());
            return build!(match &self.image_url {
                None => builder,
                Some(images) => builder.extra("image_url", images.value()),
            });
        }
        let mut builder = ImageToImageRequest::builder();
        if let Some(Model::Image(model)) = &self.model {
            builder = builder.model(model.clone());
        }
        build!(match &self.image_url {
            None => builder,
            Some(Images::One(text)) => builder.image_url(text),
            Some(Images::List(texts)) => builder.image_url(texts),
        })
    }

    /// The request built through its public fields, bypassing the builder's check. `None`
    /// if a required field is missing.
    fn request(&self) -> Option<GenerateImageRequest> {
        macro_rules! fill {
            ($request:ident, $model:expr) => {
                $request.model = $model.clone();
                $request.prompt = self.prompt.clone()?;
                $request.num_images = self.num_images;
                $request.seed = self.seed;
                $request.guidance_scale = self.guidance_scale;
                $request.aspect_ratio = self.aspect_ratio.clone();
                $request.output_format = self.output_format.clone();
                $request.safety_tolerance = self.safety_tolerance.clone();
            };
        }
        let valid = Self::of_image("https://example.com/").built().1.unwrap();
        // Text that is not a URI is in a request that was decoded.
        let uri = |text: &String| serde_json::from_value::<Uri>(text.as_str().into()).unwrap();
        match (self.model.as_ref()?, valid) {
            (Model::Image(model), GenerateImageRequest::ImageToImage(mut request)) => {
                fill!(request, model);
                request.image_url = match self.image_url.as_ref()? {
                    Images::One(text) => ImageUrl::Uri(uri(text)),
                    Images::List(texts) => ImageUrl::Array(texts.iter().map(uri).collect()),
                };
                Some(request.into())
            }
            (Model::Text(model), _) => {
                let request = TextToImageRequest::builder()
                    .model(model.clone())
                    .prompt("p");
                let mut request = request.build().unwrap();
                fill!(request, model);
                let images = self.image_url.iter();
                let images = images.map(|images| ("image_url".to_owned(), images.value()));
                request.extra = images.collect();
                Some(request.into())
            }
            (Model::Image(_), other) => panic!("{other:?}"),
        }
    }
}

fn drafts() -> impl Strategy<Value = Draft> {
    let prompt = prop_oneof![
        "\\PC{0,20}",
        any::<String>(),
        (
            select(vec!["a", "ä", "🦖", "\0", "\n", "\"", "e\u{301}"]),
            1_990_usize..2_010
        )
            .prop_map(|(text, count)| text.repeat(count)),
        (select(vec!["a", "ä", "🦖", "\u{1}"]), 3_998_usize..4_003)
            .prop_map(|(text, count)| text.repeat(count)),
    ];
    let images = prop_oneof![
        uri().prop_map(Images::One),
        vec(uri(), 0..=6).prop_map(Images::List),
        // Makes lists that are valid but for their length common.
        vec(Just("https://example.com/a.png".to_owned()), 0..=6).prop_map(Images::List),
    ];
    let guidance_scale = prop_oneof![
        3 => -1.0..30.0,
        1 => 1.0..=20.0,
        1 => any::<i8>().prop_map(f64::from),
        1 => prop::num::f64::ANY,
        1 => select(vec![
            1.0, 20.0, 1_f64.next_down(), 1_f64.next_up(), 20_f64.next_down(), 20_f64.next_up(),
            0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::MAX,
        ]),
    ];
    let seed = prop_oneof![
        0_u64..3,
        any::<u64>(),
        select(vec![u64::MAX, i64::MAX as u64 + 1])
    ];
    let num_images = prop_oneof![5 => 0_u64..7, 1 => any::<u64>()];
    (
        option::weighted(0.95, prompt),
        option::weighted(0.9, images),
        option::weighted(
            0.95,
            prop_oneof![
                3 => select(ImageToImageModel::ALL).prop_map(Model::Image),
                1 => select(TextToImageModel::ALL).prop_map(Model::Text),
            ],
        ),
        option::of(num_images),
        option::of(seed),
        option::of(guidance_scale),
        option::of(select(AspectRatio::ALL)),
        option::of(select(OutputFormat::ALL)),
        option::of(select(SafetyTolerance::ALL)),
    )
        .prop_map(
            |(
                prompt,
                image_url,
                model,
                num_images,
                seed,
                guidance_scale,
                aspect_ratio,
                output_format,
                safety_tolerance,
            )| Draft {
                prompt,
                image_url,
                model,
                num_images,
                seed,
                guidance_scale,
                aspect_ratio,
                output_format,
                safety_tolerance,
            },
        )
}

/// URIs, near misses, and other text.
fn uri() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![4 => "https?://", 2 => "[dD]ata:", 1 => "https?:", 1 => "(ftp|s3|file)://", 1 => "[a-z]{0,3}:?"];
    let host = prop_oneof![
        4 => "[a-z]{1,5}(\\.[a-z]{2,3})?(:[0-9]{1,5})?",
        1 => "\\PC{0,6}",
        1 => "[a-z]{1,3}:[%@a-z]{0,4}@[a-z]{2}",
        1 => "[0-9.]{1,9}|\\[[0-9a-f:]{1,6}\\]|%[0-7][0-9a-f][a-z]"
    ];
    let rest = prop_oneof![
        3 => "(/[a-zA-Z0-9%|\\[\\]^`{}<>\"' ]{0,8}){0,3}(\\?[^#]{0,8})?(#.{0,8})?",
        1 => ".{0,20}",
        1 => ",.{0,20}",
    ];
    let nearly =
        (scheme, host, rest).prop_map(|(scheme, host, rest)| format!("{scheme}{host}{rest}"));
    prop_oneof![
        3 => "https://[a-z]{1,8}\\.example/[a-z]{0,5}\\.png",
        1 => Just("data:image/png;base64,iVBORw0KGgo=".to_owned()),
        4 => nearly,
        1 => ".{0,20}",
        1 => select(EXCEPTIONS.iter().map(|one| one.example.to_owned()).collect::<Vec<_>>()),
    ]
}

/// A field of a request that only one of client and contract rejects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Disagreement {
    /// Which side rejects it.
    refused_by: &'static str,
    field: String,
    /// The limit that the client reports (for a URI with its kind), or a fixed text for the
    /// contract.
    rule: String,
}

/// A known disagreement, with the reason why it stays.
struct Exception {
    refused_by: &'static str,
    field: &'static str,
    rule: &'static str,
    /// An image URL that demonstrates it.
    example: &'static str,
    reason: &'static str,
}

const URI_RULE: &str = "must be an http, https or data URI";

/// All disagreements. Remove an entry when it is resolved.
const EXCEPTIONS: [Exception; 4] = [
    Exception {
        refused_by: "client",
        field: "image_url",
        rule: "must be an http, https or data URI (it has a scheme other than)",
        example: "ftp://example.com/cat.png",
        reason: "the contract's format uri allows every scheme; the provider cannot fetch them",
    },
    Exception {
        refused_by: "client",
        field: "image_url",
        rule: "must be an http, https or data URI (it is a data URI without the comma before its data)",
        example: "data:image/png;base64",
        reason: "RFC 3986 looks at no scheme's own rules; by RFC 2397 there is no image in it",
    },
    Exception {
        refused_by: "client",
        field: "image_url",
        rule: "must be an http, https or data URI (its host or port is none that URL parsers take)",
        example: "https://example.com:99999/cat.png",
        reason: "RFC 3986 takes any digits as a port, and hosts that are empty or no address; no client can connect to them",
    },
    Exception {
        refused_by: "client",
        field: "image_url",
        rule: "must be an http, https or data URI (its host has an escape that hosts do not have)",
        example: "https://a%7Bb/cat.png",
        reason: "RFC 3986 has escapes in hosts, URLs have none: decoded it is no URI, and encoded again it is another host",
    },
];

/// The kind of URI that the client rejects, or "of no known sort".
fn sort(text: &str) -> &'static str {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let before_fragment = rest.split('#').next().unwrap_or_default();
    match (scheme.to_ascii_lowercase().as_str(), Url::parse(text)) {
        ("data", _) if !before_fragment.contains(',') => {
            "it is a data URI without the comma before its data"
        }
        ("http" | "https", Err(_)) => "its host or port is none that URL parsers take",
        ("http" | "https", Ok(_))
            if rest
                .trim_start_matches('/')
                .split(['/', '?', '#'])
                .next()
                .is_some_and(|host| host.contains('%')) =>
        {
            "its host has an escape that hosts do not have"
        }
        ("data" | "http" | "https" | "", _) => "of no known sort",
        _ => "it has a scheme other than",
    }
}

/// The fields on which the two verdicts differ.
fn disagreements(
    draft: &Draft,
    client: Result<(), &InvalidRequestError>,
    contract: &Validator,
    body: &Value,
) -> BTreeSet<Disagreement> {
    let mut by_client: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for violation in client
        .err()
        .into_iter()
        .flat_map(InvalidRequestError::violations)
    {
        let field = violation.field().split(['[', '.']).next().unwrap();
        let rules = by_client.entry(field.to_owned()).or_default();
        rules.insert(violation.limit().to_owned());
    }
    let by_contract = contract::refused_members(contract, body);
    assert_eq!(by_contract.is_empty(), contract.is_valid(body));
    let mut all = BTreeSet::new();
    for (field, rules) in &by_client {
        if by_contract.contains(field) {
            continue;
        }
        for rule in rules {
            let sorts: BTreeSet<String> = match rule.as_str() {
                URI_RULE => {
                    let texts = draft.image_url.as_ref().map_or(&[][..], Images::texts);
                    let refused = texts.iter().filter(|text| text.parse::<Uri>().is_err());
                    refused
                        .map(|text| format!("{rule} ({})", sort(text)))
                        .collect()
                }
                _ => BTreeSet::from([rule.clone()]),
            };
            all.extend(sorts.into_iter().map(|rule| Disagreement {
                refused_by: "client",
                field: field.clone(),
                rule,
            }));
        }
    }
    for field in by_contract {
        if !by_client.contains_key(&field) {
            all.insert(Disagreement {
                refused_by: "contract",
                field,
                rule: "the contract's schema".to_owned(),
            });
        }
    }
    all
}

fn is_listed(found: &Disagreement) -> bool {
    EXCEPTIONS.iter().any(|known| {
        (known.refused_by, known.field, known.rule)
            == (found.refused_by, found.field.as_str(), found.rule.as_str())
    })
}

/// A client, and a server that answers all of its requests with an image.
struct Loopback {
    runtime: Runtime,
    client: Client,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Loopback {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::clone(&bodies);
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer_all(stream, Arc::clone(&seen)));
            }
        });
        Self {
            runtime,
            client: client(&url),
            bodies,
        }
    }

    /// The client's verdict on a request, and the bodies that it sent.
    fn generate(
        &self,
        request: GenerateImageRequest,
    ) -> (Result<(), InvalidRequestError>, Vec<Vec<u8>>) {
        let outcome = match self.runtime.block_on(self.client.generate(request)) {
            Ok(_) => Ok(()),
            Err(Error::InvalidRequest(error)) => Err(error),
            Err(other) => panic!("{other:?}"),
        };
        (outcome, std::mem::take(&mut self.bodies.lock().unwrap()))
    }
}

async fn answer_all(mut stream: TcpStream, bodies: Arc<Mutex<Vec<Vec<u8>>>>) {
    const ANSWER: &str = r#"{"images":[{"url":"https://cdn.example/a.jpg"}]}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    let mut received = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        let Ok(length @ 1..) = stream.read(&mut piece).await else {
            return;
        };
        received.extend_from_slice(&piece[..length]);
        if is_whole(&received) {
            let head = received
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap();
            bodies.lock().unwrap().push(received.split_off(head + 4));
            received.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The disagreements on one draft, through the builder and through the public fields.
fn judge(draft: &Draft, contract: &Contract, loopback: &Loopback) -> BTreeSet<Disagreement> {
    // A rejected request is compared as it would have been sent.
    let (body, built) = draft.built();
    let contract = contract.of(&body);
    if let Ok(request) = &built {
        assert_eq!(serde_json::to_value(request).unwrap(), body);
    }
    let verdict = built.as_ref().map(|_| ());
    let found = disagreements(draft, verdict, contract, &body);
    if let Some(request) = draft.request() {
        let expected = serde_json::to_vec(&request).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&expected).unwrap(), body);
        let (outcome, sent) = loopback.generate(request);
        let violations = |error: &InvalidRequestError| error.violations().to_vec();
        assert_eq!(
            outcome.as_ref().err().map(violations),
            built.as_ref().err().map(violations)
        );
        match outcome {
            // The bytes sent are those that were validated.
            Ok(()) => assert!(sent == [expected], "{sent:?}"),
            Err(_) => assert_eq!(sent.len(), 0, "it was refused and sent"),
        }
    }
    found
}

/// The validators of requests, by model.
struct Contract(BTreeMap<String, Validator>);

impl Contract {
    fn new(operation: &Value) -> Self {
        let schema = &operation["request"]["content"]["application/json"];
        let pages = schema["discriminator"]["mapping"]
            .as_object()
            .unwrap()
            .iter();
        let pages = pages.map(|(model, page)| {
            let schema = serde_json::json!({ "$ref": page });
            (model.clone(), contract::validator(operation, &schema))
        });
        Self(pages.collect())
    }

    /// The validator for a body; without a model, that of one page.
    fn of(&self, body: &Value) -> &Validator {
        let model = body["model"].as_str();
        &self.0[model.unwrap_or("flux/kontext-pro/image-to-image")]
    }
}

/// Statistics of the requests of one run.
#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    fields: BTreeSet<String>,
}

#[test]
fn client_and_contract_reject_the_same_requests() {
    let (contract, loopback) = (Contract::new(&contract::operation()), Loopback::start());
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(1_000)
    };
    let tally = RefCell::new(Tally::default());
    TestRunner::new(config)
        .run(&drafts(), |draft| {
            let found = judge(&draft, &contract, &loopback);
            let unlisted: Vec<_> = found.iter().filter(|one| !is_listed(one)).collect();
            prop_assert!(unlisted.is_empty(), "{unlisted:?}");
            let (body, _) = draft.built();
            let mut tally = tally.borrow_mut();
            match contract.of(&body).is_valid(&body) {
                true => tally.accepted += 1,
                false => tally.refused += 1,
            }
            tally
                .fields
                .extend(body.as_object().unwrap().keys().cloned());
            Ok(())
        })
        .unwrap();
    // Neither verdict is rare, and the drafts cover every field in the contract.
    let tally = tally.into_inner();
    assert!(tally.accepted > 50 && tally.refused > 50, "{tally:?}");
    let operation = contract::operation();
    let known = &operation["$defs"]["FluxKontextProImageToImageRequest"]["properties"];
    let known = known.as_object().unwrap().keys();
    assert!(tally.fields.iter().eq(known), "{tally:?}");
}

#[test]
fn known_disagreements_with_contract_match_snapshot() {
    let (contract, loopback) = (Contract::new(&contract::operation()), Loopback::start());
    let mut text = String::from(
        "Requests on which the client and the contract disagree; they agree on all others.\n",
    );
    for known in &EXCEPTIONS {
        let Exception {
            refused_by,
            field,
            rule,
            example,
            reason,
        } = known;
        let found = judge(&Draft::of_image(example), &contract, &loopback);
        let expected = Disagreement {
            refused_by,
            field: (*field).to_owned(),
            rule: (*rule).to_owned(),
        };
        assert_eq!(
            found,
            BTreeSet::from([expected]),
            "{example}: the exception is not one any more"
        );
        text.push_str(&format!(
            "\n{field}: {rule}\n  refused by the {refused_by} alone: {example}\n  reason: {reason}\n"
        ));
    }
    snapshot("request_exceptions", text);
}

/// The comparison can fail: it does with limits that differ from the client's.
#[test]
fn different_contract_limits_are_detected() {
    let loopback = Loopback::start();
    let draft = Draft {
        num_images: Some(4),
        seed: Some(0),
        ..Draft::of_image("https://example.com/")
    };
    let mut operation = contract::operation();
    let properties = &mut operation["$defs"]["FluxKontextProImageToImageRequest"]["properties"];
    properties["num_images"]["maximum"] = 3.into();
    properties["seed"]["minimum"] = 0.into();
    properties["mask_url"] = serde_json::json!({ "type": "string" });
    operation["$defs"]["FluxKontextProImageToImageRequest"]["required"] =
        serde_json::json!(["model", "prompt", "image_url", "mask_url"]);
    let contract = Contract::new(&operation);
    let found: Vec<_> = judge(&draft, &contract, &loopback).into_iter().collect();
    assert!(found.iter().all(|one| !is_listed(one)));
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.refused_by, one.field.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("client", "seed"),
            ("contract", "mask_url"),
            ("contract", "num_images")
        ]
    );
}
