use rand::RngExt;

/// A request's `X-Amzn-Trace-Id` as targets get it, after ALB's request tracing.
#[derive(Debug)]
pub(crate) struct TraceId(Vec<u8>);

/// What is kept of a client's own trace id; longer ones are not believed to be one.
const MAX_INBOUND: usize = 256;
/// `1-` + 8 + `-` + 24.
const ID_LENGTH: usize = 35;

impl TraceId {
    /// `Root=ID` for a request that brings none; what it brings with `Self=ID` before it or,
    /// where its first field is another `Self`, instead of that.
    pub(crate) fn new(inbound: Option<&[u8]>, epoch_seconds: u32, rng: &mut impl RngExt) -> Self {
        let mut id = Vec::with_capacity(ID_LENGTH + 5);
        let inbound = inbound.filter(|inbound| {
            inbound.len() <= MAX_INBOUND && inbound.windows(5).any(|name| name == b"Root=")
        });
        id.extend_from_slice(if inbound.is_some() {
            b"Self="
        } else {
            b"Root="
        });
        id.extend_from_slice(b"1-");
        put_hex(&mut id, epoch_seconds);
        id.push(b'-');
        for _ in 0..3 {
            put_hex(&mut id, rng.random());
        }
        for member in inbound.unwrap_or_default().split(|&byte| byte == b';') {
            let member = member.trim_ascii();
            if !member.is_empty() && !member.starts_with(b"Self=") {
                id.push(b';');
                id.extend_from_slice(member);
            }
        }
        Self(id)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn put_hex(out: &mut Vec<u8>, number: u32) {
    for shift in (0..8).rev() {
        out.push(b"0123456789abcdef"[(number >> (shift * 4)) as usize & 15]);
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    fn id(inbound: Option<&[u8]>) -> String {
        let mut rng = SmallRng::seed_from_u64(1);
        let id = TraceId::new(inbound, 0x5f5e_1000, &mut rng);
        String::from_utf8(id.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_request_without_one_gets_a_root() {
        let id = id(None);
        assert!(id.starts_with("Root=1-5f5e1000-"), "{id}");
        assert_eq!(id.len(), 5 + ID_LENGTH);
    }

    #[test]
    fn a_root_is_kept_behind_our_self() {
        let told = id(Some(
            b"Self=1-a-b; Root=1-67891233-abcdef012345678912345678;CalledFrom=app",
        ));
        assert!(told.starts_with("Self=1-5f5e1000-"), "{told}");
        assert!(told.ends_with(";Root=1-67891233-abcdef012345678912345678;CalledFrom=app"));
        assert_eq!(told.matches("Self=").count(), 1);
    }

    #[test]
    fn what_is_no_trace_id_is_replaced() {
        for inbound in [&b"hello"[..], b"", &[b'R'; 300], &b"Root=1;".repeat(60)] {
            assert!(id(Some(inbound)).starts_with("Root=1-"), "{inbound:?}");
        }
    }
}
