//! What a second try may cost: no more than a part of what clients ask for, so that a group in
//! trouble does not get a multiple of its load.

mod budget;
pub(crate) mod hedge;

#[expect(unused_imports, reason = "until the data path asks for them")]
pub(crate) use budget::Budget;
