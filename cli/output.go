package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/manifest"
)

func outputFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVarP(format, "output", "o", "", "write everything as yaml or json (a stream of objects); default: each document as it came")
}

// writer writes documents as their turn comes, each with one call, so that a consumer may start at once.
type writer struct {
	out    io.Writer
	format manifest.Format // empty: each document's own
	// last input and shape of what was written.
	last *input
	wrote,
	wasJSON,
	ended bool
}

func newWriter(out io.Writer, format string) (*writer, error) {
	switch manifest.Format(format) {
	case "", manifest.YAML, manifest.JSON:
		return &writer{out: out, format: manifest.Format(format)}, nil
	}
	return nil, usagef("--output %q is not one of yaml, json", format)
}

// write writes a document. Between inputs it puts a separator where there is none.
func (w *writer) write(before *document, after *manifest.Document) error {
	text, isJSON, converted, err := w.text(after)
	if err != nil || len(text) == 0 {
		return err
	}
	bare := bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var lead []byte
	if w.wrote && (converted || before.from != w.last) {
		text = bare
		if !w.ended {
			lead = append(lead, '\n')
		}
		if !bytes.HasPrefix(bare, []byte("---")) && !(isJSON && w.wasJSON) {
			lead = append(lead, "---\n"...)
		}
	}
	w.wrote, w.wasJSON, w.last, w.ended = true, isJSON, before.from, bytes.HasSuffix(text, []byte("\n"))
	if _, err := w.out.Write(append(lead, text...)); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// text gives a document in the format asked for. YAML stays as it is where YAML is asked for, with its comments.
func (w *writer) text(d *manifest.Document) (text []byte, isJSON, converted bool, err error) {
	text = d.Bytes()
	isJSON = looksLikeJSON(text)
	if w.format == "" || w.format == manifest.YAML && !isJSON {
		return text, isJSON, false, nil
	}
	text, err = d.Format(w.format)
	return text, w.format == manifest.JSON, true, err
}

// looksLikeJSON reports whether a document is JSON and not YAML in braces.
func looksLikeJSON(text []byte) bool {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("---")))
	return len(text) > 0 && text[0] == '{' && json.Valid(text)
}
