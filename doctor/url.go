package doctor

import "net/url"

// hostOf gives host and port of a URL; the text where it is none.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	return u.Host
}
