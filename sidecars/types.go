package sidecars

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// typeCheck gives the canonical text of a value of one parameter type, or one sentence on what such a value looks like.
type typeCheck func(p *param, text string) (string, error)

func checkFor(typ v1alpha1.ParameterType) typeCheck {
	switch typ {
	case v1alpha1.TypeString:
		return checkString
	case v1alpha1.TypeInteger:
		return checkInteger
	case v1alpha1.TypeBoolean:
		return checkBoolean
	case v1alpha1.TypeQuantity:
		return checkQuantity
	case v1alpha1.TypeDuration:
		return checkDuration
	case v1alpha1.TypePort:
		return checkPort
	case v1alpha1.TypePath:
		return checkPath
	case v1alpha1.TypeURL:
		return checkURL
	case v1alpha1.TypeSecretName, v1alpha1.TypeConfigMapName:
		return checkObjectName
	}
	return nil
}

func scalarTypes() []string {
	return []string{"string", "integer", "boolean", "quantity", "duration", "port", "path", "url", "secretName", "configMapName"}
}

func checkType(p *param, text string) (string, error) { return checkFor(p.typ)(p, text) }

func checkString(_ *param, text string) (string, error) { return text, nil }

func checkInteger(_ *param, text string) (string, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return "", errors.New("must be a whole number")
	}
	return strconv.FormatInt(n, 10), nil
}

func checkBoolean(_ *param, text string) (string, error) {
	if text != "true" && text != "false" {
		return "", errors.New("must be true or false")
	}
	return text, nil
}

// quantityShape leaves out what Kubernetes reads as a quantity of nothing, such as "Mi".
var quantityShape = regexp.MustCompile(`\A\+?\.?[0-9]`)

func checkQuantity(_ *param, text string) (string, error) {
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() < 0 || !quantityShape.MatchString(text) {
		return "", errors.New("must be a quantity such as 256Mi or 100m")
	}
	return text, nil
}

func checkDuration(_ *param, text string) (string, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return "", errors.New("must be a duration such as 500ms or 1m30s")
	}
	return text, nil
}

func checkPort(_ *param, text string) (string, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 || n > 65535 {
		return "", errors.New("must be a port between 1 and 65535")
	}
	return strconv.FormatInt(n, 10), nil
}

// pathShape leaves out white space, quotes, globs, the colon (a mount path cannot hold it) and all that any config
// language gives a meaning to.
var pathShape = regexp.MustCompile(`\A/[A-Za-z0-9._@+,=/-]+\z`)

func checkPath(_ *param, text string) (string, error) {
	if !pathShape.MatchString(text) || path.Clean(text) != text {
		return "", errors.New("must be a clean absolute path of letters, digits and . _ @ + , = -")
	}
	return text, nil
}

func checkURL(p *param, text string) (string, error) {
	schemes := p.decl.Schemes
	if len(schemes) == 0 {
		schemes = []string{"http", "https"}
	}
	u, err := url.Parse(text)
	if err == nil && u.Port() != "" {
		_, err = checkPort(p, u.Port())
	}
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, " \t") {
		return "", fmt.Errorf("must be a URL such as %s://host:port/path without user info; schemes: %s", schemes[0], strings.Join(schemes, ", "))
	}
	return text, nil
}

func checkObjectName(_ *param, text string) (string, error) {
	if len(validation.IsDNS1123Subdomain(text)) > 0 {
		return "", errors.New("must be the name of an object: letters in lower case, digits, dots and hyphens")
	}
	return text, nil
}
