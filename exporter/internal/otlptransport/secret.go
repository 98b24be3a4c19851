package otlptransport

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// secrets are the texts that an answer may repeat and nobody may see: values of headers, what they carry after a
// scheme such as Bearer, the login in one for Basic, and the endpoint's password, or user without one, and query.
func (c Config) secrets() []string {
	var secrets []string
	for _, value := range c.Headers() {
		token := value[strings.LastIndexByte(value, ' ')+1:]
		secrets = append(secrets, value, token, url.QueryEscape(value))
		if login, err := base64.StdEncoding.DecodeString(token); err == nil && strings.Contains(value, " ") {
			_, password, _ := strings.Cut(string(login), ":")
			secrets = append(secrets, string(login), password)
		}
	}
	if password, ok := c.URL.User.Password(); ok {
		login := c.URL.User.Username() + ":" + password
		secrets = append(secrets, password, base64.StdEncoding.EncodeToString([]byte(login)))
	} else {
		secrets = append(secrets, c.URL.User.Username()) // a token alone
	}
	if c.URL.RawQuery != "" {
		secrets = append(secrets, c.URL.RawQuery)
		for _, values := range c.URL.Query() {
			secrets = append(secrets, values...)
		}
	}
	return secrets
}
