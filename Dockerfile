# Images of Pillion, one target for each program.
#
#   docker build --target webhook --build-arg VERSION=0.1.0 -t ghcr.io/pillion-dev/pillion/webhook:0.1.0 .
#
# A program gets an image by three lines at the end. test/images builds every target and runs what is in it.
ARG GO_VERSION=1.26

# Go compiles for every platform at the same speed on its own. grpcnotrace: without gRPC's pages of traces, which nobody serves,
# and the HTML templates that they need.
FROM --platform=$BUILDPLATFORM docker.io/library/golang:${GO_VERSION}-bookworm AS build
ARG GOPROXY
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -tags grpcnotrace -trimpath -buildvcs=false -ldflags "-s -w -X github.com/pillion-dev/pillion/program.version=$VERSION" -o /out/ ./cmd/...

# The collector is a module of its own, generated: collector/builder.yaml.
FROM build AS collector
ARG TARGETOS
ARG TARGETARCH
ARG VERSION
RUN [ -z "$VERSION" ] || sed -i "s/\(Version: *\)\".*\"/\1\"$VERSION\"/" collector/distribution/main.go
RUN cd collector/distribution && CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -tags grpcnotrace -trimpath -buildvcs=false -ldflags "-s -w" -o /out/ .

# A static program needs no base: only roots of trust would be added, and but for one no program here dials a public server.
FROM scratch AS program
ARG VERSION
LABEL org.opencontainers.image.title="Pillion" \
      org.opencontainers.image.description="Sidecar injection for Kubernetes" \
      org.opencontainers.image.source="https://github.com/pillion-dev/pillion" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
USER 65532:65532

FROM program AS webhook
COPY --from=build /out/pillion-webhook /
ENTRYPOINT ["/pillion-webhook"]

FROM program AS controller
COPY --from=build /out/pillion-controller /
ENTRYPOINT ["/pillion-controller"]

# The helper has to be root on its node; the gate, in Pods, is this image's user.
FROM program AS node
COPY --from=build /out/pillion-node /
ENTRYPOINT ["/pillion-node"]

FROM program AS cli
COPY --from=build /out/pillion /
ENTRYPOINT ["/pillion"]

FROM program AS adapter
COPY --from=build /out/adapter /
ENTRYPOINT ["/adapter"]

FROM program AS runner
COPY --from=build /out/runner /
ENTRYPOINT ["/runner"]

FROM program AS confd
COPY --from=build /out/confd /
ENTRYPOINT ["/confd"]

# The one program that may dial a public server: it has the roots that the Go image trusts.
FROM program AS log-shipper
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=collector /out/distribution /log-shipper
ENTRYPOINT ["/log-shipper"]
