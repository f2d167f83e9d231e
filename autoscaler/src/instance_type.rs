//! Named sizes: EC2's, and those that the configuration file adds. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How large an instance is: EC2's `InstanceTypeInfo`, as far as it applies here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceType {
    pub name: String,
    /// CPU quota in cores.
    pub vcpus: f64,
    /// Memory limit in bytes.
    pub memory: u64,
}

/// What a machine has to give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostSize {
    pub vcpus: f64,
    /// Bytes.
    pub memory: u64,
}

/// vCPUs and memory in MiB, from the tables of EC2's "Instance types" pages. A vCPU is a core
/// of this machine. Burstable types (`t2`, `t3`) have no credits here: all of their vCPUs, all
/// of the time.
const EC2: &[(&str, u32, u32)] = &[
    ("c5.large", 2, 4096),
    ("c5.xlarge", 4, 8192),
    ("c5.2xlarge", 8, 16_384),
    ("c5.4xlarge", 16, 32_768),
    ("c5.9xlarge", 36, 73_728),
    ("c6i.large", 2, 4096),
    ("c6i.xlarge", 4, 8192),
    ("c6i.2xlarge", 8, 16_384),
    ("m5.large", 2, 8192),
    ("m5.xlarge", 4, 16_384),
    ("m5.2xlarge", 8, 32_768),
    ("m5.4xlarge", 16, 65_536),
    ("m5.8xlarge", 32, 131_072),
    ("m6i.large", 2, 8192),
    ("m6i.xlarge", 4, 16_384),
    ("m6i.2xlarge", 8, 32_768),
    ("r5.large", 2, 16_384),
    ("r5.xlarge", 4, 32_768),
    ("r5.2xlarge", 8, 65_536),
    ("t2.nano", 1, 512),
    ("t2.micro", 1, 1024),
    ("t2.small", 1, 2048),
    ("t2.medium", 2, 4096),
    ("t2.large", 2, 8192),
    ("t2.xlarge", 4, 16_384),
    ("t2.2xlarge", 8, 32_768),
    ("t3.nano", 2, 512),
    ("t3.micro", 2, 1024),
    ("t3.small", 2, 2048),
    ("t3.medium", 2, 4096),
    ("t3.large", 2, 8192),
    ("t3.xlarge", 4, 16_384),
    ("t3.2xlarge", 8, 32_768),
];

/// EC2's types and `own`, by name.
pub fn all(own: &BTreeMap<String, InstanceType>) -> impl Iterator<Item = InstanceType> {
    let of_ec2 = EC2.iter().map(|(name, vcpus, mebibytes)| InstanceType {
        name: (*name).to_owned(),
        vcpus: f64::from(*vcpus),
        memory: u64::from(*mebibytes) << 20,
    });
    of_ec2.chain(own.values().cloned())
}

pub fn find(own: &BTreeMap<String, InstanceType>, name: &str) -> Option<InstanceType> {
    all(own).find(|known| known.name == name)
}

impl InstanceType {
    /// Why no instance of this type can be launched on `host`, in the words of EC2's
    /// `InsufficientInstanceCapacity`.
    pub fn exceeds(&self, host: HostSize) -> Option<String> {
        let Self {
            name,
            vcpus,
            memory,
        } = self;
        let mebibytes = |bytes: u64| bytes >> 20;
        if *vcpus > host.vcpus {
            return Some(format!(
                "instance type {name} has {vcpus} vCPUs and this machine {}; choose a smaller one",
                host.vcpus
            ));
        }
        (*memory > host.memory).then(|| {
            format!(
                "instance type {name} has {} MiB of memory and this machine {}; choose a smaller one",
                mebibytes(*memory),
                mebibytes(host.memory)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_types_stand_beside_those_of_ec2() {
        let own = InstanceType {
            name: "tiny".to_owned(),
            vcpus: 0.1,
            memory: 64 << 20,
        };
        let types = BTreeMap::from([(own.name.clone(), own.clone())]);
        assert_eq!(find(&types, "tiny"), Some(own));
        let micro = find(&types, "t2.micro").unwrap();
        assert_eq!((micro.vcpus, micro.memory), (1.0, 1 << 30));
        assert_eq!(find(&types, "t2.tiny"), None);
    }

    #[test]
    fn names_are_unique_and_sorted_by_family() {
        let names: Vec<_> = EC2.iter().map(|(name, ..)| *name).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn type_larger_than_the_host_says_by_what() {
        let host = HostSize {
            vcpus: 2.0,
            memory: 4 << 30,
        };
        let of = |name| find(&BTreeMap::new(), name).unwrap().exceeds(host);
        assert_eq!(of("t3.medium"), None);
        assert!(of("c5.xlarge").unwrap().contains("4 vCPUs"));
        assert!(of("m5.large").unwrap().contains("8192 MiB"));
    }
}
