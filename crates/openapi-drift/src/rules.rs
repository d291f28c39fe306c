//! The rules: one for each kind of change.

use serde::Serialize;

/// The effect of a change on an exchange between a client built from the old
/// document and a server that follows the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// It breaks.
    Breaking,
    /// It may break; treat it as breaking.
    Undecided,
    /// It works, but may be worth knowing.
    Notice,
    /// It works.
    NonBreaking,
    /// Only documentation changed; nothing on the wire.
    Docs,
}

/// The name in JSON.
impl std::fmt::Display for Wire {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Breaking => "breaking",
            Self::Undecided => "undecided",
            Self::Notice => "notice",
            Self::NonBreaking => "non-breaking",
            Self::Docs => "docs",
        })
    }
}

/// The direction in which a value is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From client to server. Objects are closed: clients keep sending removed members.
    Request,
    /// From server to client. Objects are open: clients ignore added members.
    Response,
}

/// The effect of a change on the set of values that a schema allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// Some values are no longer allowed.
    Narrowed,
    /// Some values are newly allowed.
    Widened,
    /// Both.
    Changed,
    /// The set is the same, but the change may be worth knowing.
    Notice,
    /// A name was removed: breaking in both directions.
    Removed,
    /// A name was added: breaking in neither direction.
    Added,
    /// Not known.
    Unknown,
    /// Only documentation.
    Docs,
}

/// One kind of change.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The stable id, such as `request-enum-narrowed`.
    pub id: &'static str,
    /// The direction of the affected values; `None` for both or neither.
    pub direction: Option<Direction>,
    /// The effect on the wire. A finding is `undecided` instead if no exchange shows a
    /// break and none can be ruled out.
    pub wire: Wire,
    /// What changed, in brief.
    pub summary: &'static str,
    /// What it breaks and why, and what to do.
    pub explanation: &'static str,
    pub(crate) effect: Effect,
}

/// A schema rule, one for each direction.
pub(crate) type Pair = [Rule; 2];

impl Effect {
    const fn wire(self, direction: Direction) -> Wire {
        match (self, direction) {
            (Self::Narrowed, Direction::Request)
            | (Self::Widened, Direction::Response)
            | (Self::Changed | Self::Removed, _) => Wire::Breaking,
            (Self::Narrowed, Direction::Response)
            | (Self::Widened, Direction::Request)
            | (Self::Added, _) => Wire::NonBreaking,
            (Self::Notice, _) => Wire::Notice,
            (Self::Unknown, _) => Wire::Undecided,
            (Self::Docs, _) => Wire::Docs,
        }
    }
}

/// Schema rules: name, id, effect, summary, explanation. Two explanations are those of the
/// request and of the response.
macro_rules! schema_rules {
    ($($name:ident $id:literal $effect:ident $summary:literal $why:literal $($other:literal)?;)*) => {
        $(
            pub(crate) static $name: Pair = [
                schema_rules!(@rule "request-", Request, $id $effect $summary $why),
                schema_rules!(
                    @rule "response-", Response, $id $effect $summary
                    schema_rules!(@last $why $($other)?)
                ),
            ];
        )*
        static SCHEMA_RULES: &[&Pair] = &[$(&$name),*];
    };
    (@last $why:literal) => { $why };
    (@last $why:literal $other:literal) => { $other };
    (@rule $prefix:literal, $way:ident, $id:literal $effect:ident $summary:literal $why:expr) => {
        Rule {
            id: concat!($prefix, $id),
            direction: Some(Direction::$way),
            wire: Effect::$effect.wire(Direction::$way),
            summary: $summary,
            explanation: $why,
            effect: Effect::$effect,
        }
    };
}

/// The other rules: name, id, direction, wire, summary, explanation.
macro_rules! document_rules {
    ($($name:ident $id:literal $direction:ident $wire:ident $summary:literal $why:literal;)*) => {
        $(
            pub(crate) static $name: Rule = Rule {
                id: $id,
                direction: document_rules!(@direction $direction),
                wire: Wire::$wire,
                summary: $summary,
                explanation: $why,
                effect: document_rules!(@effect $wire),
            };
        )*
        static DOCUMENT_RULES: &[&Rule] = &[$(&$name),*];
    };
    (@direction None) => { None };
    (@direction $direction:ident) => { Some(Direction::$direction) };
    (@effect Breaking) => { Effect::Changed };
    (@effect Undecided) => { Effect::Unknown };
    (@effect Docs) => { Effect::Docs };
    (@effect $other:ident) => { Effect::Notice };
}

document_rules! {
    PATH_ADDED "path-added" None NonBreaking
        "a path was added"
        "Old clients don't call it, so nothing breaks.";
    PATH_REMOVED "path-removed" None Breaking
        "a path was removed"
        "Old clients still call it and get an error, usually 404. Look for its replacement in the new document.";
    PATH_CHANGED "path-changed" None Breaking
        "a path was renamed"
        "Old clients still call the old path and get an error. Switch to the new one.";
    PATH_PARAMETER_RENAMED "path-parameter-renamed" None Notice
        "a path parameter was renamed"
        "The name is not sent, so requests stay the same. In a generated method, the argument is renamed.";
    METHOD_ADDED "method-added" None NonBreaking
        "a method was added to a path"
        "Old clients don't use it, so nothing breaks.";
    METHOD_REMOVED "method-removed" None Breaking
        "a method of a path was removed"
        "Old clients still use it and get an error.";
    METHOD_CHANGED "method-changed" None Breaking
        "the method of an operation changed"
        "Old clients still use the old method and get an error. Switch to the new one.";
    OPERATION_ID_CHANGED "operation-id-changed" None Notice
        "an operationId changed"
        "It is never sent. Generators name methods and types after it, so regenerated code uses new names.";
    OPERATION_DEPRECATED "operation-deprecated" None Notice
        "an operation was deprecated"
        "It still works, but may be removed. Plan to stop using it.";
    OPERATION_UNDEPRECATED "operation-undeprecated" None Notice
        "an operation is no longer deprecated"
        "It works as before.";
    ADDRESS_REWRITTEN "address-rewritten" None Notice
        "the same URLs are written differently"
        "Requests go to the same URLs. For example, part of the path moved to the server URL, or a variable was replaced by its value.";
    SERVER_ADDED "server-added" None NonBreaking
        "a server was added"
        "Old clients use the servers they know.";
    SERVER_CHANGED "server-changed" None Breaking
        "the URL of a server changed"
        "Old clients use a URL that the document no longer lists. If it still works, add an entry to the ignore file.";
    SERVER_REMOVED "server-removed" None Breaking
        "a server was removed"
        "Old clients use a URL that the document no longer lists. If it still works, add an entry to the ignore file.";
    SECURITY_ADDED "security-added" Request Breaking
        "new credentials are required"
        "Old clients don't send them, so the server rejects their requests.";
    SECURITY_REMOVED "security-removed" Request NonBreaking
        "fewer credentials are needed, or alternatives were added"
        "Old clients' credentials still work.";
    SECURITY_UNDEFINED "security-undefined" Request Undecided
        "a security scheme is not defined"
        "A security requirement names a scheme that the document doesn't define, so it can't be compared. Check the provider's documentation.";
    PARAMETER_ADDED "parameter-added" Request NonBreaking
        "an optional parameter was added"
        "Old clients don't send it.";
    REQUIRED_PARAMETER_ADDED "required-parameter-added" Request Breaking
        "a required parameter was added"
        "Old clients don't send it and are rejected.";
    PARAMETER_REMOVED "parameter-removed" Request Breaking
        "a parameter was removed"
        "Old clients still send it; it is rejected or silently ignored.";
    PARAMETER_RENAMED "parameter-renamed" Request Breaking
        "a parameter was renamed"
        "Old clients send the old name, which is rejected or silently ignored.";
    PARAMETER_BECAME_REQUIRED "parameter-became-required" Request Breaking
        "a parameter became required"
        "Old clients that omit it are rejected.";
    PARAMETER_BECAME_OPTIONAL "parameter-became-optional" Request NonBreaking
        "a parameter became optional"
        "Sending it still works.";
    PARAMETER_SERIALISATION_CHANGED "parameter-serialisation-changed" Request Breaking
        "a parameter is serialised differently"
        "style, explode, allowReserved or content changed. The server may misread or reject what old clients send.";
    REQUEST_BODY_ADDED "request-body-added" Request NonBreaking
        "an optional request body was added"
        "Old clients send none.";
    REQUIRED_REQUEST_BODY_ADDED "required-request-body-added" Request Breaking
        "a required request body was added"
        "Old clients send no body and fail.";
    REQUEST_BODY_REMOVED "request-body-removed" Request Breaking
        "the request body was removed"
        "Old clients still send one; it is rejected or silently ignored.";
    REQUEST_BODY_BECAME_REQUIRED "request-body-became-required" Request Breaking
        "the request body became required"
        "Old clients that omit it are rejected.";
    REQUEST_BODY_BECAME_OPTIONAL "request-body-became-optional" Request NonBreaking
        "the request body became optional"
        "Sending it still works.";
    REQUEST_MEDIA_TYPE_ADDED "request-media-type-added" Request NonBreaking
        "a request body media type was added"
        "Old clients use the types they know.";
    REQUEST_MEDIA_TYPE_REMOVED "request-media-type-removed" Request Breaking
        "a request body media type was removed"
        "Old clients that use it are rejected.";
    RESPONSE_MEDIA_TYPE_ADDED "response-media-type-added" Response Breaking
        "a response media type was added"
        "Old clients may get a response they can't parse, even without asking for it.";
    ERROR_MEDIA_TYPE_ADDED "error-media-type-added" Response NonBreaking
        "an error media type was added"
        "Clients already have to handle undocumented error formats.";
    RESPONSE_MEDIA_TYPE_REMOVED "response-media-type-removed" Response NonBreaking
        "a response media type was removed"
        "Clients that accept the remaining types still work. If a new type replaced this one, a separate finding reports it.";
    RESPONSE_BODY_ADDED "response-body-added" Response NonBreaking
        "a success body was added"
        "Old clients ignore a body they don't expect.";
    RESPONSE_BODY_REMOVED "response-body-removed" Response Breaking
        "a success body was removed"
        "Old clients expect a body and find none.";
    ERROR_BODY_ADDED "error-body-added" Response NonBreaking
        "an error body was added"
        "Old clients don't read it.";
    ERROR_BODY_REMOVED "error-body-removed" Response Breaking
        "an error body was removed"
        "Old clients no longer get the error details.";
    SUCCESS_STATUS_ADDED "success-status-added" Response Breaking
        "success status added"
        "Old clients may treat it as an error or misread the body, and lose a response that was paid for.";
    SUCCESS_STATUS_CHANGED "success-status-changed" Response Breaking
        "the success status changed"
        "Old clients treat it as an error and lose a response that was paid for.";
    SUCCESS_STATUS_REMOVED "success-status-removed" Response NonBreaking
        "one success status was removed"
        "Old clients handle the rest.";
    ONLY_SUCCESS_REMOVED "only-success-removed" Response Breaking
        "no success status"
        "The document no longer describes a successful response. Check with the provider.";
    ERROR_STATUS_ADDED "error-status-added" Response NonBreaking
        "error status added"
        "Clients already have to handle undocumented errors.";
    ERROR_STATUS_REMOVED "error-status-removed" Response NonBreaking
        "error status removed"
        "Old clients handle an error that no longer occurs.";
    HEADER_ADDED "response-header-added" Response NonBreaking
        "a response header was added"
        "Old clients don't read it.";
    HEADER_REMOVED "response-header-removed" Response Breaking
        "a response header was removed"
        "Old clients that rely on it may fail.";
    HEADER_BECAME_REQUIRED "response-header-became-required" Response NonBreaking
        "a response header became required"
        "Old clients read it as before.";
    HEADER_BECAME_OPTIONAL "response-header-became-optional" Response Breaking
        "a response header became optional"
        "Old clients that rely on it may fail.";
    CALLBACKS_CHANGED "callbacks-changed" None Undecided
        "an operation's callbacks changed"
        "Callbacks are requests from the server to the client. Their contents are not compared: review the change.";
    NOT_COMPARED "not-compared" None Undecided
        "an unsupported part of the document changed"
        "It is not valid OpenAPI 3.0, has a broken reference, or is beyond what the comparison supports. It may break any client, so review it, then fix the document or add an ignore entry.";
    DOCUMENTATION_CHANGED "documentation-changed" None Docs
        "a description, summary, tag or the document's information changed"
        "Documentation only; never sent.";
    TITLE_CHANGED "title-changed" None Docs
        "a title changed"
        "It is never sent. Some generators name types after titles.";
    EXAMPLE_CHANGED "example-changed" None Docs
        "an example changed"
        "Documentation only; never sent.";
    EXTENSION_CHANGED "extension-changed" None Docs
        "a vendor extension changed"
        "OpenAPI gives extensions (x-…) no meaning, but tools may act on them.";
    LINKS_CHANGED "links-changed" None Notice
        "the links of a response changed"
        "Links describe possible follow-up operations. They are not sent.";
}

schema_rules! {
    PROPERTY_ADDED "property-added" Added
        "an optional property was added"
        "Old clients neither send nor read it.";
    REQUIRED_PROPERTY_ADDED "required-property-added" Narrowed
        "a required property was added"
        "Old clients don't send it and are rejected."
        "Old clients ignore it.";
    PROPERTY_REMOVED "property-removed" Removed
        "a property was removed"
        "Old clients still send it, and the server rejects or silently ignores it."
        "Old clients that read it find nothing, usually without an error.";
    PROPERTY_RENAMED "property-renamed" Removed
        "a property was renamed"
        "Old clients still send the old name, and the server rejects or silently ignores it."
        "Old clients look for the old name and find nothing, usually without an error.";
    REQUIRED_ADDED "required-added" Narrowed
        "a property became required"
        "Old clients that omit it are rejected."
        "It is always sent, so nothing breaks.";
    REQUIRED_REMOVED "required-removed" Widened
        "a property became optional"
        "Old clients can keep sending it."
        "Old clients that rely on it fail when it is missing.";
    NULLABLE_ADDED "nullable-added" Widened
        "null is now allowed"
        "Old clients don't have to send null."
        "Old clients may get null and fail to parse it.";
    NULLABLE_REMOVED "nullable-removed" Narrowed
        "null is no longer allowed"
        "Old clients that send null are rejected."
        "Old clients no longer get null; nothing breaks.";
    TYPE_NARROWED "type-narrowed" Narrowed
        "fewer types are allowed"
        "Old clients may send rejected values, such as 1.5 for an integer."
        "Old clients get fewer types than they handle.";
    TYPE_WIDENED "type-widened" Widened
        "more types are allowed"
        "Old clients send what was allowed before, and it still is."
        "Old clients may get a type that they can't parse.";
    TYPE_CHANGED "type-changed" Changed
        "the type changed"
        "Old clients send values of the old type, which are rejected."
        "Old clients may fail to parse values of the new type.";
    ENUM_NARROWED "enum-narrowed" Narrowed
        "fewer values are allowed"
        "Old clients that send a removed value are rejected."
        "Old clients get fewer values than they handle.";
    ENUM_WIDENED "enum-widened" Widened
        "more values are allowed"
        "Old clients send the values that they know, which are still allowed."
        "Old clients may get an unknown value. Clients with a closed enum fail to parse it.";
    BOUND_NARROWED "bound-narrowed" Narrowed
        "a limit is tighter"
        "Old clients may send values outside it, which are rejected."
        "Old clients get a smaller range than they handle.";
    BOUND_WIDENED "bound-widened" Widened
        "a limit is wider"
        "What old clients send is still within it."
        "Old clients may get values outside the old limit.";
    BOUND_CHANGED "bound-changed" Changed
        "the allowed range moved"
        "Old clients may send values outside the new range, which are rejected."
        "Old clients may get values outside the old range.";
    PATTERN_ADDED "pattern-added" Narrowed
        "a pattern was added"
        "Values from old clients may not match it, and are rejected then."
        "Every value was valid before; nothing breaks.";
    PATTERN_REMOVED "pattern-removed" Widened
        "a pattern was removed"
        "What old clients send is still allowed."
        "Values may no longer match the old pattern.";
    PATTERN_CHANGED "pattern-changed" Changed
        "a pattern changed"
        "The comparison looks for a string that matches only one of the patterns. If it finds none, the finding is undecided: compare the patterns by hand.";
    FORMAT_ADDED "format-added" Narrowed
        "a format was added"
        "Values from old clients may not conform to it, and are rejected then."
        "Every value was valid before; nothing breaks.";
    FORMAT_REMOVED "format-removed" Widened
        "a format was removed"
        "What old clients send is still allowed."
        "Old clients may get values in other formats.";
    FORMAT_CHANGED "format-changed" Changed
        "the format changed"
        "Old clients send the old format, which may be rejected."
        "Old clients may fail to parse the new format.";
    FORMAT_NOTED "format-noted" Notice
        "a format that restricts nothing changed"
        "password, binary, float and double don't restrict the values, so the same ones are valid. Generated types may change.";
    FORMAT_UNKNOWN "format-unknown" Unknown
        "an unknown format changed"
        "It is unclear which values are valid. Check the provider's documentation.";
    ADDITIONAL_NARROWED "additional-properties-narrowed" Narrowed
        "additional properties allow fewer values"
        "Old clients may send values that are now rejected."
        "Old clients get fewer values than they handle.";
    ADDITIONAL_WIDENED "additional-properties-widened" Widened
        "additional properties allow more values"
        "What old clients send is still allowed."
        "Old clients that read the object as a map may get values they can't parse.";
    ADDITIONAL_REMOVED "additional-properties-removed" Removed
        "additional properties are no longer declared"
        "Old clients still send them, and the server rejects or silently ignores them."
        "Old clients that read the object as a map find nothing.";
    ADDITIONAL_ADDED "additional-properties-added" Added
        "additional properties are now declared"
        "Old clients neither send nor read them.";
    ADDITIONAL_FORBIDDEN "additional-properties-forbidden" Narrowed
        "other properties are now forbidden"
        "Old clients that send undocumented properties are rejected."
        "Old clients ignore such properties, so nothing breaks.";
    ADDITIONAL_NOTED "additional-properties-noted" Notice
        "other properties are no longer forbidden"
        "Old clients neither send nor read them.";
    OBJECT_LISTED "object-listed" Narrowed
        "a free-form object now lists its properties"
        "Old clients may send other properties or values and be rejected."
        "Every valid object was valid before; nothing breaks.";
    OBJECT_UNLISTED "object-unlisted" Widened
        "an object no longer lists its properties"
        "What old clients send is still allowed."
        "Old clients may miss properties that they need or get values that they can't parse.";
    UNSENT_CHANGED "unsent-property-changed" Notice
        "a property not sent in this direction was added or removed"
        "Requests omit read-only properties. A generated type gains or loses a field."
        "Responses omit write-only properties. A generated type gains or loses a field.";
    UNION_NARROWED "union-narrowed" Narrowed
        "fewer forms are allowed"
        "Old clients that send a removed form are rejected."
        "Old clients get fewer forms than they handle.";
    UNION_WIDENED "union-widened" Widened
        "more forms are allowed"
        "Old clients send the forms that they know, which are still allowed."
        "Old clients may get a form that they can't parse.";
    UNION_REWRITTEN "union-rewritten" Notice
        "a union is written differently"
        "The same values are allowed. Generators may produce a different type.";
    UNION_OVERLAPPING "union-overlapping" Changed
        "a union's overlapping forms changed"
        "oneOf rejects a value that matches two forms, so adding or widening a form can make valid values invalid.";
    DISCRIMINATOR_CHANGED "discriminator-changed" Changed
        "a discriminator's property or the meaning of a value changed"
        "Readers may decode a value as the wrong form or fail. JSON Schema can't express this, so the finding has no example.";
    DISCRIMINATOR_NARROWED "discriminator-value-removed" Narrowed
        "a discriminator value was removed but its form remains"
        "Old clients that send it are rejected."
        "Old clients no longer get it; nothing breaks.";
    DISCRIMINATOR_WIDENED "discriminator-value-added" Widened
        "a discriminator value was added for an existing form"
        "Old clients send the values that they know, which are still allowed."
        "Old clients may get a value that they don't know.";
    DISCRIMINATOR_NOTED "discriminator-noted" Notice
        "a discriminator was added, removed or rewritten"
        "The same values are allowed. Generators may decode the union differently.";
    DEFAULT_CHANGED "default-changed" Notice
        "a default changed"
        "The same values are allowed, but the server may behave differently when the value is omitted.";
    ACCESS_CHANGED "access-changed" Notice
        "readOnly or writeOnly of a property changed"
        "Nothing changes in this direction. If the property was added or removed in the other, a separate finding says so.";
    DEPRECATED "deprecated" Notice
        "now deprecated"
        "It still works, but may be removed. Plan to stop using it.";
    UNDEPRECATED "undeprecated" Notice
        "no longer deprecated"
        "It works as before.";
    NOT_UNDERSTOOD "schema-not-understood" Unknown
        "an unsupported part of a schema changed"
        "It is not valid OpenAPI 3.0, has a broken reference, or is beyond what the comparison supports. Review the change by hand.";
    WITHOUT_EFFECT "limit-without-effect" Notice
        "a limit without effect changed"
        "The same values are allowed. For example, the keyword applies to another type, or only to excluded values.";
}

/// All rules, sorted by id.
#[must_use]
pub fn rules() -> Vec<&'static Rule> {
    let pairs = SCHEMA_RULES.iter().flat_map(|pair| pair.iter());
    let mut all: Vec<&'static Rule> = DOCUMENT_RULES.iter().copied().chain(pairs).collect();
    all.sort_by_key(|rule| rule.id);
    all
}

/// The rule with an id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().into_iter().find(|rule| rule.id == id)
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

pub(crate) fn of(pair: &'static Pair, direction: Direction) -> &'static Rule {
    match direction {
        Direction::Request => &pair[0],
        Direction::Response => &pair[1],
    }
}
