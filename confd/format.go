package confd

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/BurntSushi/toml"
	yaml "go.yaml.in/yaml/v3"
)

// Formats are what output_format may be.
var Formats = []string{"json", "toml", "xml", "yaml", "yml"}

// CheckFormat says why a file is not in a format; the empty format takes everything.
func CheckFormat(format, content string) error {
	if format == "" {
		return nil
	}
	var err error
	switch format {
	case "json":
		var v any
		err = json.Unmarshal([]byte(content), &v)
	case "toml":
		var v map[string]any
		_, err = toml.Decode(content, &v)
	case "yaml", "yml":
		err = checkYAML(content)
	case "xml":
		err = checkXML(content)
	}
	if err != nil {
		return fmt.Errorf("the result is not %s: %w", strings.ToUpper(format), err)
	}
	return nil
}

// checkYAML reads every document.
func checkYAML(content string) error {
	for dec := yaml.NewDecoder(strings.NewReader(content)); ; {
		var v any
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func checkXML(content string) error {
	elements := 0
	for dec := xml.NewDecoder(strings.NewReader(content)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
	if elements == 0 {
		return errors.New("no element")
	}
	return nil
}
