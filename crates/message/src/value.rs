//! placeholder while it is being written
pub type Text = smol_str::SmolStr;
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
}
#[derive(Debug, Clone, PartialEq)]
pub struct Object;
#[derive(Debug, Clone, PartialEq)]
pub struct Array;
