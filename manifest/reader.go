package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxDocumentSize is the size in bytes up to which a Reader accepts documents.
const MaxDocumentSize = 16 << 20

var bom = []byte("\xef\xbb\xbf")

// Reader splits a stream into documents: at the separators "---" and "..." of
// YAML, and between JSON objects that follow each other. It holds one document
// at a time.
type Reader struct {
	name  string
	in    *bufio.Reader
	line  int    // of what is read next
	rest  []byte // read already, part of the next document
	fresh bool   // rest, or what is read next, begins a line
	err   error
}

// NewReader returns a Reader of r. The name stands for the stream in errors.
func NewReader(r io.Reader, name string) *Reader {
	return &Reader{name: name, in: bufio.NewReaderSize(r, 64<<10), line: 1, fresh: true}
}

// Next returns the next document, io.EOF after the last one. Documents may be
// empty. The texts of all documents joined are the stream. After an error the
// Reader returns that error again.
func (r *Reader) Next() (*Document, error) {
	if r.err != nil {
		return nil, r.err
	}
	s := splitter{line: r.line}
	for {
		text, bol, err := r.piece()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, r.fail(r.line, err)
		}
		if len(text) == 0 {
			return r.last(&s)
		}
		n := s.take(text, bol)
		if len(s.text) > MaxDocumentSize {
			return nil, r.fail(s.line, fmt.Errorf("document is larger than %d MiB", MaxDocumentSize>>20))
		}
		if n < len(text) {
			r.rest = text[n:]
			r.fresh = bol && n == 0
			return NewDocument(s.text, r.name, s.line), nil
		}
		r.line += bytes.Count(text, []byte("\n"))
	}
}

// piece returns what is to be read next, up to the end of the line or of the
// buffer, and whether it begins a line.
func (r *Reader) piece() (text []byte, bol bool, err error) {
	text, bol = r.rest, r.fresh
	if r.rest = nil; len(text) == 0 {
		text, err = r.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		}
	}
	r.fresh = bytes.HasSuffix(text, []byte("\n"))
	return text, bol, err
}

// last returns what has been read when the stream ends.
func (r *Reader) last(s *splitter) (*Document, error) {
	r.err = io.EOF
	if len(s.text) == 0 {
		return nil, io.EOF
	}
	return NewDocument(s.text, r.name, s.line), nil
}

func (r *Reader) fail(line int, err error) error {
	r.err = fmt.Errorf("%s:%d: %w", r.name, line, err)
	return r.err
}
