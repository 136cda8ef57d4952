package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// assemble makes an image of one layer.
func assemble(files []file, config v1.Config) (v1.Image, error) {
	layer, err := newLayer(files)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		return nil, err
	}
	whole, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	whole = whole.DeepCopy()
	whole.OS, whole.Architecture, whole.Config = "linux", runtime.GOARCH, config
	return mutate.ConfigFile(image, whole)
}

// write makes an OCI archive with the image under every name. containerd takes names from the first annotation, other
// programs from the second.
func write(w io.Writer, image v1.Image, names []string) error {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, n := range names {
		descriptor, err := describe(image, n)
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, *descriptor)
	}
	indexJSON, err := json.Marshal(index)
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	if err := add(out, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	if err := add(out, "index.json", indexJSON); err != nil {
		return err
	}
	if err := addImage(out, image); err != nil {
		return err
	}
	return out.Close()
}

func describe(image v1.Image, named string) (*v1.Descriptor, error) {
	tag, err := name.NewTag(named, name.StrictValidation)
	if err != nil {
		return nil, err
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	size, err := image.Size()
	if err != nil {
		return nil, err
	}
	return &v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Digest: digest, Size: size,
		Platform:    &v1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Annotations: map[string]string{"io.containerd.image.name": named, "org.opencontainers.image.ref.name": tag.TagStr()},
	}, nil
}

// addImage adds manifest, configuration and layers as blobs, each once.
func addImage(out *tar.Writer, image v1.Image) error {
	manifest, err := image.RawManifest()
	if err != nil {
		return err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	for _, b := range [][]byte{manifest, config} {
		hash, _, err := v1.SHA256(bytes.NewReader(b))
		if err != nil {
			return err
		}
		if err := add(out, blobPath(hash), b); err != nil {
			return err
		}
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	written := map[v1.Hash]bool{}
	for _, layer := range layers {
		hash, err := layer.Digest()
		if err != nil {
			return err
		}
		if written[hash] {
			continue
		}
		written[hash] = true
		if err := addLayer(out, hash, layer); err != nil {
			return err
		}
	}
	return nil
}

func addLayer(out *tar.Writer, hash v1.Hash, layer v1.Layer) error {
	size, err := layer.Size()
	if err != nil {
		return err
	}
	content, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer content.Close()
	if err := out.WriteHeader(&tar.Header{Name: blobPath(hash), Mode: 0o644, Size: size}); err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return err
}

func blobPath(h v1.Hash) string {
	return "blobs/" + h.Algorithm + "/" + h.Hex
}

func add(out *tar.Writer, name string, content []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := out.Write(content)
	return err
}

// writeFile writes the archive whole or not at all.
func writeFile(path string, image v1.Image, names []string) error {
	partial := path + ".partial"
	out, err := os.Create(partial)
	if err != nil {
		return err
	}
	defer os.Remove(partial)
	err = write(out, image, names)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(partial, path)
}
