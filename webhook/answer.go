package webhook

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/sidecars"
)

// Bounds of an answer.
const (
	// maxMessage bounds the message of a refusal, in bytes.
	maxMessage = 8 << 10
	// maxWarnings bounds the number of warnings; the API server drops what is beyond 4096 bytes in all.
	maxWarnings = 20
	// maxAudit bounds the value of an audit annotation, in bytes.
	maxAudit = 256
)

// appendAnswer appends the AdmissionReview that answers the request of that uid.
func appendAnswer(dst []byte, uid string, d *decision, scratch []byte) (answer, patch []byte) {
	dst = append(dst, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":`...)
	dst = appendString(dst, uid)
	dst = append(dst, `,"allowed":`...)
	dst = strconv.AppendBool(dst, !d.refused)
	if d.refused {
		dst = appendStatus(dst, d)
	}
	if len(d.patch) > 0 {
		scratch = sidecars.AppendPatch(scratch[:0], d.patch)
		dst = append(dst, `,"patchType":"JSONPatch","patch":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, scratch)
		dst = append(dst, '"')
	}
	dst = appendAudit(dst, d)
	dst = appendWarnings(dst, d.warnings)
	return append(dst, '}', '}'), scratch
}

// appendStatus says why a Pod is refused. Forbidden is what kubectl prints whole; a Pod that can be tried again later is
// ServiceUnavailable.
func appendStatus(dst []byte, d *decision) []byte {
	code, reason := `403`, `"Forbidden"`
	if d.outcome == Unavailable {
		code, reason = `503`, `"ServiceUnavailable"`
	}
	dst = append(append(dst, `,"status":{"status":"Failure","message":`...), appendString(nil, d.message())...)
	dst = append(append(dst, `,"reason":`...), reason...)
	dst = append(append(dst, `,"code":`...), code...)
	return append(dst, '}')
}

// appendAudit adds the audit annotations of every decision on a Pod that asked for something, or that Pillion could not
// decide. The API server puts the webhook's name and a slash before each key.
func appendAudit(dst []byte, d *decision) []byte {
	if d.plainSkip() {
		return dst
	}
	dst = append(dst, `,"auditAnnotations":{"outcome":`...)
	dst = appendString(dst, string(d.outcome))
	if d.reason != sidecars.ReasonNone {
		dst = appendString(append(dst, `,"reason":`...), string(d.reason))
	}
	if len(d.sidecars) > 0 {
		dst = appendString(append(dst, `,"sidecars":`...), cut(strings.Join(d.sidecars, ","), maxAudit))
	}
	if d.catalog != "" {
		dst = appendString(append(dst, `,"catalog":`...), d.catalog)
	}
	return append(dst, '}')
}

func appendWarnings(dst []byte, warnings []sidecars.Warning) []byte {
	if len(warnings) == 0 {
		return dst
	}
	dst = append(dst, `,"warnings":[`...)
	for i, w := range warnings {
		if i > 0 {
			dst = append(dst, ',')
		}
		if left := len(warnings) - i; i == maxWarnings-1 && left > 1 {
			w = sidecars.Warning{Code: CodeMoreWarnings, Text: strconv.Itoa(left) + " more warnings are not shown"}
			dst = appendString(dst, w.String())
			break
		}
		dst = appendString(dst, w.String())
	}
	return append(dst, ']')
}

// joinErrors gives every mistake with its field path, numbered where there are several, in one line of at most maxMessage
// bytes: events and conditions, where refusals of templated Pods show up, have no room for line breaks.
func joinErrors(errs field.ErrorList) string {
	if len(errs) == 1 {
		return cut(errs[0].Error(), maxMessage)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d mistakes:", len(errs))
	for i, e := range errs {
		text := fmt.Sprintf(" (%d) %s;", i+1, e.Error())
		if rest := fmt.Sprintf(" and %d more;", len(errs)-i); b.Len()+len(text)+len(rest) > maxMessage {
			b.WriteString(rest)
			break
		}
		b.WriteString(text)
	}
	return strings.TrimSuffix(b.String(), ";")
}

// appendString appends s as a JSON string; what is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	quoted, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		quoted, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\ufffd"))
	}
	return quoted
}

// cut shortens s to at most n bytes, with dots where something is missing.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-3], "") + "..."
}
