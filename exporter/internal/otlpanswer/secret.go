package otlpanswer

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// notShown stands for a secret.
const notShown = "(not shown)"

// shortestSecret keeps what is no secret by its length from making holes in every message.
const shortestSecret = 4

// Scrub takes secrets out of a foreign text. It has to come before the text is cut to a length, which could leave half
// of one.
func Scrub(text string, secrets []string) string {
	longestFirst := slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, secret := range longestFirst {
		if len(secret) >= shortestSecret {
			text = strings.ReplaceAll(text, secret, notShown)
		}
	}
	return text
}

// showLocation is what may be shown of where a redirect leads: neither user nor query.
func showLocation(where string) string {
	u, err := url.Parse(where)
	if err != nil {
		return notShown
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return shown.String()
}
