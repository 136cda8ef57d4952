# Images of Pillion, one target each: webhook, cli.
#
#   docker build --target webhook -t ghcr.io/pillion-dev/pillion/webhook:0.1.0 .
ARG GO_VERSION=1.26

FROM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/ ./cmd/...

# A static program needs no base: only roots of trust would be added, and neither program dials a public server.
FROM scratch AS webhook
COPY --from=build /out/pillion-webhook /pillion-webhook
USER 65532:65532
ENTRYPOINT ["/pillion-webhook"]

FROM scratch AS cli
COPY --from=build /out/pillion /pillion
USER 65532:65532
ENTRYPOINT ["/pillion"]
