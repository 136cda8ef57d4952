package doctor

import (
	"bytes"
	"encoding/json"
)

// jsonText gives a value of constant shape as JSON, as a shell takes it in single quotes.
func jsonText(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return "null"
	}
	return string(bytes.ReplaceAll(bytes.TrimSpace(b.Bytes()), []byte("'"), []byte(`'\''`)))
}
