package images

import (
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a v1.Layer of files, as a tar that is not compressed: it is read on this machine, and soon. The tar is written
// anew each time that it is read.
type layer struct {
	files []file
	hash  v1.Hash
	size  int64
}

// newLayer sorts files, adds their directories, and reads all once.
func newLayer(files []file) (*layer, error) {
	files, err := whole(files)
	if err != nil {
		return nil, err
	}
	l := &layer{files: files}
	content, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	l.hash, l.size, err = v1.SHA256(content)
	return l, err
}

func (l *layer) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(archive(w, l.files)) }()
	return r, nil
}

func (l *layer) Compressed() (io.ReadCloser, error)  { return l.Uncompressed() }
func (l *layer) Digest() (v1.Hash, error)            { return l.hash, nil }
func (l *layer) DiffID() (v1.Hash, error)            { return l.hash, nil }
func (l *layer) Size() (int64, error)                { return l.size, nil }
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }
