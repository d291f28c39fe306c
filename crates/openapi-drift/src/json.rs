//! JSON with what serde_json leaves out: places, and numbers of any size.

mod number;
mod references;
mod tree;

pub(crate) use number::Decimal;
pub use tree::Position;
pub(crate) use tree::{Id, Kind, NoTree, ROOT, Tree, same, same_here};

/// A number as serde_json has it: exact where 64 bits hold it, otherwise the
/// nearest double.
pub(crate) fn value_of(number: &Decimal) -> serde_json::Value {
    if let Some(whole) = number.to_i128() {
        if let Ok(small) = i64::try_from(whole) {
            return small.into();
        }
        if let Ok(small) = u64::try_from(whole) {
            return small.into();
        }
    }
    let double = number.to_f64();
    serde_json::Number::from_f64(double).map_or_else(
        || serde_json::Value::String(number.to_string()),
        serde_json::Value::Number,
    )
}
