//! A real engine keeps the contract, and the containers are what the template says.

use std::collections::HashMap;

use bollard::{
    models::{ContainerCreateBody, ContainerInspectResponse, HostConfig, RestartPolicyNameEnum},
    query_parameters::{CreateContainerOptions, RemoveVolumeOptions},
};
use minicloud_autoscaler::{
    instance_type::InstanceType,
    launch_template::{LaunchTemplate, UserData},
    provider::{
        InstanceProvider, LaunchError, LaunchRequest, ObservedState, ProviderError,
        docker::DockerProvider,
    },
};

use super::{
    contract_tests,
    docker_harness::{Containers, containers, remove},
    harness::{
        Behaviour, Command, Harness, assert_err, find, listen, new_id, request, until_exited,
        until_running,
    },
    run,
};

contract_tests!([flavor = "multi_thread", worker_threads = 2] containers().await);

async fn run_on_engine(test: impl AsyncFnOnce(&Containers)) {
    if let Some(harness) = containers().await {
        run(harness, test).await;
    }
}

#[tokio::test]
async fn limits_are_really_set() {
    run_on_engine(async |harness| {
        let template = LaunchTemplate {
            cpus: Some(0.25),
            memory: Some(64 << 20),
            ..harness.template(Behaviour::Serves)
        };
        let (_provider, request) = launched(harness, template).await;
        let host = host_config(harness, &request).await;
        assert_eq!(host.nano_cpus, Some(250_000_000));
        assert_eq!(host.memory, Some(64 << 20));
        assert_eq!(host.memory_swap, Some(64 << 20));
        assert_eq!(host.pids_limit, Some(512));
    })
    .await;
}

#[tokio::test]
async fn instance_has_no_privileges() {
    run_on_engine(async |harness| {
        let (_provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        let host = host_config(harness, &request).await;
        assert_eq!(host.privileged, Some(false));
        assert_eq!(
            host.security_opt,
            Some(vec!["no-new-privileges".to_owned()])
        );
        assert_eq!(host.binds.unwrap_or_default(), Vec::<String>::new());
        assert_eq!(host.cap_add.unwrap_or_default(), Vec::<String>::new());
        assert_eq!(host.pid_mode.as_deref(), Some(""));
        assert_eq!(host.network_mode, Some(harness.owner.clone()));
        assert_eq!(host.init, Some(true));
        let restart = host.restart_policy.unwrap().name;
        assert_eq!(restart, Some(RestartPolicyNameEnum::NO));
    })
    .await;
}

#[tokio::test]
async fn published_port_reaches_the_instance() {
    run_on_engine(async |harness| {
        let (provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        let address = until_running(&provider, &request.instance_id).await;
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        // Nothing listens inside; the engine's proxy accepts all the same.
        tokio::net::TcpStream::connect(&address).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn environment_tells_where_to_listen() {
    run_on_engine(async |harness| {
        let (provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        for (name, value) in [
            ("PORT", "8080"),
            ("BIND", "0.0.0.0"),
            ("MINICLOUD_OWNER", &harness.owner),
        ] {
            let command = harness.command(Command::Prints(name)).unwrap();
            let session = provider.exec(&request.instance_id, command).await.unwrap();
            assert_eq!(listen(session).await.stdout, value, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn missing_image_names_the_fix() {
    run_on_engine(async |harness| {
        let provider = harness.provider().await;
        let request = request(harness.template(Behaviour::Missing));
        let error = assert_err(provider.launch(&request).await).to_string();
        assert!(
            error.contains("docker pull minicloud-no-such-image:1"),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn impossible_templates_are_refused() {
    run_on_engine(async |harness| {
        let provider = harness.provider().await;
        let serves = || harness.template(Behaviour::Serves);
        let smuggler = {
            let mut template = serves();
            let name = "MINICLOUD_OWNER=x".to_owned();
            template.env.insert(name, "y".to_owned());
            template
        };
        for template in [
            LaunchTemplate {
                image: None,
                ..serves()
            },
            LaunchTemplate {
                image: Some("Not A Name".to_owned()),
                ..serves()
            },
            LaunchTemplate {
                cpus: Some(10_000.0),
                ..serves()
            },
            LaunchTemplate {
                memory: Some(1),
                ..serves()
            },
            smuggler,
        ] {
            let answer = provider.launch(&request(template)).await;
            assert!(
                matches!(answer, Err(LaunchError::Template(_))),
                "{answer:?}"
            );
        }
        assert!(provider.list().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn instance_out_of_memory_says_so() {
    run_on_engine(async |harness| {
        let template = LaunchTemplate {
            memory: Some(16 << 20),
            ..harness.script("tail /dev/zero; exit 1")
        };
        let (provider, request) = launched(harness, template).await;
        let detail = until_exited(&provider, &request.instance_id).await;
        assert!(detail.contains("out of memory"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn container_beside_an_instance_counts_to_it() {
    run_on_engine(async |harness| {
        let (provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        let id = &request.instance_id;
        until_running(&provider, id).await;
        let beside = harness.start(&[("minicloud.counts-to", id.as_str())]).await;
        let counted = find(&provider, id).await.unwrap().metric_ids;
        remove(&harness.docker, &beside).await;
        assert_eq!(*counted, [harness.container(id).await, beside]);
        assert_eq!(find(&provider, id).await.unwrap().metric_ids.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn containers_with_hostile_labels_are_skipped() {
    run_on_engine(async |harness| {
        let (provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        let owner = ("minicloud.owner", harness.owner.as_str());
        let hostile = [
            harness.start(&[]).await,
            harness.start(&[owner]).await,
            harness
                .start(&[owner, ("minicloud.instance-id", "i-../../etc")])
                .await,
            harness
                .start(&[
                    owner,
                    ("minicloud.instance-id", "i-0badcafe"),
                    ("minicloud.index", "-1"),
                    ("minicloud.counts-to", "; reboot"),
                ])
                .await,
        ];
        let listed = provider.list().await.unwrap();
        provider.terminate(&request.instance_id).await.unwrap();
        let survivors = harness
            .labelled(&format!("minicloud.owner={}", harness.owner))
            .await;
        for container in &hostile {
            remove(&harness.docker, container).await;
        }
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(survivors.len(), 3, "what did not parse was touched");
    })
    .await;
}

#[tokio::test]
async fn taken_name_is_told() {
    run_on_engine(async |harness| {
        let provider = harness.provider().await;
        let request = request(harness.template(Behaviour::Serves));
        let name = format!("minicloud-web-{}", request.instance_id);
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..CreateContainerOptions::default()
        };
        let body = ContainerCreateBody {
            image: Some(harness.image().to_owned()),
            ..ContainerCreateBody::default()
        };
        let made = harness.docker.create_container(Some(options), body).await;
        let error = assert_err(provider.launch(&request).await);
        remove(&harness.docker, &made.unwrap().id).await;
        let expected = format!("docker rm -f {name}");
        assert!(error.to_string().contains(&expected), "{error}");
    })
    .await;
}

#[tokio::test]
async fn container_that_was_only_created_is_started() {
    run_on_engine(async |harness| {
        // A launch of the same name and labels that crashed before its second step.
        let (provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        let id = &request.instance_id;
        let launched = inspect(harness, &request).await;
        provider.terminate(id).await.unwrap();
        let options = CreateContainerOptions {
            name: launched
                .name
                .map(|name| name.trim_start_matches('/').to_owned()),
            ..CreateContainerOptions::default()
        };
        let config = launched.config.unwrap();
        let body = ContainerCreateBody {
            image: config.image,
            env: config.env,
            labels: config.labels,
            exposed_ports: config.exposed_ports,
            host_config: launched.host_config,
            ..ContainerCreateBody::default()
        };
        let created = harness.docker.create_container(Some(options), body).await;
        let state = find(&provider, id).await.unwrap().state;
        assert_eq!(state, ObservedState::Starting);
        provider.launch(&request).await.unwrap();
        until_running(&provider, id).await;
        assert_eq!(harness.container(id).await, created.unwrap().id);
    })
    .await;
}

#[tokio::test]
async fn container_that_was_only_created_terminates() {
    run_on_engine(async |harness| {
        let provider = harness.provider().await;
        let id = new_id();
        let owner = ("minicloud.owner", harness.owner.as_str());
        let labels = [owner, ("minicloud.instance-id", id.as_str())];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let body = ContainerCreateBody {
            image: Some(harness.image().to_owned()),
            labels: Some(HashMap::from(labels)),
            ..ContainerCreateBody::default()
        };
        harness.docker.create_container(None, body).await.unwrap();
        provider.terminate(&id).await.unwrap();
        let left = harness
            .labelled(&format!("minicloud.instance-id={id}"))
            .await;
        assert_eq!(left, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn vanished_container_is_no_instance() {
    run_on_engine(async |harness| {
        let (provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        let container = harness.container(&request.instance_id).await;
        remove(&harness.docker, &container).await;
        assert!(provider.list().await.unwrap().is_empty());
        provider.terminate(&request.instance_id).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn daemon_of_a_command_does_not_hold_its_session() {
    run_on_engine(async |harness| {
        let (provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        let command = ["sh", "-c", "sleep 1000 & echo started"];
        let command = command.map(str::to_owned).to_vec();
        let session = provider.exec(&request.instance_id, command).await.unwrap();
        let said = listen(session).await;
        assert_eq!((said.stdout.as_str(), said.code), ("started\n", Some(0)));
    })
    .await;
}

#[tokio::test]
async fn image_without_a_shell_runs_commands_too() {
    run_on_engine(async |harness| {
        // The shell removes itself: what is left is an image without one.
        let (provider, request) = launched(
            harness,
            harness.script("rm /bin/sh /bin/dash /bin/bash; exec sleep 1000"),
        )
        .await;
        let id = &request.instance_id;
        let container = harness.container(id).await;
        super::harness::eventually("the shell is gone", async || {
            let top = harness
                .docker
                .top_processes(&container, None)
                .await
                .unwrap();
            let rows = top.processes.unwrap_or_default();
            let sleeps = |row: &Vec<String>| row.iter().any(|cell| cell == "sleep 1000");
            rows.iter().any(sleeps).then_some(())
        })
        .await;
        let hello = ["echo", "hello"].map(str::to_owned).to_vec();
        let said = listen(provider.exec(id, hello).await.unwrap()).await;
        assert_eq!((said.stdout.as_str(), said.code), ("hello\n", Some(0)));
        let missing = provider.exec(id, vec!["no-such-command".to_owned()]).await;
        let error = assert_err(missing);
        assert!(error.to_string().contains("not found"), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn absent_engine_is_one_clear_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no.sock");
    let refused = folder.path().join("refused.sock");
    drop(std::os::unix::net::UnixListener::bind(&refused).unwrap());
    for socket in [missing, refused] {
        let config =
            minicloud_autoscaler::provider::docker::DockerConfig::standalone("me".to_owned());
        let host = format!("unix://{}", socket.display());
        let error = assert_err(DockerProvider::connect_to(&host, config).await.map(drop));
        assert!(matches!(error, ProviderError::Unreachable(_)), "{error:?}");
        assert!(
            error.to_string().contains("systemctl start docker"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn swept_engine_is_clean() {
    run_on_engine(async |harness| {
        let (provider, request) = launched(harness, harness.template(Behaviour::Serves)).await;
        assert_eq!(provider.sweep().await.unwrap(), [request.instance_id]);
        assert_eq!(provider.sweep().await.unwrap(), []);
        provider.terminate(&new_id()).await.unwrap();
    })
    .await;
}

async fn launched(
    harness: &Containers,
    template: LaunchTemplate,
) -> (DockerProvider, LaunchRequest) {
    let provider = harness.provider().await;
    let request = request(template);
    provider.launch(&request).await.unwrap();
    (provider, request)
}

async fn inspect(harness: &Containers, request: &LaunchRequest) -> ContainerInspectResponse {
    let container = harness.container(&request.instance_id).await;
    let options = None::<bollard::query_parameters::InspectContainerOptions>;
    harness
        .docker
        .inspect_container(&container, options)
        .await
        .unwrap()
}

async fn host_config(harness: &Containers, request: &LaunchRequest) -> HostConfig {
    inspect(harness, request).await.host_config.unwrap()
}

#[tokio::test]
async fn hostile_names_stay_labels() {
    run_on_engine(async |harness| {
        let provider = harness.provider().await;
        let request = LaunchRequest {
            auto_scaling_group: "web/$(reboot) é".to_owned(),
            availability_zone: "a=b,c".to_owned(),
            ..request(harness.template(Behaviour::Serves))
        };
        provider.launch(&request).await.unwrap();
        let listed = find(&provider, &request.instance_id).await.unwrap();
        assert_eq!(listed.auto_scaling_group, request.auto_scaling_group);
        assert_eq!(listed.availability_zone, request.availability_zone);
        let labels: HashMap<String, String> = inspect(harness, &request)
            .await
            .config
            .unwrap()
            .labels
            .unwrap();
        assert_eq!(
            labels["minicloud.auto-scaling-group"],
            request.auto_scaling_group
        );
    })
    .await;
}

/// Whether a connection attempt from the instance gets any answer of that address: that nothing
/// listens there is an answer too.
async fn reaches(provider: &DockerProvider, from: &LaunchRequest, address: &str) -> bool {
    let script = format!("timeout 3 bash -c 'exec 3<>/dev/tcp/{address}/9'");
    let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let session = provider.exec(&from.instance_id, command).await.unwrap();
    // 1: refused. 124: dropped on the way.
    match listen(session).await.code {
        Some(0 | 1) => true,
        Some(124) => false,
        code => panic!("the attempt ended with {code:?}"),
    }
}

#[tokio::test]
async fn members_of_a_security_group_share_a_network_with_those_alone() {
    run_on_engine(async |harness| {
        let provider = harness.provider().await;
        let launch = async |networks: &[&str]| {
            let request = LaunchRequest {
                networks: networks.iter().map(|it| (*it).to_owned()).collect(),
                ..request(harness.template(Behaviour::Serves))
            };
            provider.launch(&request).await.unwrap();
            until_running(&provider, &request.instance_id).await;
            request
        };
        // `db` lets `web` in: who is in `web` joins its network too.
        let web = launch(&["sg-web", "sg-db"]).await;
        let db = launch(&["sg-db"]).await;
        let other = launch(&["sg-other"]).await;
        let grouped = inspect(harness, &db).await;
        let joined = grouped.network_settings.unwrap().networks.unwrap();
        let name = format!("{}-sg-db", harness.owner);
        assert_eq!(joined.keys().collect::<Vec<_>>(), [&name]);
        let address = joined[&name].ip_address.clone().unwrap();
        assert!(reaches(&provider, &web, &address).await);
        assert!(!reaches(&provider, &other, &address).await);
        // The balancer, on this machine, reaches it as ever.
        let published = until_running(&provider, &db.instance_id).await;
        tokio::net::TcpStream::connect(&published).await.unwrap();
        // A launch that was cut short after the container was made, and is made again.
        provider.launch(&web).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn mounts_are_shared_and_kept_from_writing() {
    run_on_engine(async |harness| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("greeting"), "hello").unwrap();
        let volume = harness.owner.clone();
        let bind = format!("{}:/bound:ro", folder.path().display());
        let mounts = [bind, format!("{volume}:/kept")];
        let template = LaunchTemplate {
            mounts: mounts.map(|mount| mount.parse().unwrap()).into(),
            ..harness.template(Behaviour::Serves)
        };
        let said = async |script: &str| {
            let (provider, request) = launched(harness, template.clone()).await;
            let id = &request.instance_id;
            until_running(&provider, id).await;
            let command = ["sh", "-c", script].map(str::to_owned).to_vec();
            let said = listen(provider.exec(id, command).await.unwrap()).await;
            provider.terminate(id).await.unwrap();
            said
        };
        let wrote = said("cat /bound/greeting; echo there > /kept/word; touch /bound/x").await;
        assert_eq!(wrote.stdout, "hello");
        assert!(wrote.stderr.contains("Read-only"), "{wrote:?}");
        assert_eq!(said("cat /kept/word").await.stdout, "there\n");
        harness
            .docker
            .remove_volume(&volume, None::<RemoveVolumeOptions>)
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn user_and_command_are_the_templates() {
    run_on_engine(async |harness| {
        let words = |words: [&str; 3]| Some(words.map(str::to_owned).to_vec());
        let template = LaunchTemplate {
            user: Some("1234:5678".to_owned()),
            entrypoint: Some(vec!["sh".to_owned()]),
            command: words(["-c", "id -u; id -g; exec sleep \"$0\"", "1000"]),
            user_data: Some(UserData::try_new("#!/bin/sh\nid -u\n").unwrap()),
            ..harness.script("")
        };
        let (provider, request) = launched(harness, template).await;
        until_running(&provider, &request.instance_id).await;
        let command = ["sh", "-c", "id -u; cat /proc/1/cmdline | tr '\\0' ' '"];
        let command = command.map(str::to_owned).to_vec();
        let session = provider.exec(&request.instance_id, command).await.unwrap();
        let said = listen(session).await.stdout;
        assert!(said.starts_with("1234\n"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn templates_that_cannot_run_say_why() {
    run_on_engine(async |harness| {
        let provider = harness.provider().await;
        let serves = || harness.template(Behaviour::Serves);
        for (template, says) in [
            (
                LaunchTemplate {
                    mounts: vec!["/no/such/folder:/x".parse().unwrap()],
                    ..serves()
                },
                "/no/such/folder",
            ),
            (
                LaunchTemplate {
                    mounts: vec!["/:/host".parse().unwrap()],
                    ..serves()
                },
                "allow_privileged_mounts",
            ),
            (
                LaunchTemplate {
                    user: Some("nobody-at-all".to_owned()),
                    ..serves()
                },
                "nobody-at-all",
            ),
            (
                LaunchTemplate {
                    instance_type: Some(InstanceType {
                        name: "huge".to_owned(),
                        vcpus: 1000.0,
                        memory: 1 << 30,
                    }),
                    ..serves()
                },
                "1000 vCPUs",
            ),
            (
                LaunchTemplate {
                    image: Some("minicloud-no-such-image:1".to_owned()),
                    user_data: Some(UserData::try_new("#!/bin/sh\n").unwrap()),
                    ..serves()
                },
                "is not on this engine",
            ),
        ] {
            let refused = provider.launch(&request(template)).await.unwrap_err();
            let is_template = matches!(refused, LaunchError::Template(_));
            assert!(
                is_template && refused.to_string().contains(says),
                "{refused:?}"
            );
        }
        assert!(provider.list().await.unwrap().is_empty());
    })
    .await;
}
