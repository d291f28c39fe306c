//! The contract: which operations exist, and the schemas of what they take
//! and answer.

use jsonschema::Validator;
use kontext_recording::{OPEN_MAP, strict_schema};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use crate::{
    contract::violations::{NOTHING, Step, Violation, violations_of},
    error::ContractError,
    truncate,
};

/// The contract as codegen wrote it, built into the crate.
const EMBEDDED: &str = include_str!("../../contract.json");

/// What the API is understood to be: its operations, with the schemas of their
/// requests and responses, compiled once.
///
/// It is read from `contract.json`, which codegen writes.
#[derive(Debug)]
pub struct Contract {
    operations: Vec<Operation>,
}

/// One operation of the [`Contract`]: a method and a path.
#[derive(Debug)]
pub struct Operation {
    name: String,
    method: String,
    path: String,
    needs_key: bool,
    request: Option<RequestContract>,
    responses: BTreeMap<String, Content>,
    definitions: Arc<Value>,
    sha256: String,
}

/// What the contract says of one status: a schema per media type.
pub(crate) type Content = BTreeMap<String, StrictSchema>;

/// A schema that recordings are validated against.
#[derive(Debug)]
pub(crate) struct StrictSchema {
    /// Which schema of which operation it is, as messages name it.
    says: String,
    /// The schema as the contract has it, without the definitions that its
    /// references point into.
    schema: Value,
    definitions: Arc<Value>,
    /// The same, complete, closed and compiled, when it is first needed: a mock
    /// that only serves what is built in need not wait for it.
    compiled: OnceLock<Result<Validator, String>>,
}

/// What the contract says of a request's body.
#[derive(Debug)]
pub(crate) struct RequestContract {
    /// Whether a request without a body is wrong.
    pub(crate) required: bool,
    /// The property that tells the pages apart; none where there is one for all requests.
    discriminator: Option<String>,
    pages: Vec<PageContract>,
}

/// What the contract says of the requests for one model.
#[derive(Debug)]
pub(crate) struct PageContract {
    /// The value of the discriminator that stands for it; none where there is one page.
    model: Option<String>,
    /// The SHA-256 of what travels in its requests and their answers.
    sha256: String,
    /// The schema that requests are validated against; keys that the contract does not
    /// name pass.
    pub(crate) open: Validator,
    /// The members that some request of the contract has; nothing where a request
    /// may have any.
    pub(crate) known: Option<BTreeSet<String>>,
    /// The schema that recorded requests are validated against.
    pub(crate) closed: StrictSchema,
}

/// The contract's file, as far as the mock reads it. A key that it does not
/// know is no error: what changes the meaning changes `format`.
#[derive(Deserialize)]
struct RawContract {
    operations: Vec<RawOperation>,
}

#[derive(Deserialize)]
struct RawFormat {
    format: u64,
}

#[derive(Deserialize)]
struct RawOperation {
    name: String,
    method: String,
    path: String,
    #[serde(default)]
    security: Vec<Value>,
    request: Option<RawRequest>,
    #[serde(default)]
    responses: BTreeMap<String, RawContent>,
    #[serde(default, rename = "$defs")]
    definitions: Map<String, Value>,
    sha256: String,
}

#[derive(Deserialize)]
struct RawRequest {
    #[serde(default)]
    required: bool,
    content: BTreeMap<String, Value>,
    /// Of each page, by model.
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

/// What tells the branches of a schema apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDiscriminator {
    property_name: String,
    mapping: BTreeMap<String, String>,
}

/// What the contract says of one status: a schema per media type.
#[derive(Deserialize)]
struct RawContent {
    #[serde(default)]
    content: BTreeMap<String, Value>,
}

impl Contract {
    /// Reads the contract that is built into the crate.
    ///
    /// # Errors
    ///
    /// Fails as [`Contract::parse`] does; a released crate has been tested not
    /// to.
    pub fn embedded() -> Result<Self, ContractError> {
        Self::parse(EMBEDDED)
    }

    /// The contract that is built in, read once in a process.
    pub(crate) fn shared() -> Result<Arc<Self>, ContractError> {
        static SHARED: OnceLock<Arc<Contract>> = OnceLock::new();
        if let Some(contract) = SHARED.get() {
            return Ok(contract.clone());
        }
        // That all of its schemas compile has been tested; the mock compiles
        // those that it needs.
        let contract = Arc::new(Self::read(EMBEDDED)?);
        Ok(SHARED.get_or_init(|| contract).clone())
    }

    /// Reads a contract from the text of a `contract.json`.
    ///
    /// # Errors
    ///
    /// Fails where the text is not JSON of the contract's form or of another
    /// format, where two operations have one method and path, and where a
    /// schema does not compile.
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        let contract = Self::read(text)?;
        for operation in &contract.operations {
            operation.compile_responses()?;
        }
        Ok(contract)
    }

    /// Reads a contract whose schemas of responses need not compile.
    fn read(text: &str) -> Result<Self, ContractError> {
        let RawFormat { format } = serde_json::from_str(text).map_err(ContractError::Read)?;
        if format != 1 {
            return Err(ContractError::Format { found: format });
        }
        let raw: RawContract = serde_json::from_str(text).map_err(ContractError::Read)?;
        let mut operations: Vec<Operation> = Vec::new();
        for raw in raw.operations {
            let operation = Operation::compile(raw)?;
            if let Some(first) = operations
                .iter()
                .find(|other| other.method == operation.method && other.path == operation.path)
            {
                return Err(ContractError::Twice {
                    method: operation.method,
                    path: operation.path,
                    first: first.name.clone(),
                    second: operation.name,
                });
            }
            operations.push(operation);
        }
        Ok(Self { operations })
    }

    /// Lists the operations, in the order of the contract.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter()
    }

    /// Finds the operation of a method and a path (without the query).
    #[must_use]
    pub fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        self.operations
            .iter()
            .find(|operation| operation.method == method && operation.path == path)
    }

    /// The methods that operations of a path have, in the order of the contract.
    pub(crate) fn methods(&self, path: &str) -> Vec<&str> {
        let at_path = self.operations.iter().filter(|one| one.path == path);
        at_path.map(|one| one.method.as_str()).collect()
    }

    /// Lists the operations as one reads them: `POST /v1/…, GET /v1/…`.
    pub(crate) fn summary(&self) -> String {
        let all: Vec<_> = self
            .operations
            .iter()
            .map(|operation| format!("{} {}", operation.method, operation.path))
            .collect();
        all.join(", ")
    }
}

impl Operation {
    fn compile(raw: RawOperation) -> Result<Self, ContractError> {
        let mut operation = Self {
            name: raw.name,
            method: raw.method,
            path: raw.path,
            needs_key: !raw.security.is_empty(),
            request: None,
            responses: BTreeMap::new(),
            definitions: Arc::new(Value::Object(raw.definitions)),
            sha256: raw.sha256,
        };
        if let Some(request) = raw.request {
            let Some(schema) = request.content.get("application/json") else {
                return Err(ContractError::MediaType {
                    operation: operation.name,
                    found: request.content.into_keys().collect::<Vec<_>>().join(", "),
                });
            };
            let discriminator = schema.get("discriminator").cloned();
            let discriminator: Option<RawDiscriminator> =
                discriminator.and_then(|value| serde_json::from_value(value).ok());
            let mut pages = Vec::new();
            for (model, target) in discriminator.iter().flat_map(|one| &one.mapping) {
                let branch = serde_json::json!({ "$ref": target });
                let sha256 = request.sha256.get(model).cloned();
                pages.push(PageContract {
                    model: Some(model.clone()),
                    sha256: sha256.unwrap_or_else(|| operation.sha256.clone()),
                    ..operation.page(&branch)?
                });
            }
            if pages.is_empty() {
                pages.push(operation.page(schema)?);
            }
            operation.request = Some(RequestContract {
                required: request.required,
                discriminator: discriminator.map(|one| one.property_name),
                pages,
            });
        }
        for (status, response) in raw.responses {
            let schemas = response.content.iter();
            let closed = schemas
                .map(|(media_type, schema)| {
                    let what = format!("the response {status}");
                    (media_type.clone(), operation.closed(schema, what))
                })
                .collect();
            operation.responses.insert(status, closed);
        }
        Ok(operation)
    }

    /// What a schema says of requests.
    fn page(&self, schema: &Value) -> Result<PageContract, ContractError> {
        Ok(PageContract {
            model: None,
            sha256: self.sha256.clone(),
            known: known_members(schema, &self.definitions),
            open: self.validator(schema, "of the request")?,
            closed: self.closed(schema, "the request".to_owned()),
        })
    }

    fn closed(&self, schema: &Value, what: String) -> StrictSchema {
        StrictSchema {
            says: format!("the contract of {what} of {}", self.name),
            schema: schema.clone(),
            definitions: self.definitions.clone(),
            compiled: OnceLock::new(),
        }
    }

    /// Sees to it that the schemas of all responses compile.
    fn compile_responses(&self) -> Result<(), ContractError> {
        for (status, content) in &self.responses {
            for (media_type, closed) in content {
                closed
                    .validator()
                    .map_err(|message| ContractError::Schema {
                        operation: self.name.clone(),
                        place: format!("of the response {status} {media_type}"),
                        message: message.to_owned(),
                    })?;
            }
        }
        Ok(())
    }

    /// Compiles a schema of this operation.
    fn validator(&self, schema: &Value, place: &str) -> Result<Validator, ContractError> {
        compile(&complete(schema, &self.definitions)).map_err(|message| ContractError::Schema {
            operation: self.name.clone(),
            place: place.to_owned(),
            message,
        })
    }

    /// The name in kebab case, such as `generate-image`; the folder of its
    /// recordings has the same.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The method in upper case, such as `POST`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path from the origin on, such as `/v1/images/generations`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a request needs an API key.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.needs_key
    }

    /// The SHA-256 of the operation's part of the contract, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The SHA-256 of what the contract says of one request and its answers: of its page,
    /// so that another page of the operation makes no recording old.
    pub(crate) fn sha256_of(&self, request: Option<&Value>) -> &str {
        let page = self.page_of(request);
        page.map_or(&self.sha256, |page| &page.sha256)
    }

    /// What is said of a request, if its page is known.
    pub(crate) fn page_of(&self, request: Option<&Value>) -> Option<&PageContract> {
        self.request.as_ref()?.page(request?).ok()
    }

    /// What the contract says of the request's body, if there is to be one.
    pub(crate) fn request(&self) -> Option<&RequestContract> {
        self.request.as_ref()
    }

    /// What the contract says of a status: by its number, its class (`4XX`),
    /// or as `default`.
    pub(crate) fn response(&self, status: u16) -> Option<&Content> {
        [
            status.to_string(),
            format!("{}XX", status / 100),
            "default".to_owned(),
        ]
        .iter()
        .find_map(|key| self.responses.get(key))
    }

    /// The keys whose objects are maps in the answers of a status: what is in
    /// them is data.
    #[cfg(feature = "record")]
    pub(crate) fn open_maps(&self, status: u16) -> std::collections::BTreeSet<String> {
        let mut maps = std::collections::BTreeSet::new();
        for closed in self.response(status).into_iter().flat_map(BTreeMap::values) {
            add_open_maps(&closed.schema, &mut maps);
            add_open_maps(&closed.definitions, &mut maps);
        }
        maps
    }

    /// The statuses that the contract declares, as one reads them.
    pub(crate) fn statuses(&self) -> String {
        let all: Vec<_> = self.responses.keys().map(String::as_str).collect();
        all.join(", ")
    }
}

impl RequestContract {
    /// What is said of a request for its model.
    ///
    /// # Errors
    ///
    /// Nothing tells its model, or no page has it.
    pub(crate) fn page(&self, request: &Value) -> Result<&PageContract, Violation> {
        let model = self
            .discriminator
            .as_ref()
            .map(|property| (property, request.get(property)));
        let is_it = |page: &&PageContract| match model {
            None => true,
            Some((_, found)) => found.is_some_and(|found| found.as_str() == page.model.as_deref()),
        };
        if let Some(page) = self.pages.iter().find(is_it) {
            return Ok(page);
        }
        let known = self.pages.iter().filter_map(|page| page.model.as_ref());
        let known: Vec<_> = known.map(|model| format!("{model:?}")).collect();
        let (place, found) = match model {
            Some((property, found)) if request.is_object() => {
                (vec![Step::Key(property.clone())], found)
            }
            _ => (Vec::new(), Some(request)),
        };
        Err(Violation {
            expected: match place.is_empty() {
                true => "an object".to_owned(),
                false => format!("one of {}", known.join(", ")),
            },
            received: found.map_or_else(|| "nothing".to_owned(), truncate::value),
            place,
        })
    }

    /// Lists everything in a request that its page does not allow, by place. Where nothing
    /// tells its page, that, and what no page allows.
    pub(crate) fn violations(&self, request: &Value) -> Vec<Violation> {
        let problem = match self.page(request) {
            Ok(page) => return page.violations(&page.open, request),
            Err(problem) => problem,
        };
        let pages = self
            .pages
            .iter()
            .map(|page| page.violations(&page.open, request));
        let common = pages.reduce(|common, other| {
            let common = common.into_iter();
            common
                .filter(|violation| other.contains(violation))
                .collect()
        });
        let mut all = common.unwrap_or_default();
        all.retain(|violation| violation.place != problem.place);
        all.push(problem);
        all.sort_by(|one, other| one.place.cmp(&other.place));
        all
    }
}

impl PageContract {
    /// The model whose requests these are; none where there is one page.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Lists everything in a request that the page does not allow, by place.
    ///
    /// `validator` is that of the open or the closed schema.
    pub(crate) fn violations(&self, validator: &Validator, request: &Value) -> Vec<Violation> {
        let mut violations = violations_of(validator, request);
        for violation in &mut violations {
            if let Some(model) = self
                .model
                .as_ref()
                .filter(|_| violation.expected == NOTHING)
            {
                violation.expected = format!("nothing, {model} does not take it");
            }
        }
        violations
    }

    /// Whether requests may have a member of this name.
    pub(crate) fn knows(&self, member: &str) -> bool {
        self.known
            .as_ref()
            .is_none_or(|known| known.contains(member))
    }
}

impl StrictSchema {
    /// Names the schema, as in `the contract of the request of generate-image`.
    pub(crate) fn says(&self) -> &str {
        &self.says
    }

    /// The compiled schema, or why it does not compile.
    pub(crate) fn validator(&self) -> Result<&Validator, &str> {
        let compiled = self.compiled.get_or_init(|| {
            let schema = complete(&self.schema, &self.definitions);
            compile(&strict_schema(&schema))
        });
        compiled.as_ref().map_err(String::as_str)
    }
}

/// The names of the members that a schema has, behind references and in every branch;
/// nothing where it is marked as a map.
fn known_members(schema: &Value, definitions: &Value) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut waiting = vec![schema];
    let mut seen = Vec::new();
    while let Some(schema) = waiting.pop() {
        let Some(keywords) = schema.as_object() else {
            continue;
        };
        if keywords.get(OPEN_MAP) == Some(&Value::Bool(true)) {
            return None;
        }
        if let Some(properties) = keywords.get("properties").and_then(Value::as_object) {
            let known = properties
                .iter()
                .filter(|(_, schema)| **schema != Value::Bool(false));
            names.extend(known.map(|(name, _)| name.clone()));
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let branches = keywords.get(keyword).and_then(Value::as_array);
            waiting.extend(branches.into_iter().flatten());
        }
        let branches = ["then", "else"].into_iter();
        waiting.extend(branches.filter_map(|keyword| keywords.get(keyword)));
        let reference = keywords.get("$ref").and_then(Value::as_str);
        let pointer = reference.and_then(|reference| reference.strip_prefix("#/$defs"));
        if let Some(pointer) = pointer.filter(|pointer| !seen.contains(pointer)) {
            seen.push(pointer);
            waiting.extend(definitions.pointer(pointer));
        }
    }
    Some(names)
}

/// Makes a schema complete: with its dialect and the definitions that its
/// references point into.
fn complete(schema: &Value, definitions: &Value) -> Value {
    let mut complete = Map::new();
    complete.insert(
        "$schema".to_owned(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    match schema {
        Value::Object(keywords) => complete.extend(keywords.clone()),
        other => {
            complete.insert("allOf".to_owned(), Value::Array(vec![other.clone()]));
        }
    }
    complete.insert("$defs".to_owned(), definitions.clone());
    Value::Object(complete)
}

/// Compiles a complete schema, with formats checked.
fn compile(complete: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .should_validate_formats(true)
        .build(complete)
        .map_err(|error| error.to_string())
}

/// Adds the names of the properties that a schema marks as maps.
#[cfg(feature = "record")]
fn add_open_maps(schema: &Value, maps: &mut std::collections::BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            if let Some(Value::Object(properties)) = keywords.get("properties") {
                for (name, property) in properties {
                    if property.get(OPEN_MAP) == Some(&Value::Bool(true)) {
                        maps.insert(name.clone());
                    }
                }
            }
            for value in keywords.values() {
                add_open_maps(value, maps);
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                add_open_maps(entry, maps);
            }
        }
        _ => {}
    }
}
