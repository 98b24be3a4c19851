package middleware

import (
	"fmt"
	"net/http"
	"strings"
)

// maxTemplates is how many values url.template can have. An application that has more gives no templates.
const maxTemplates = 500

// templateOf returns the value of url.template, or empty for none.
func (c *client) templateOf(r *http.Request) string {
	if c.template == nil {
		return ""
	}
	t := c.callTemplate(r)
	if t == "" {
		return ""
	}
	if known, ok := c.templates.get(t); ok {
		return known
	}
	if one := c.templates.putUpTo(maxTemplates, t, func() string { return strings.Clone(t) }); one != "" {
		return one
	}
	return otherValue
}

// callTemplate keeps a panic of the application's function away from its requests, and reports it.
func (c *client) callTemplate(r *http.Request) (template string) {
	defer func() {
		if p := recover(); p != nil {
			template = ""
			c.templateFailures.failed(fmt.Errorf("middleware: WithURLTemplate: the function panicked: %v", p))
		}
	}()
	return c.template(r)
}
