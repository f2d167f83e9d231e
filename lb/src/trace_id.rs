use rand::RngExt;

/// A request's `X-Amzn-Trace-Id` as targets get it, after ALB's request tracing.
#[derive(Debug)]
pub(crate) struct TraceId<'a> {
    own: [u8; ID_LENGTH],
    /// What the client brought, if it is to be believed.
    inbound: Option<&'a [u8]>,
}

/// What is kept of a client's own trace id; longer ones are not believed to be one.
const MAX_INBOUND: usize = 256;
/// `1-` + 8 + `-` + 24.
const ID_LENGTH: usize = 35;

impl<'a> TraceId<'a> {
    /// `Root=ID` for a request that brings none; what it brings with `Self=ID` before it or,
    /// where its first field is another `Self`, instead of that.
    pub(crate) fn new(
        inbound: Option<&'a [u8]>,
        epoch_seconds: u32,
        rng: &mut impl RngExt,
    ) -> Self {
        let mut own = *b"1-ssssssss-rrrrrrrrrrrrrrrrrrrrrrrr";
        own[2..10].copy_from_slice(&hex(epoch_seconds));
        for digits in own[11..].as_chunks_mut().0 {
            *digits = hex(rng.random());
        }
        let inbound = inbound.filter(|inbound| {
            inbound.len() <= MAX_INBOUND && inbound.windows(5).any(|name| name == b"Root=")
        });
        Self { own, inbound }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let name = if self.inbound.is_some() {
            b"Self="
        } else {
            b"Root="
        };
        out.extend_from_slice(name);
        out.extend_from_slice(&self.own);
        for member in self.inbound.unwrap_or_default().split(|&byte| byte == b';') {
            let member = member.trim_ascii();
            if !member.is_empty() && !member.starts_with(b"Self=") {
                out.push(b';');
                out.extend_from_slice(member);
            }
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }
}

fn hex(number: u32) -> [u8; 8] {
    std::array::from_fn(|at| b"0123456789abcdef"[(number >> (28 - 4 * at)) as usize & 15])
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    fn id(inbound: Option<&[u8]>) -> String {
        let mut rng = SmallRng::seed_from_u64(1);
        let id = TraceId::new(inbound, 0x5f5e_1000, &mut rng);
        String::from_utf8(id.to_bytes()).unwrap()
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
