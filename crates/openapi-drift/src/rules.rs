//! The rules: one for each kind of change.

use serde::Serialize;

use crate::findings::Wire;

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

/// Schema rules: name, id, effect, summary, explanation.
macro_rules! schema_rules {
    ($($name:ident $id:literal $effect:ident $summary:literal $why:literal;)*) => {
        $(
            pub(crate) static $name: Pair = [
                schema_rules!(@rule "request-", Request, $id $effect $summary $why),
                schema_rules!(@rule "response-", Response, $id $effect $summary $why),
            ];
        )*
        static SCHEMA_RULES: &[&Pair] = &[$(&$name),*];
    };
    (@rule $prefix:literal, $way:ident, $id:literal $effect:ident $summary:literal $why:literal) => {
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
        "Clients made from the old document do not call it.";
    PATH_REMOVED "path-removed" None Breaking
        "a path was removed"
        "Clients made from the old document still call it and get whatever the server says to an unknown path. Look for its successor.";
    PATH_CHANGED "path-changed" None Breaking
        "a path was renamed"
        "An operation with the same body stands under another path. Old clients call the old one.";
    PATH_PARAMETER_RENAMED "path-parameter-renamed" None Notice
        "a name in a path template changed"
        "The name between braces is not sent, so the wire is the same; a generated method's argument is renamed.";
    METHOD_ADDED "method-added" None NonBreaking
        "a method was added to a path"
        "Clients made from the old document do not use it.";
    METHOD_REMOVED "method-removed" None Breaking
        "a method of a path was removed"
        "Clients made from the old document still use it.";
    METHOD_CHANGED "method-changed" None Breaking
        "the method of an operation changed"
        "The same operation is asked for with another method; old clients use the old one.";
    OPERATION_ID_CHANGED "operation-id-changed" None Notice
        "the name of an operation changed"
        "Nothing of it is sent. Generators name methods and types after it, so a client made from the new document has other names.";
    OPERATION_DEPRECATED "operation-deprecated" None Notice
        "an operation is deprecated now"
        "It works as before; the provider announces that it will not always.";
    OPERATION_UNDEPRECATED "operation-undeprecated" None Notice
        "an operation is no longer deprecated"
        "It works as before.";
    ADDRESS_REWRITTEN "address-rewritten" None Notice
        "the same addresses are written in another way"
        "A part of the path moved between server and path, a variable was replaced by its value, or a spelling changed that means the same. Requests go where they went.";
    SERVER_ADDED "server-added" None NonBreaking
        "a server was added"
        "Old clients use the ones that they know.";
    SERVER_CHANGED "server-changed" None Breaking
        "a server has another address"
        "Old clients send to an address that the document no longer names. If the old address answers as well, say so with an entry in the ignore file.";
    SERVER_REMOVED "server-removed" None Breaking
        "a server was removed"
        "Old clients send to an address that the document no longer names. If the new address answers for both, say so with an entry in the ignore file.";
    SECURITY_ADDED "security-added" Request Breaking
        "credentials are needed that were not"
        "An old client does not send what every way in asks for now, and is refused.";
    SECURITY_REMOVED "security-removed" Request NonBreaking
        "fewer credentials are needed, or there is another way in"
        "What old clients send is still enough.";
    SECURITY_UNDEFINED "security-undefined" Request Undecided
        "credentials that no security scheme describes"
        "A requirement names a scheme that the document does not define, so it can't be compared. The provider's mistake; what it means is to be read elsewhere.";
    PARAMETER_ADDED "parameter-added" Request NonBreaking
        "an optional parameter was added"
        "Old clients do not send it.";
    REQUIRED_PARAMETER_ADDED "required-parameter-added" Request Breaking
        "a required parameter was added"
        "Old clients do not send it and are refused.";
    PARAMETER_REMOVED "parameter-removed" Request Breaking
        "a parameter was removed"
        "Old clients still send it; it is refused, or ignored without a word.";
    PARAMETER_RENAMED "parameter-renamed" Request Breaking
        "a parameter was renamed"
        "Old clients send the old name; it is refused, or ignored without a word.";
    PARAMETER_BECAME_REQUIRED "parameter-became-required" Request Breaking
        "a parameter is required now"
        "Old clients that leave it out are refused.";
    PARAMETER_BECAME_OPTIONAL "parameter-became-optional" Request NonBreaking
        "a parameter is optional now"
        "Old clients send it as before.";
    PARAMETER_SERIALISATION_CHANGED "parameter-serialisation-changed" Request Breaking
        "a parameter is written in another way"
        "style, explode, allowReserved or content say how a value becomes text. Old clients write it in the old way.";
    REQUEST_BODY_ADDED "request-body-added" Request NonBreaking
        "an optional request body was added"
        "Old clients send none.";
    REQUIRED_REQUEST_BODY_ADDED "required-request-body-added" Request Breaking
        "a required request body was added"
        "Old clients send none and are refused.";
    REQUEST_BODY_REMOVED "request-body-removed" Request Breaking
        "the request body was removed"
        "Old clients still send one; it is refused, or ignored without a word.";
    REQUEST_BODY_BECAME_REQUIRED "request-body-became-required" Request Breaking
        "the request body is required now"
        "Old clients that send none are refused.";
    REQUEST_BODY_BECAME_OPTIONAL "request-body-became-optional" Request NonBreaking
        "the request body is optional now"
        "Old clients send it as before.";
    REQUEST_MEDIA_TYPE_ADDED "request-media-type-added" Request NonBreaking
        "a request body may have another media type"
        "Old clients send the one that they know.";
    REQUEST_MEDIA_TYPE_REMOVED "request-media-type-removed" Request Breaking
        "a media type of the request body was removed"
        "Old clients that send it are refused.";
    RESPONSE_MEDIA_TYPE_ADDED "response-media-type-added" Response Breaking
        "a response may come in another media type"
        "An old client may get what it cannot read, even where it does not ask for it.";
    ERROR_MEDIA_TYPE_ADDED "error-media-type-added" Response NonBreaking
        "an error may come in another media type"
        "An old client meets errors in forms that no document names anyway.";
    RESPONSE_MEDIA_TYPE_REMOVED "response-media-type-removed" Response NonBreaking
        "a media type of a response was removed"
        "Clients that read the others are as before. A client that can read this one alone reads nothing: then another media type was added, which is a finding of its own.";
    RESPONSE_BODY_ADDED "response-body-added" Response NonBreaking
        "a success has a body where none was"
        "Responses are open: a client ignores a body that was not promised. A new client can read it.";
    RESPONSE_BODY_REMOVED "response-body-removed" Response Breaking
        "a success has no body any more"
        "An old client waits for a body and finds none.";
    ERROR_BODY_ADDED "error-body-added" Response NonBreaking
        "an error has a body where none was"
        "Old clients do not read it.";
    ERROR_BODY_REMOVED "error-body-removed" Response Breaking
        "an error has no body any more"
        "An old client reads the reason from it, and fails to.";
    SUCCESS_STATUS_ADDED "success-status-added" Response Breaking
        "there is another success"
        "An old client takes a status that it does not know for an error, or reads the body in the wrong form: what was paid for is lost.";
    SUCCESS_STATUS_CHANGED "success-status-changed" Response Breaking
        "the status of the success changed"
        "An old client takes the new status for an error: what was paid for is lost.";
    SUCCESS_STATUS_REMOVED "success-status-removed" Response NonBreaking
        "one of several successes was removed"
        "Old clients know the others.";
    ONLY_SUCCESS_REMOVED "only-success-removed" Response Breaking
        "no success is left"
        "The document does not say any more what an answer looks like that is not an error.";
    ERROR_STATUS_ADDED "error-status-added" Response NonBreaking
        "an error was added"
        "An old client meets errors that no document names anyway.";
    ERROR_STATUS_REMOVED "error-status-removed" Response NonBreaking
        "an error was removed"
        "An old client handles an error that does not come any more.";
    HEADER_ADDED "response-header-added" Response NonBreaking
        "a response header was added"
        "Old clients do not read it.";
    HEADER_REMOVED "response-header-removed" Response Breaking
        "a response header was removed"
        "An old client that reads it finds nothing.";
    HEADER_BECAME_REQUIRED "response-header-became-required" Response NonBreaking
        "a response header always comes now"
        "Old clients read it as before.";
    HEADER_BECAME_OPTIONAL "response-header-became-optional" Response Breaking
        "a response header does not always come now"
        "An old client that relies on it finds nothing.";
    CALLBACKS_CHANGED "callbacks-changed" None Undecided
        "the callbacks of an operation changed"
        "Callbacks are calls in the other direction; their contents are not compared, only whether they are the same.";
    NOT_COMPARED "not-compared" None Undecided
        "a part of the document changed that can't be compared"
        "What stands there is no OpenAPI 3.0, leads nowhere, or is beyond the limits of the comparison. It gates, because it may break anybody: read it, repair the document, or acknowledge it in the ignore file.";
    DOCUMENTATION_CHANGED "documentation-changed" None Docs
        "a description, summary, tag or the document's information changed"
        "For people; nothing of it is sent.";
    TITLE_CHANGED "title-changed" None Docs
        "a title changed"
        "Nothing of it is sent. Some generators name types after titles.";
    EXAMPLE_CHANGED "example-changed" None Docs
        "an example changed"
        "For people; nothing of it is sent.";
    EXTENSION_CHANGED "extension-changed" None Docs
        "a vendor extension changed"
        "Extensions (x-…) have no meaning in OpenAPI; tools that know one may act on it.";
    LINKS_CHANGED "links-changed" None Notice
        "the links of a response changed"
        "Links describe which operation may follow; nothing of it is sent.";
}

schema_rules! {
    PROPERTY_ADDED "property-added" Added
        "an optional property was added"
        "Old clients neither send nor read it.";
    REQUIRED_PROPERTY_ADDED "required-property-added" Narrowed
        "a required property was added"
        "In a request, old clients do not send it and are refused. In a response they ignore it.";
    PROPERTY_REMOVED "property-removed" Removed
        "a property was removed"
        "In a request, old clients still send it: it is refused, or ignored without a word. In a response, old clients read nothing from it, and mostly without an error.";
    PROPERTY_RENAMED "property-renamed" Removed
        "a property was renamed"
        "Old clients send, or read, the old name. In a response they mostly find nothing without an error.";
    REQUIRED_ADDED "required-added" Narrowed
        "a property is required now"
        "In a request, old clients that leave it out are refused. In a response it always comes.";
    REQUIRED_REMOVED "required-removed" Widened
        "a property is optional now"
        "In a request, old clients send it as before. In a response, an old client relies on it and fails when it does not come.";
    NULLABLE_ADDED "nullable-added" Widened
        "null is allowed now"
        "In a response, an old client meets null where it reads a value.";
    NULLABLE_REMOVED "nullable-removed" Narrowed
        "null is no longer allowed"
        "In a request, old clients that send null are refused.";
    TYPE_NARROWED "type-narrowed" Narrowed
        "fewer types of value are allowed"
        "In a request, old clients may send what is refused now, such as 1.5 for an integer.";
    TYPE_WIDENED "type-widened" Widened
        "more types of value are allowed"
        "In a response, an old client may get a value of a type that it does not read.";
    TYPE_CHANGED "type-changed" Changed
        "the type changed"
        "No value of the old type is one of the new.";
    ENUM_NARROWED "enum-narrowed" Narrowed
        "values are no longer allowed"
        "In a request, old clients that send one of them are refused.";
    ENUM_WIDENED "enum-widened" Widened
        "more values are allowed"
        "In a response, an old client may get a value that it does not know; one with a closed enum fails.";
    BOUND_NARROWED "bound-narrowed" Narrowed
        "a limit is tighter"
        "In a request, old clients may send what is beyond it now.";
    BOUND_WIDENED "bound-widened" Widened
        "a limit is wider"
        "In a response, an old client may get what was beyond it.";
    BOUND_CHANGED "bound-changed" Changed
        "a limit changed in both ways"
        "Some values that were allowed are not, and the other way round.";
    PATTERN_ADDED "pattern-added" Narrowed
        "a pattern was added"
        "In a request, old clients may send what does not match.";
    PATTERN_REMOVED "pattern-removed" Widened
        "a pattern was removed"
        "In a response, an old client may get what did not match.";
    PATTERN_CHANGED "pattern-changed" Changed
        "a pattern changed"
        "Which texts match is not compared as a set: a text that the one side allows and the other does not is looked for, and where none is found the finding is undecided.";
    FORMAT_ADDED "format-added" Narrowed
        "a format was added"
        "In a request, old clients may send what is not of the format.";
    FORMAT_REMOVED "format-removed" Widened
        "a format was removed"
        "In a response, an old client may get what is not of the format.";
    FORMAT_CHANGED "format-changed" Changed
        "the format changed"
        "What was of the old format need not be of the new.";
    FORMAT_NOTED "format-noted" Notice
        "a format that allows every value changed"
        "password, binary, float and double say how a value is shown or held, not which values there are. Generators may make another type of it.";
    FORMAT_UNKNOWN "format-unknown" Unknown
        "a format changed that is not known here"
        "Which values are of the format is not known, so whom the change breaks is not either.";
    ADDITIONAL_NARROWED "additional-properties-narrowed" Narrowed
        "fewer values are allowed under names that are not given"
        "In a request, old clients may send members that are refused now.";
    ADDITIONAL_WIDENED "additional-properties-widened" Widened
        "more values are allowed under names that are not given"
        "In a response, an old client that reads the object as a map may get values that it does not read.";
    ADDITIONAL_REMOVED "additional-properties-removed" Removed
        "names that are not given are no longer allowed"
        "In a request, old clients still send them. In a response, an old client that reads the object as a map finds nothing.";
    ADDITIONAL_ADDED "additional-properties-added" Added
        "names that are not given are allowed now"
        "Old clients neither send nor read them.";
    ADDITIONAL_FORBIDDEN "additional-properties-forbidden" Narrowed
        "other properties are forbidden now"
        "In a request, old clients may send properties that the document did not name, and are refused. In a response, clients ignore such properties.";
    ADDITIONAL_NOTED "additional-properties-noted" Notice
        "other properties are no longer forbidden"
        "Old clients neither send nor read them.";
    OBJECT_LISTED "object-listed" Narrowed
        "a free-form object lists its properties now"
        "In a request, old clients may send any properties, with any values. In a response, what comes is one of the objects that could come before.";
    OBJECT_UNLISTED "object-unlisted" Widened
        "an object no longer lists its properties"
        "In a response, an old client may get values that it does not read, or miss properties that it needs.";
    UNSENT_CHANGED "unsent-property-changed" Notice
        "a property that never travels this way was added or removed"
        "Read-only properties are not sent in requests, write-only ones not in responses. A generated type gains or loses a field.";
    UNION_NARROWED "union-narrowed" Narrowed
        "a form is no longer allowed"
        "In a request, old clients that send this form are refused.";
    UNION_WIDENED "union-widened" Widened
        "another form is allowed"
        "In a response, an old client may get a form that it does not read.";
    UNION_REWRITTEN "union-rewritten" Notice
        "a union is written in another way"
        "The same values are allowed as before. Generators may make another type of it.";
    UNION_OVERLAPPING "union-overlapping" Changed
        "a union changed whose forms overlap"
        "With oneOf, a value that two forms allow is refused, so one more form, or one that allows more, can refuse what was allowed.";
    DISCRIMINATOR_CHANGED "discriminator-changed" Changed
        "the property of a discriminator changed, or what one of its values means"
        "The side that reads it takes a value for another form, or for none. JSON Schema does not see it, so there is no example of a body.";
    DISCRIMINATOR_NARROWED "discriminator-value-removed" Narrowed
        "a value of a discriminator was removed, and its form stays"
        "In a request, old clients that send it are refused.";
    DISCRIMINATOR_WIDENED "discriminator-value-added" Widened
        "a value of a discriminator was added for a form that was there"
        "In a response, an old client may get a value that it does not know.";
    DISCRIMINATOR_NOTED "discriminator-noted" Notice
        "a discriminator is written in another way, or came, or went"
        "The same values are allowed. Generators may decode the union in another way.";
    DEFAULT_CHANGED "default-changed" Notice
        "a default changed"
        "The same values are allowed. What the server does where nothing is sent may be something else now.";
    ACCESS_CHANGED "access-changed" Notice
        "whether a property is only read or only written is said in another way"
        "In this direction it travels as before. In the other one it may have come or gone, which is a finding of its own.";
    DEPRECATED "deprecated" Notice
        "deprecated now"
        "It works as before; the provider announces that it will not always.";
    UNDEPRECATED "undeprecated" Notice
        "no longer deprecated"
        "It works as before.";
    NOT_UNDERSTOOD "schema-not-understood" Unknown
        "a part of a schema changed that is not understood"
        "A keyword that OpenAPI 3.0 does not have, a value that a keyword can't hold, a reference that leads nowhere, or more than is compared.";
    WITHOUT_EFFECT "limit-without-effect" Notice
        "a limit changed that no value feels"
        "The keyword is about another type than the values have, or about values that something else excludes already.";
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
