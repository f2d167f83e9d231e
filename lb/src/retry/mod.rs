//! What a second try may cost: no more than a part of what clients ask for, so that a group in
//! trouble does not get a multiple of its load.

mod budget;
pub(crate) mod hedge;

pub(crate) use budget::Budget;
