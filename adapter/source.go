package adapter

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pillion-dev/pillion/configfile"
)

// kind says what a source has to give.
type kind int

const (
	kindMetrics kind = iota // Prometheus' formats
	kindPage                // a page of the app's own making
)

// The formats of a page.
const (
	formatJSON = "json"
	formatText = "text"
	// formatHealth is for a page of which only the status counts.
	formatHealth = "health"
)

// Source is one place to gather from: one of Port, URL, Socket or File.
type Source struct {
	Name   string
	Port   int    // on 127.0.0.1
	URL    string // http or https, on localhost
	Socket string // a Unix socket that speaks HTTP
	File   string // a file that an app writes
	Path   string // of Port and Socket
	TLS    TLS
	Format string // of a page

	at       configfile.Place
	kind     kind
	mappings []*mapping
	client   *http.Client
}

// TLS says how a source's certificate is checked.
type TLS struct {
	CA         string // file with PEM certificates to trust
	ServerName string
	Insecure   bool // the certificate is not checked: whoever listens on localhost is believed
}

// answer is what a source said.
type answer struct {
	body        []byte
	status      int // 200 for a file
	contentType string
	took        time.Duration
}

// The reasons why a source gave nothing, as adapter_source_failures_total shows them.
const (
	reasonConnect = "connect"
	reasonTimeout = "timeout"
	reasonStatus  = "status"
	reasonTooBig  = "too-big"
	reasonParse   = "parse"
	reasonSeries  = "too-many-series"
)

// failure is an error with one of the reasons.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return errors.New("must be an http or https URL without user info")
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("must be on localhost: the adapter asks the containers of its own Pod only")
	}
	return nil
}

func (s *Source) check() {
	given := 0
	for _, key := range []string{"port", "url", "socket", "file"} {
		if s.at.Has(key) {
			given++
		}
	}
	if given != 1 {
		s.at.Fail("must have one of port, url, socket, file")
	}
	if s.TLS != (TLS{}) && s.URL == "" {
		s.at.Below("tls").Fail("is for a source with a url")
	}
	if s.kind == kindPage && len(s.mappings) == 0 {
		s.at.Below("metrics").Fail("is required: the metrics to make of the page")
	}
	if s.Format == formatHealth && s.File != "" {
		s.at.Below("format").Fail("a file has no status")
	}
	for _, m := range s.mappings {
		m.check(s.Format)
	}
	s.client = s.newClient()
}

// newClient follows no redirect and no proxy, which would lead out of the Pod.
func (s *Source) newClient() *http.Client {
	dialer := &net.Dialer{}
	t := &http.Transport{MaxIdleConns: 2, MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10}
	t.DialContext = dialer.DialContext
	if s.Socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", s.Socket)
		}
	}
	if s.TLS != (TLS{}) {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.TLS.ServerName, InsecureSkipVerify: s.TLS.Insecure}
		if s.TLS.CA != "" {
			pem, err := readBounded(s.TLS.CA)
			t.TLSClientConfig.RootCAs = x509.NewCertPool()
			if err != nil {
				s.at.Below("tls").Below("ca").Fail("%v", err)
			} else if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
				s.at.Below("tls").Below("ca").Fail("%s holds no certificate", s.TLS.CA)
			}
		}
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (s *Source) address() string {
	switch {
	case s.URL != "":
		return s.URL
	case s.Socket != "":
		return "http://localhost" + s.Path
	}
	return "http://127.0.0.1:" + strconv.Itoa(s.Port) + s.Path
}

// accept asks for what the parser reads best.
const accept = "text/plain;version=0.0.4;q=0.8,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.1"

// budget is how many bytes may still be read in a round, by all sources together.
type budget struct{ left atomic.Int64 }

func (b *budget) Read(r io.Reader, most int) ([]byte, error) {
	body, err := io.ReadAll(&budgeted{r, b, most})
	if err != nil {
		b.left.Add(int64(len(body)))
		return nil, err
	}
	return body, nil
}

// budgeted fails when the budget, or what one source may take of it, is used up.
type budgeted struct {
	from   io.Reader
	budget *budget
	most   int
}

func (r *budgeted) Read(into []byte) (int, error) {
	n, err := r.from.Read(into)
	if r.most -= n; r.most < 0 || r.budget.left.Add(-int64(n)) < 0 {
		return n, &failure{reasonTooBig, errors.New("is longer than what may be read in one round (maxAnswerBytes)")}
	}
	return n, err
}

// maxPageBytes bounds a page, which grows when it is parsed.
const maxPageBytes = 512 << 10

// fetch asks the source.
func (s *Source) fetch(ctx context.Context, b *budget) (*answer, error) {
	began, most := time.Now(), math.MaxInt
	if s.kind == kindPage {
		most = maxPageBytes
	}
	read := s.get
	if s.File != "" {
		read = s.readFile
	}
	a, err := read(ctx, b, most)
	if err != nil {
		return nil, reasoned(ctx, err)
	}
	a.took = time.Since(began)
	return a, nil
}

func reasoned(ctx context.Context, err error) error {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	reason := reasonConnect
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		reason = reasonTimeout
	}
	return &failure{reason, err}
}

func (s *Source) get(ctx context.Context, b *budget, most int) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "pillion-adapter")
	if s.kind == kindMetrics {
		r.Header.Set("Accept", accept)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, contentType: res.Header.Get("Content-Type")}
	if s.Format == formatHealth {
		return a, nil
	}
	if res.StatusCode != http.StatusOK {
		return nil, &failure{reasonStatus, fmt.Errorf("answers %s", res.Status)}
	}
	a.body, err = b.Read(res.Body, most)
	return a, err
}

// readFile reads a file that somebody else can replace by anything: a link is not followed, a pipe not waited for.
func (s *Source) readFile(_ context.Context, b *budget, most int) (*answer, error) {
	f, err := os.OpenFile(s.File, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", s.File)
	}
	body, err := b.Read(f, most)
	return &answer{body: body, status: http.StatusOK}, err
}
