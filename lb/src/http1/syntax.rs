//! Which bytes may stand where (RFC 9110 5.5 and 5.6, RFC 3986), and small readers of them.

const TOKEN: [bool; 256] = letters_digits_and(b"!#$%&'*+-.^_`|~");

/// `reg-name`, without the comma that others take for the end of a list's member.
const NAME: [bool; 256] = letters_digits_and(b"-._~!$&'()*+;=%");

/// All that is printable, more than RFC 3986 allows: browsers send `|`, `"` and `{}` raw. No
/// `#`: what comes after it is not for servers, and servers disagree about where it ends.
const TARGET: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = byte != b'#' as usize;
        byte += 1;
    }
    table
};

const fn letters_digits_and(signs: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < signs.len() {
        table[signs[at] as usize] = true;
        at += 1;
    }
    table
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

pub(super) fn is_target_byte(byte: u8) -> bool {
    TARGET[byte as usize]
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    NAME[byte as usize]
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// Without early exit, so that it is done for many bytes at once.
pub(super) fn has_control(text: &[u8]) -> bool {
    text.iter().fold(false, |has, &byte| has | is_control(byte))
}

pub(crate) fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [byte, rest @ ..] = text
        && is_blank(*byte)
    {
        text = rest;
    }
    while let [rest @ .., byte] = text
        && is_blank(*byte)
    {
        text = rest;
    }
    text
}

/// The members of a comma-separated list; those that are empty do not count.
pub(crate) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',')
        .map(trim_blanks)
        .filter(|member| !member.is_empty())
}

/// Digits alone, of a number that fits a signed integer of 64 bits too: more than that
/// nobody sends, and others may read it as negative.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        let number = number.checked_mul(10)?.checked_add(digit)?;
        i64::try_from(number).is_ok().then_some(number)
    })
}
