# One build, two images:
#   minicloud   every role and verb
#   sample-app  the demo workload, with Debian's `stress` in it
#
# Binaries that are built already, by cargo on a machine with this base's libc, can stand in
# for the build stage and its compiler: docker build --build-context build=target/release .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# What cargo fetched and compiled lives in the builder's cache: a change of our sources
# compiles nothing else again. A cache mount is in no layer, hence the copy, to where the
# binaries are in the folder that may stand in for this stage.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package minicloud --package sample-app \
    && install --target-directory=/ target/release/minicloud target/release/sample-app

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

FROM debian:bookworm-slim AS minicloud
# An empty named volume takes over the owner of the folder that it is mounted on: so each
# role can write where its own user does, and root without capabilities counts as a user.
RUN install -d -o 65532 -g 65532 /var/lib/minicloud/lb \
    && install -d -o 65534 -g 65534 /run/minicloud/agent \
    && install -d /var/lib/minicloud/autoscaler /run/minicloud/autoscaler
COPY --from=build /minicloud /usr/local/bin/minicloud
USER 65532:65532
ENTRYPOINT ["minicloud"]
