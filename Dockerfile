# One build, two images:
#   minicloud   every role and verb
#   sample-app  the demo workload, with Debian's `stress` in it
#
# For another architecture the compiler runs on this one: nothing of `minicloud` is emulated.
#   docker buildx build --platform linux/amd64,linux/arm64 --target minicloud .
#
# Binaries that are built already, by cargo on a machine with this base's libc, can stand in
# for the build stage and its compiler: docker build --build-context build=target/release .

FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src
# What another architecture takes: Rust's library and, for the linker and for SQLite, a C compiler.
RUN if [ "$TARGETARCH" != "$BUILDARCH" ]; then \
        case "$TARGETARCH" in \
            amd64) rust=x86_64 debian=x86-64 ;; \
            arm64) rust=aarch64 debian=aarch64 ;; \
            *) echo "images are for amd64 and arm64, not for $TARGETARCH" >&2; exit 1 ;; \
        esac \
        && apt-get update \
        && apt-get install --yes --no-install-recommends \
            "gcc-$debian-linux-gnu" "libc6-dev-$TARGETARCH-cross" \
        && rm -rf /var/lib/apt/lists/* \
        && rustup target add "$rust-unknown-linux-gnu"; \
    fi
COPY . .
# What cargo fetched and compiled lives in the builder's cache: a change of our sources
# compiles nothing else again. A cache mount is in no layer, hence the copy, to where the
# binaries are in the folder that may stand in for this stage.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    case "$TARGETARCH" in \
        "$BUILDARCH") target= ;; \
        amd64) target=x86_64-unknown-linux-gnu \
            && export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc ;; \
        arm64) target=aarch64-unknown-linux-gnu \
            && export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc ;; \
    esac \
    && cargo build --release --locked --package minicloud --package sample-app \
        ${target:+--target "$target"} \
    && install --target-directory=/ \
        "target/${target:+$target/}release/minicloud" "target/${target:+$target/}release/sample-app"

FROM debian:bookworm-slim AS sample-app
# A base that carries it already needs no package mirror.
RUN command -v stress >/dev/null \
    || { apt-get update \
         && apt-get install --yes --no-install-recommends stress \
         && rm -rf /var/lib/apt/lists/*; }
COPY --from=build /sample-app /usr/local/bin/sample-app
USER 65533:65533
EXPOSE 8080
CMD ["sample-app"]

# Folders that images of any architecture take over, so that no command runs in these.
FROM --platform=$BUILDPLATFORM debian:bookworm-slim AS folders
RUN mkdir /empty

FROM debian:bookworm-slim AS minicloud
# An empty named volume takes over the owner of the folder that it is mounted on: so each
# role can write where its own user does, and root without capabilities counts as a user.
COPY --from=folders /empty /var/lib/minicloud/autoscaler
COPY --from=folders /empty /run/minicloud/autoscaler
# After those, which made the folders above them root's.
COPY --from=folders --chown=65532:65532 /empty /var/lib/minicloud/lb
COPY --from=folders --chown=65534:65534 /empty /run/minicloud/agent
COPY --from=build /minicloud /usr/local/bin/minicloud
USER 65532:65532
ENTRYPOINT ["minicloud"]
