// Package receiver is an OTLP/HTTP endpoint for logs that keeps account: which numbered lines arrived, how often, and whether
// in the order in which they stand in their files. It reads what is sent with the OpenTelemetry Collector's own library.
package receiver

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// Receiver serves /v1/logs as an endpoint does; /report tells what arrived, /fail?for=30s lets it fail for a while.
type Receiver struct {
	mu       sync.Mutex
	failing  time.Time // until when
	requests int
	streams  map[string]*stream
}

// stream is what one Pod sent.
type stream struct {
	arrivals []arrival
	last     Record
}

// arrival is a numbered line and its place in its file.
type arrival struct{ line, offset int64 }

// Record is a log record as it arrived.
type Record struct {
	Body                 string
	Resource, Attributes map[string]any
	Authorization        string // of the request
	Client               string // the common name of the certificate that the client showed
}

// New makes a receiver that has received nothing.
func New() *Receiver { return &Receiver{streams: map[string]*stream{}} }

// Fail lets the receiver answer 503 for a while; 0 ends that.
func (r *Receiver) Fail(lasting time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = time.Now().Add(lasting)
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case "/v1/logs":
		r.logs(w, req)
	case "/report":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r.Reports())
	case "/fail":
		lasting, err := time.ParseDuration(req.URL.Query().Get("for"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Fail(lasting)
	default:
		http.NotFound(w, req)
	}
}

func (r *Receiver) logs(w http.ResponseWriter, req *http.Request) {
	body, err := read(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	export := plogotlp.NewExportRequest()
	if err := export.UnmarshalProto(body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if time.Now().Before(r.failing) {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
		return
	}
	r.take(export.Logs(), req)
	answer, err := plogotlp.NewExportResponse().MarshalProto()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

// read gives a request's body as it was before it was compressed.
func read(req *http.Request) ([]byte, error) {
	var from io.Reader = req.Body
	switch encoding := req.Header.Get("Content-Encoding"); encoding {
	case "":
	case "gzip":
		unzipped, err := gzip.NewReader(from)
		if err != nil {
			return nil, err
		}
		from = unzipped
	case "zstd":
		unpacked, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer unpacked.Close()
		from = unpacked
	default:
		return nil, fmt.Errorf("unknown Content-Encoding %q", encoding)
	}
	return io.ReadAll(from)
}

// numbered is what the tests' apps write on each line.
var numbered = regexp.MustCompile(`\bline=([0-9]+)\b`)

func (r *Receiver) take(logs plog.Logs, req *http.Request) {
	for _, resource := range logs.ResourceLogs().All() {
		of := resource.Resource().Attributes()
		name := ""
		if v, ok := of.Get("k8s.pod.name"); ok {
			name = v.Str()
		}
		if r.streams[name] == nil {
			r.streams[name] = &stream{}
		}
		s := r.streams[name]
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				s.add(record)
				s.last = newRecord(record, of, req)
			}
		}
	}
}

func (s *stream) add(record plog.LogRecord) {
	m := numbered.FindStringSubmatch(record.Body().AsString())
	if m == nil {
		return
	}
	line, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return
	}
	var offset int64
	if v, ok := record.Attributes().Get("log.file.record_offset"); ok {
		offset = v.Int()
	}
	s.arrivals = append(s.arrivals, arrival{line, offset})
}

func newRecord(record plog.LogRecord, resource pcommon.Map, req *http.Request) Record {
	is := Record{
		Body: record.Body().AsString(), Resource: resource.AsRaw(), Attributes: record.Attributes().AsRaw(),
		Authorization: req.Header.Get("Authorization"),
	}
	if req.TLS != nil && len(req.TLS.PeerCertificates) > 0 {
		is.Client = req.TLS.PeerCertificates[0].Subject.CommonName
	}
	return is
}
